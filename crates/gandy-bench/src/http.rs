//! A small blocking HTTP/1.1 client for one dashboard: pages over one kept connection, and streams of events. It says how
//! long the whole answer took and how many bytes it had; what a browser would do with them is left out.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};

/// Longer than any search is allowed to take.
const DEADLINE: Duration = Duration::from_secs(90);
/// What browsers say.
const BROWSER: &str = "gzip, deflate, br, zstd";

/// One kept connection.
#[derive(Debug)]
pub(crate) struct Http {
    stream: BufReader<TcpStream>,
    port: u16,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// As it was sent, compressed perhaps.
    pub(crate) body: Vec<u8>,
    /// Bytes of head and body on the wire.
    pub(crate) wire: usize,
    /// From before the request was written until the last byte was read.
    pub(crate) took: Duration,
}

impl Answer {
    /// Its body as text; an error unless it is a success.
    pub(crate) fn text(&self) -> Result<&str> {
        let text = std::str::from_utf8(&self.body)?;
        ensure!(self.status == 200, "HTTP {}: {text:.300}", self.status);
        Ok(text)
    }
}

/// The head of an answer.
#[derive(Debug, Default)]
struct Head {
    status: u16,
    length: Option<usize>,
    bytes: usize,
}

impl Http {
    /// Connects to a dashboard on this machine.
    pub(crate) fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))
            .with_context(|| format!("cannot connect to the dashboard at 127.0.0.1:{port}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        Ok(Self {
            stream: BufReader::new(stream),
            port,
        })
    }

    /// Asks for `path` as a browser does, compressed.
    pub(crate) fn get(&mut self, path: &str) -> Result<Answer> {
        self.ask(path, BROWSER)
    }

    /// Asks for `path` as it is.
    pub(crate) fn plain(&mut self, path: &str) -> Result<Answer> {
        self.ask(path, "identity")
    }

    fn ask(&mut self, path: &str, encoding: &str) -> Result<Answer> {
        let begun = Instant::now();
        self.send(path, encoding)?;
        let head = self.head()?;
        let length = head
            .length
            .with_context(|| format!("{path}: an answer without a length"))?;
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Answer {
            status: head.status,
            wire: head.bytes + length,
            body,
            took: begun.elapsed(),
        })
    }

    fn send(&mut self, path: &str, encoding: &str) -> Result<()> {
        // Without credentials only this name is answered.
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost:{}\r\nAccept-Encoding: {encoding}\r\n\r\n",
            self.port
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        Ok(())
    }

    fn head(&mut self) -> Result<Head> {
        let mut head = Head::default();
        let mut line = String::new();
        loop {
            line.clear();
            head.bytes += self.stream.read_line(&mut line)?;
            let text = line.trim_end();
            if text.is_empty() {
                ensure!(head.status > 0, "the dashboard closed the connection");
                return Ok(head);
            }
            if head.status == 0 {
                let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
                head.status = status.with_context(|| format!("no HTTP: {text:.100}"))?;
            } else if let Some((name, value)) = text.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                head.length = Some(value.trim().parse()?);
            }
        }
    }
}

/// What a stream of events brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Events.
    pub(crate) events: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
}

/// An open live page: reads until it is closed.
#[derive(Debug)]
pub(crate) struct Events {
    socket: TcpStream,
    reader: JoinHandle<Result<Heard>>,
}

impl Events {
    /// Opens the stream of a page as the page's script does.
    pub(crate) fn open(port: u16, page: &str) -> Result<Self> {
        let mut http = Http::connect(port)?;
        let socket = http.stream.get_ref().try_clone()?;
        // A browser does not ask for a compressed stream either.
        http.send(&format!("/live?page={page}"), "identity")?;
        let head = http.head()?;
        ensure!(
            head.status == 200,
            "/live?page={page}: HTTP {}",
            head.status
        );
        ensure!(head.length.is_none(), "/live?page={page} is no stream");
        let reader = thread::spawn(move || listen(http));
        Ok(Self { socket, reader })
    }

    /// Closes it, as a page that is left. An error where the dashboard closed it before.
    pub(crate) fn close(self) -> Result<Heard> {
        if self.reader.is_finished() {
            bail!("the dashboard closed a live page");
        }
        self.socket.shutdown(Shutdown::Both)?;
        let heard = self.reader.join();
        heard.map_err(|_| anyhow!("the thread that listens panicked"))?
    }
}

fn listen(mut http: Http) -> Result<Heard> {
    let mut heard = Heard::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        match http.stream.read_until(b'\n', &mut line) {
            Ok(0) => return Ok(heard),
            Ok(count) => heard.bytes += count as u64,
            // Closed in the middle of a line.
            Err(_) => return Ok(heard),
        }
        heard.events += u64::from(line.starts_with(b"event: news"));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::net::TcpListener;

    /// The port of a server that gives `answers` in turn on one connection, and what it was asked.
    fn server(answers: &'static [&'static str]) -> (u16, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut stream = BufReader::new(stream);
            let mut asked = Vec::new();
            for answer in answers {
                let mut request = String::new();
                while !request.ends_with("\r\n\r\n") {
                    assert!(stream.read_line(&mut request).unwrap() > 0);
                }
                asked.push(request);
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
            }
            stream.get_ref().shutdown(Shutdown::Write).unwrap();
            asked
        });
        (port, asked)
    }

    #[test]
    fn two_answers_on_one_connection_with_the_bytes_of_head_and_body() {
        let (port, asked) = server(&[
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno",
        ]);
        let mut http = Http::connect(port).unwrap();
        let answer = http.get("/queues").unwrap();
        assert_eq!(answer.text().unwrap(), "hello");
        assert_eq!(answer.wire, 38 + 5);
        let refused = http.plain("/nothing").unwrap();
        assert!(refused.text().unwrap_err().to_string().contains("404: no"));
        drop(http);
        let asked = asked.join().unwrap();
        assert!(asked[0].starts_with("GET /queues HTTP/1.1\r\nHost: localhost:"));
        assert!(asked[0].contains("gzip") && !asked[1].contains("gzip"));
    }

    #[test]
    fn events_are_counted_until_the_stream_ends() {
        let (port, _asked) = server(&[
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2e\r\nevent: news\ndata: 1\n\nevent: news\ndata: 22\n\n: \n\r\n",
        ]);
        let mut http = Http::connect(port).unwrap();
        http.send("/live?page=overview", "identity").unwrap();
        assert_eq!(http.head().unwrap().length, None);
        let heard = listen(http).unwrap();
        assert_eq!((heard.events, heard.bytes > 40), (2, true));
    }
}
