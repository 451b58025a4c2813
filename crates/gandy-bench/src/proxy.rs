//! A TCP proxy that makes Redis far away: every byte goes on unchanged, a fixed time after it came.
//!
//! It runs in a process of its own, so that its CPU is nobody's. A byte's delay is by the clock and not a sleep for each
//! piece: as many bytes as come go through, only later.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// Read at once.
const PIECE: usize = 1 << 16;

/// Bytes and when they are due.
type Piece = (Instant, Vec<u8>);

/// Listens on `listen` and passes everything to `upstream` and back, `delay` later each way. Ends with its process.
pub(crate) fn run(listen: &str, upstream: &str, delay: Duration) -> Result<()> {
    // The kernel's usual 50 µs of slack on a sleep would be a twentieth of the delay.
    let _ = nix::sys::prctl::set_timerslack(1_000);
    let listener =
        TcpListener::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
    serve(&listener, upstream, delay)
}

fn serve(listener: &TcpListener, upstream: &str, delay: Duration) -> Result<()> {
    for near in listener.incoming() {
        let near = near?;
        let Ok(far) = TcpStream::connect(upstream) else {
            continue;
        };
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        pass(near.try_clone()?, far.try_clone()?, delay);
        pass(far, near, delay);
    }
    Ok(())
}

/// One direction.
fn pass(from: TcpStream, to: TcpStream, delay: Duration) {
    let (sender, pieces) = channel();
    thread::spawn(move || {
        let mut from = from;
        let mut buffer = vec![0; PIECE];
        loop {
            match from.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(count) => {
                    let piece = (Instant::now() + delay, buffer[..count].to_vec());
                    if sender.send(piece).is_err() {
                        return;
                    }
                }
            }
        }
    });
    thread::spawn(move || deliver(&pieces, to));
}

/// Writes each piece when it is due; then says that no more comes.
fn deliver(pieces: &Receiver<Piece>, mut to: TcpStream) {
    while let Ok((due, bytes)) = pieces.recv() {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            return;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A proxy before a server that sends back what it gets.
    fn far_echo(delay: Duration) -> TcpStream {
        let echo = TcpListener::bind("127.0.0.1:0").unwrap();
        let upstream = echo.local_addr().unwrap().to_string();
        thread::spawn(move || {
            for stream in echo.incoming() {
                let (mut reader, mut writer) = {
                    let stream = stream.unwrap();
                    (stream.try_clone().unwrap(), stream)
                };
                thread::spawn(move || std::io::copy(&mut reader, &mut writer));
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || serve(&listener, &upstream, delay));
        let stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    #[test]
    fn a_round_trip_takes_twice_the_delay_and_little_more() {
        let delay = Duration::from_millis(20);
        let mut stream = far_echo(delay);
        let mut best = Duration::MAX;
        for _ in 0..10 {
            let begun = Instant::now();
            stream.write_all(b"x").unwrap();
            stream.read_exact(&mut [0]).unwrap();
            let took = begun.elapsed();
            assert!(took >= 2 * delay, "{took:?}");
            best = best.min(took);
        }
        // The best of ten, for a machine that is busy with other tests.
        assert!(best < 2 * delay + Duration::from_millis(10), "{best:?}");
    }

    #[test]
    fn bytes_arrive_unchanged_and_are_not_held_up_by_each_other() {
        let mut stream = far_echo(Duration::from_millis(20));
        let sent: Vec<u8> = (0..20_000_000_u32)
            .map(|number| (number % 251) as u8)
            .collect();
        let mut writer = stream.try_clone().unwrap();
        let bytes = sent.clone();
        let begun = Instant::now();
        thread::spawn(move || writer.write_all(&bytes).unwrap());
        let mut got = vec![0; sent.len()];
        stream.read_exact(&mut got).unwrap();
        assert!(got == sent);
        // A sleep for each piece would be 300 × 40 ms.
        assert!(
            begun.elapsed() < Duration::from_secs(6),
            "{:?}",
            begun.elapsed()
        );
    }
}
