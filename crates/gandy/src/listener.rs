//! A small HTTP/1.1 server for probes and metrics: `GET` of a few paths, one answer for each connection.
//!
//! By hand and not by a web framework: an orchestrator's probe and a scrape need a request line and an answer, and every
//! application that embeds a worker would carry the framework. What a stranger can do is bounded: connections, bytes, time.
//!
//! Not here: what is answered (`worker::probes`), and bodies, keep-alive, TLS: no probe needs them.

use std::{
    fmt,
    future::Future,
    io,
    net::{SocketAddr, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};

/// Connections at once; more wait in the system's queue.
const CONNECTIONS: usize = 64;
/// The longest head of a request; probes send some 200 bytes.
const HEAD_MAX: usize = 8 << 10;
/// For a request to come: who opens connections and says nothing must not keep an orchestrator from asking.
const ASKING: Duration = Duration::from_secs(2);
/// For an answer to be taken.
const TELLING: Duration = Duration::from_secs(5);
/// After a refusal to accept, as when files have run out.
const AGAIN: Duration = Duration::from_millis(100);

/// A port that is taken, and not yet served.
#[derive(Debug)]
pub struct Listener {
    socket: std::net::TcpListener,
    address: SocketAddr,
}

/// What a path is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code, such as 200.
    pub status: u16,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Answer {
    /// Plain text.
    #[must_use]
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: body.into(),
        }
    }

    /// Metrics, in the text format of Prometheus.
    #[must_use]
    pub fn metrics(body: String) -> Self {
        Self {
            status: 200,
            content_type: "text/plain; version=0.0.4; charset=utf-8",
            body,
        }
    }

    /// What a path that does not exist is answered with; `paths` are those that do.
    #[must_use]
    pub fn not_found(paths: &str) -> Self {
        Self::text(404, format!("there is nothing here; there is {paths}\n"))
    }
}

impl Listener {
    /// Takes a port: `127.0.0.1:7433`, `[::1]:7433`, `localhost:0` (0: any that is free).
    ///
    /// # Errors
    /// The address is none, or taken, or not this host's.
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        let socket = std::net::TcpListener::bind(address)?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers for as long as it is polled; `answer` is asked for each path.
    ///
    /// # Errors
    /// Not within a runtime with I/O and time.
    pub async fn serve<F, Fut>(self, answer: F) -> io::Result<()>
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Answer> + Send + 'static,
    {
        let socket = tokio::net::TcpListener::from_std(self.socket)?;
        let answer = Arc::new(answer);
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        // Ends the connections, too, when this is dropped.
        let mut open = tokio::task::JoinSet::new();
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return Ok(());
            };
            let Ok((stream, _)) = socket.accept().await else {
                tokio::time::sleep(AGAIN).await;
                continue;
            };
            let answer = Arc::clone(&answer);
            open.spawn(async move {
                let _place = place;
                // Who goes away in the middle, or takes too long, gets nothing.
                let _ = converse(stream, &*answer).await;
            });
            while open.try_join_next().is_some() {}
        }
    }
}

/// The deadlines are the other end's; how long an answer takes is its maker's business: a fleet's numbers from a Redis that
/// hangs come after 8 s, and say so.
async fn converse<F, Fut>(mut stream: TcpStream, answer: &F) -> io::Result<()>
where
    F: Fn(String) -> Fut,
    Fut: Future<Output = Answer>,
{
    let Some(request) = timeout(ASKING, ask(&mut stream)).await?? else {
        return Ok(());
    };
    let (answer, with_body) = match request {
        Ok(request) => (answer(request.path).await, request.with_body),
        Err(refusal) => (refusal, true),
    };
    let telling = async {
        stream.write_all(head_of(&answer).as_bytes()).await?;
        if with_body {
            stream.write_all(answer.body.as_bytes()).await?;
        }
        stream.shutdown().await
    };
    timeout(TELLING, telling).await?
}

/// Reads what is asked for. `None`: the other end went away.
async fn ask(stream: &mut TcpStream) -> io::Result<Option<Result<Request, Answer>>> {
    let mut head = Vec::with_capacity(512);
    loop {
        if let Some(end) = head.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            return Ok(Some(Request::read(&head[..end])));
        }
        if head.len() >= HEAD_MAX {
            let refusal = Answer::text(431, "the request's head is too long\n");
            return Ok(Some(Err(refusal)));
        }
        let room = HEAD_MAX - head.len();
        let part = (&mut *stream).take(room as u64).read_buf(&mut head).await?;
        if part == 0 {
            return Ok(None);
        }
    }
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    path: String,
    /// `false`: `HEAD`.
    with_body: bool,
}

