//! "Did you mean": the known word nearest to a mistyped one.

/// The nearest of `known`, if it is near enough to be meant: at most a third of its letters differ.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| distance * 3 <= candidate.len().min(9))
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_word_and_a_stranger_finds_none() {
        let known = ["concurrency", "queues", "exec"];
        assert_eq!(nearest("concurency", known), Some("concurrency"));
        assert_eq!(nearest("queue", known), Some("queues"));
        assert_eq!(nearest("exce", known), Some("exec"));
        assert_eq!(nearest("redis", known), None);
    }
}
