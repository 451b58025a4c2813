//! Durations as people write them: `"30s"`, `"5m"`, `"250ms"`.

const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// The milliseconds that `text` says, or what is wrong with it.
pub(crate) fn parse_ms(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = UNITS.iter().find(|(name, _)| *name == unit);
    let (false, Some((_, factor))) = (number.is_empty(), factor) else {
        return Err(format!(
            "{text:?} is not a duration: write one number and one unit (ms, s, m, h or d), like \"30s\"{}",
            whole(text)
        ));
    };
    let ms = number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(*factor));
    match ms {
        None => Err(format!("{text:?} is too long for a duration")),
        Some(0) => Err("a duration must be longer than zero".to_owned()),
        Some(ms) => Ok(ms),
    }
}

/// A hint for the form most often tried.
fn whole(text: &str) -> &'static str {
    if text.contains('.') {
        "; numbers are whole, so half a minute is \"30s\""
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::parse_ms;

    #[test]
    fn numbers_with_a_unit() {
        for (text, ms) in [
            ("250ms", 250),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("2d", 172_800_000),
            ("007s", 7_000),
            ("18446744073709551615ms", u64::MAX),
        ] {
            assert_eq!(parse_ms(text), Ok(ms), "{text}");
        }
    }

    #[test]
    fn everything_else_is_told_what_to_write() {
        for text in [
            "", "s", "30", "30 s", " 30s", "30S", "30sec", "-5s", "+5s", "1h30m", "1.5h", "5µs",
            "٣s", "0x10s",
        ] {
            let said = parse_ms(text);
            assert!(
                matches!(&said, Err(error) if error.contains("like \"30s\"")),
                "{text}: {said:?}"
            );
        }
        assert!(parse_ms("1.5h").is_err_and(|said| said.contains("whole")));
        assert!(parse_ms("0ms").is_err_and(|said| said.contains("longer than zero")));
        for text in [
            "18446744073709551616ms",
            "18446744073709551615s",
            "99999999999999999999999d",
        ] {
            assert!(
                parse_ms(text).is_err_and(|said| said.contains("too long")),
                "{text}"
            );
        }
    }
}