impl Request {
    /// Of the head of a request, without the empty line at its end.
    fn read(head: &[u8]) -> Result<Self, Answer> {
        let wrong = || Answer::text(400, "this is no HTTP/1 request\n");
        let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = std::str::from_utf8(line).map_err(|_| wrong())?;
        let words: Vec<&str> = line.trim_end_matches('\r').split(' ').collect();
        let [method, target, version] = words[..] else {
            return Err(wrong());
        };
        if !version.starts_with("HTTP/1.") || !target.starts_with('/') {
            return Err(wrong());
        }
        let path = target.split(['?', '#']).next().unwrap_or_default();
        match method {
            "GET" | "HEAD" => Ok(Self {
                path: path.to_owned(),
                with_body: method == "GET",
            }),
            _ => Err(Answer::text(405, "only GET and HEAD are answered here\n")),
        }
    }
}

fn head_of(answer: &Answer) -> String {
    format!(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\n{}Connection: close\r\n\r\n",
        answer.status,
        Reason(answer.status),
        answer.content_type,
        answer.body.len(),
        if answer.status == 405 {
            "Allow: GET, HEAD\r\n"
        } else {
            ""
        },
    )
}

/// The words behind a status code, for people who read along.
struct Reason(u16);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            200 => "OK",
            400 => "Bad Request",
            404 => "Not Found",
            405 => "Method Not Allowed",
            431 => "Request Header Fields Too Large",
            503 => "Service Unavailable",
            _ => "Answer",
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{
        io::{Read, Write},
        net::{Shutdown, TcpStream},
    };

    use super::*;

    #[test]
    fn a_request_is_its_method_and_its_path() {
        let read = |head: &str| Request::read(head.as_bytes());
        let request = read("GET /livez?verbose HTTP/1.1\r\nHost: h").unwrap();
        assert_eq!((request.path.as_str(), request.with_body), ("/livez", true));
        assert!(!read("HEAD / HTTP/1.0").unwrap().with_body);
        assert_eq!(read("POST / HTTP/1.1").unwrap_err().status, 405);
        for wrong in ["", "GET", "GET /", "GET / HTTP/2", "GET http://h/ HTTP/1.1"] {
            assert_eq!(read(wrong).unwrap_err().status, 400, "{wrong:?}");
        }
        assert_eq!(
            Request::read(b"GET /\xff HTTP/1.1").unwrap_err().status,
            400
        );
    }

    /// Sends these bytes and gives everything that comes back.
    fn say(address: SocketAddr, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        // The server may have refused before it has read everything.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        String::from_utf8(reply).unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn strangers_get_an_answer_or_nothing_and_never_more() {
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        let address = listener.address();
        let server = tokio::spawn(listener.serve(|path| async move {
            match path.as_str() {
                "/a" => Answer::text(200, "ä\n"),
                _ => Answer::not_found("/a"),
            }
        }));
        tokio::task::spawn_blocking(move || {
            let fine = say(address, b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
            assert!(fine.starts_with("HTTP/1.1 200 OK\r\n"), "{fine}");
            assert!(fine.contains("\r\nContent-Length: 3\r\n") && fine.ends_with("\r\n\r\nä\n"));
            let head = say(address, b"HEAD /a HTTP/1.1\r\n\r\n");
            assert!(head.contains("Content-Length: 3\r\n") && head.ends_with("\r\n\r\n"));
            assert!(say(address, b"GET /b HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
            let post = say(address, b"POST /a HTTP/1.1\r\n\r\n");
            assert!(post.starts_with("HTTP/1.1 405 ") && post.contains("Allow: GET, HEAD"));
            assert!(say(address, b"\x16\x03\x01\x02\r\n\r\n").starts_with("HTTP/1.1 400 "));
            // Half a request, then nothing more.
            assert_eq!(say(address, b"GET /a HT"), "");
            let long = [b"GET /a HTTP/1.1\r\nX: ".as_slice(), &[b'x'; 9000]].concat();
            let refused = say(address, &long);
            assert!(
                refused.is_empty() || refused.starts_with("HTTP/1.1 431 "),
                "{refused}"
            );
        })
        .await
        .unwrap();
        server.abort();
    }
}
