//! Names out of payloads, as logs show them. A class or a jid may be megabytes long and is in every line of its run.

/// The longest name shown whole, in bytes; longer than any that people give.
pub(crate) const LABEL_MAX: usize = 255;

/// The name, or the beginning of a long one.
pub(crate) fn label(name: &str) -> &str {
    let mut end = name.len().min(LABEL_MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!(label("Mail"), "Mail");
        assert_eq!(label(&"x".repeat(255)).len(), 255);
        assert_eq!(label(&"é".repeat(1_000_000)), "é".repeat(127));
    }
}
