//! Which known word somebody meant.

/// The word of `known` that is nearest to `word`: at most two edits away, or with the same first four letters.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let begins_alike = |known: &str| word.len() >= 4 && known.get(..4) == word.get(..4);
    known
        .iter()
        .map(|known| (distance(word, known), *known))
        .filter(|(distance, known)| *distance <= 2 || begins_alike(known))
        .min()
        .map(|(_, known)| known)
}

/// Levenshtein's distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distances_are_levenshteins() {
        for (left, right, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("qeue", "queue", 1),
            ("dead", "dead", 0),
        ] {
            assert_eq!(distance(left, right), expected);
            assert_eq!(distance(right, left), expected);
        }
    }

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let known = ["class", "queue", "retry", "retry_for", "tags", "dead"];
        for (word, meant) in [
            ("qeue", Some("queue")),
            ("Class", Some("class")),
            ("tag", Some("tags")),
            ("retries", Some("retry")),
            ("retry_fro", Some("retry_for")),
            ("cron", None),
        ] {
            assert_eq!(nearest(word, &known), meant, "{word}");
        }
    }
}
