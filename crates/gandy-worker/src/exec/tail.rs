//! The end of a stream: reads all of it, so that the program never waits for us, and keeps the last bytes.

use tokio::io::{AsyncRead, AsyncReadExt};

/// A stream and the last `limit` bytes that came from it.
#[derive(Debug)]
pub struct Tail<R> {
    stream: Option<R>,
    kept: Vec<u8>,
    limit: usize,
}

impl<R: AsyncRead + Unpin> Tail<R> {
    /// Keeps at most `limit` bytes of `stream`; no stream reads as an empty one.
    pub fn new(stream: Option<R>, limit: usize) -> Tail<R> {
        Tail {
            stream,
            kept: Vec::new(),
            limit,
        }
    }

    /// Reads to the end of the stream. May be dropped and called again: nothing that was read is lost.
    pub async fn fill(&mut self) {
        let Some(stream) = &mut self.stream else {
            return;
        };
        let mut chunk = [0; 8 * 1024];
        // A read error ends the stream: what was said so far is all that can be shown.
        while let Ok(count @ 1..) = stream.read(&mut chunk).await {
            self.kept.extend_from_slice(&chunk[..count]);
            // Cut only now and then, so that a stream of small writes is not moved byte by byte.
            if self.kept.len() > self.limit * 2 + chunk.len() {
                self.kept.drain(..self.kept.len() - self.limit);
            }
        }
        self.stream = None;
    }

    /// The last bytes as text, from a character's beginning on.
    pub fn text(&self) -> String {
        let start = self.kept.len().saturating_sub(self.limit);
        let kept = &self.kept[start..];
        // A cut may fall inside a character of up to four bytes.
        let broken = kept
            .iter()
            .take(3)
            .take_while(|byte| start > 0 && **byte & 0b1100_0000 == 0b1000_0000)
            .count();
        String::from_utf8_lossy(&kept[broken..]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn tail(bytes: &[u8], limit: usize) -> String {
        let mut tail = Tail::new(Some(bytes), limit);
        tail.fill().await;
        tail.fill().await;
        tail.text()
    }

    #[tokio::test]
    async fn only_the_end_is_kept_whatever_comes() {
        assert_eq!(tail(b"short", 10).await, "short");
        assert_eq!(tail(b"0123456789", 4).await, "6789");
        let long = [vec![b'x'; 1_000_000], b"the end".to_vec()].concat();
        assert_eq!(tail(&long, 7).await, "the end");
        assert_eq!(tail(b"anything", 0).await, "");
    }

    #[tokio::test]
    async fn a_cut_character_is_left_out_and_other_bytes_are_shown_as_unknown() {
        assert_eq!(tail("aä".as_bytes(), 1).await, "");
        assert_eq!(tail("€b".as_bytes(), 3).await, "b");
        assert_eq!(tail(b"\xff!", 10).await, "\u{fffd}!");
    }

    #[tokio::test]
    async fn no_stream_is_an_empty_one() {
        let mut tail = Tail::<&[u8]>::new(None, 9);
        tail.fill().await;
        assert_eq!(tail.text(), "");
    }
}
