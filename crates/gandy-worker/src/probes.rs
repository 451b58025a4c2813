//! The port of the probes: taken at start, and asked by `gandy-worker health` in images without curl.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use gandy::Listener;

use crate::config::probes::Probes;
use crate::exit;

/// An answer later than this is none; orchestrators give up after a second by default.
const DEADLINE: Duration = Duration::from_secs(2);

/// Takes the port. `None`: probes are off, or nobody has asked for this port and it is taken.
///
/// # Errors
///
/// A port that was asked for and cannot be had, with what to do.
pub fn listen(probes: Probes) -> Result<Option<Listener>, String> {
    let Probes::At { address, explicit } = probes else {
        return Ok(None);
    };
    match Listener::bind(address) {
        Ok(listener) => {
            let address = listener.address();
            tracing::info!(%address, "probes are at /livez, /readyz and /startupz, metrics at /metrics");
            Ok(Some(listener))
        }
        Err(error) if explicit => Err(format!(
            "probes: cannot listen on {address}: {error}; name another address (--probes, GANDY_PROBES or the key \
             `probes`), or \"off\""
        )),
        Err(error) => {
            tracing::warn!(
                "no probes: cannot listen on {address}, the default: {error}; name another with --probes, or say off"
            );
            Ok(None)
        }
    }
}

/// Asks the worker of this host; gives the exit code, and says why where that is not 0.
pub fn ask(probes: Probes, path: &str) -> (u8, String) {
    let Probes::At { address, .. } = probes else {
        return (exit::UNHEALTHY, "probes are off".to_owned());
    };
    let address = reachable(address);
    match get(address, path) {
        Ok((200, _)) => (exit::CLEAN, String::new()),
        Ok((_, body)) => (exit::UNHEALTHY, body.trim_end().to_owned()),
        Err(why) => (exit::UNHEALTHY, format!("http://{address}{path}: {why}")),
    }
}

/// Whoever listens on all addresses is asked on loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

/// Status and body.
fn get(address: SocketAddr, path: &str) -> Result<(u16, String), String> {
    let answer = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, DEADLINE)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        stream.take(64 << 10).read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = answer().map_err(|error| error.to_string())?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .ok_or("what answers there is no gandy-worker")?;
    Ok((status, body.to_owned()))
}
