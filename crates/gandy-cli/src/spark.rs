//! A row of numbers as a row of little bars.

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One bar for each of at most `most` groups of neighbours, the highest as high as a bar gets; a blank where nothing was.
pub(crate) fn line(numbers: &[u64], most: usize) -> String {
    let size = numbers.len().div_ceil(most.max(1)).max(1);
    // From the end, so that the last bar is a whole group.
    let mut groups: Vec<u64> = numbers
        .rchunks(size)
        .map(|group| {
            group
                .iter()
                .fold(0, |sum: u64, number| sum.saturating_add(*number))
        })
        .collect();
    groups.reverse();
    let highest = groups.iter().copied().max().unwrap_or(0);
    groups
        .iter()
        .map(|&group| match group {
            0 => ' ',
            _ => BARS[((group as f64 / highest as f64 * 8.0).ceil() as usize).clamp(1, 8) - 1],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn bars_are_relative_to_the_highest_and_groups_are_counted_from_the_end() {
        assert_eq!(line(&[0, 1, 4, 8], 10), " ▁▄█");
        assert_eq!(line(&[5, 0, 0, 1, 1], 3), "█ ▄");
        assert_eq!(line(&[], 3), "");
        assert_eq!(line(&[u64::MAX, u64::MAX, 1], 2), "██");
        assert_eq!(line(&[0, 0], 10), "  ");
    }
}
