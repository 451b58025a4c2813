//! `probes`: where a worker answers probes, an address or `off`.

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};

use super::raw::Raw;

/// The port when nobody names one.
pub const PORT: u16 = 7433;

/// Where probes are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probes {
    /// Nowhere.
    Off,
    /// At an address.
    At {
        /// The address.
        address: SocketAddr,
        /// Somebody asked for it: one that cannot be had is then an error.
        explicit: bool,
    },
}

impl Default for Probes {
    fn default() -> Probes {
        Probes::At {
            address: (Ipv4Addr::UNSPECIFIED, PORT).into(),
            explicit: false,
        }
    }
}

impl Probes {
    /// Reads `off`, `HOST:PORT`, or a port alone, which is that of all addresses.
    ///
    /// # Errors
    ///
    /// What it must be.
    pub fn read(raw: Raw<'_>) -> Result<Probes, String> {
        let wrong = || {
            format!(
                "must be \"off\" or an address with a port, such as \"0.0.0.0:7433\" or \"127.0.0.1:7433\", got {}",
                raw.shown()
            )
        };
        if raw.boolean() == Ok(false) {
            return Ok(Probes::Off);
        }
        let port = raw.whole_number(0, u64::from(u16::MAX)).ok();
        let address = match port.and_then(|port| u16::try_from(port).ok()) {
            Some(port) => Some(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
            None => {
                let text = raw.text().map_err(|_| wrong())?.trim();
                if text == "off" {
                    return Ok(Probes::Off);
                }
                text.to_socket_addrs()
                    .ok()
                    .and_then(|mut found| found.next())
            }
        };
        Ok(Probes::At {
            address: address.ok_or_else(wrong)?,
            explicit: true,
        })
    }

    /// As it is written in the file.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Probes::Off => "off".to_owned(),
            Probes::At { address, .. } => address.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_an_address_a_port_or_off() {
        let read = |text| Probes::read(Raw::Text(text)).map(|probes| probes.shown());
        assert_eq!(read("off"), Ok("off".to_owned()));
        assert_eq!(read("127.0.0.1:80"), Ok("127.0.0.1:80".to_owned()));
        assert_eq!(read("[::1]:80"), Ok("[::1]:80".to_owned()));
        assert_eq!(read("7000"), Ok("0.0.0.0:7000".to_owned()));
        for wrong in ["", "on", "127.0.0.1", "1.2.3.4:70000", "h h:1"] {
            let error = read(wrong).expect_err(wrong);
            assert!(error.contains("must be \"off\" or an address"), "{error}");
        }
        assert_eq!(Probes::default().shown(), "0.0.0.0:7433");
    }
}
