//! vMix's TCP API: lines that end with CR LF, of which we ask for the activators and the tally.
//!
//! <https://www.vmix.com/help28/TCPAPI.html>

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::{Host, Url};

use super::{Device, DeviceEvent, Refusal, Said, Wire, unreachable};

/// What is subscribed to; the names of the events are these too.
const KINDS: [&str; 2] = ["ACTS", "TALLY"];
/// The longest line that is read; the vendor's longest, the tally of 1000 inputs, has 1011.
const LIMIT_BYTES: usize = 16 * 1024;

pub(super) struct Vmix {
    stream: TcpStream,
    /// What came and is no whole line yet.
    came: BytesMut,
}

/// Opens a connection that brings events. Nobody is asked for credentials, and none are shown.
pub(super) async fn connect(device: &Device<'_>) -> Result<Vmix, Refusal> {
    let (host, port) = place(&device.url).ok_or_else(|| unreachable("no host and port"))?;
    let stream = TcpStream::connect((host.as_str(), port)).await;
    let stream = stream.map_err(|error| Refusal::Unreachable(format!("connect: {error}")))?;
    // Lines are short and asked for one by one.
    let _ = stream.set_nodelay(true);
    let mut vmix = Vmix { stream, came: BytesMut::new() };
    let ended = || unreachable("it hung up before it let us in");
    // It speaks first. To what is no vMix nothing is said.
    let hello = vmix.line().await.ok_or_else(ended)?;
    if !hello.starts_with("VERSION OK") {
        return Err(unreachable("no greeting of vMix"));
    }
    for kind in KINDS {
        // The next is asked for when this one is answered.
        vmix.say(&format!("SUBSCRIBE {kind}\r\n")).await.ok_or_else(ended)?;
        let mut answer = vmix.line().await.ok_or_else(ended)?;
        // What happens meanwhile is seen by looking.
        while event(&answer).is_some() {
            answer = vmix.line().await.ok_or_else(ended)?;
        }
        if !answer.starts_with("SUBSCRIBE OK") {
            return Err(Refusal::Unsupported(format!("it refuses to push {kind}")));
        }
    }
    Ok(vmix)
}

/// Host and port; an IPv6 address stands in brackets only within a URL.
fn place(url: &Url) -> Option<(String, u16)> {
    let host = match url.host()? {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(ip) => ip.to_string(),
        Host::Ipv6(ip) => ip.to_string(),
    };
    Some((host, url.port_or_known_default()?))
}

impl Vmix {
    /// The next line; nothing when it hung up, or when a line has no end.
    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.came.iter().position(|byte| *byte == b'\n') {
                let line = self.came.split_to(end + 1);
                return Some(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.came.len() > LIMIT_BYTES
                || self.stream.read_buf(&mut self.came).await.ok()? == 0
            {
                return None;
            }
        }
    }

    async fn say(&mut self, line: &str) -> Option<()> {
        self.stream.write_all(line.as_bytes()).await.ok()
    }
}

impl Wire for Vmix {
    async fn next(&mut self) -> Option<Said> {
        self.line().await.map(|line| event(&line).map_or(Said::Sign, Said::Event))
    }

    async fn ask(&mut self) -> Option<()> {
        self.say("VERSION\r\n").await
    }
}

/// `ACTS OK Input 1 1` is an event `ACTS` that says `Input 1 1`.
fn event(line: &str) -> Option<DeviceEvent> {
    let (kind, rest) = line.split_once(' ')?;
    let said = rest.strip_prefix("OK ").filter(|_| KINDS.contains(&kind))?;
    Some(DeviceEvent { kind: kind.to_owned(), data: said.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_event_or_nothing() {
        let said = |line: &str| event(line).map(|event| (event.kind, event.data));
        let acts = |data: &str| Some(("ACTS".to_owned(), data.into()));
        assert_eq!(said("ACTS OK Input 1 1"), acts("Input 1 1"));
        assert_eq!(said("ACTS OK Streaming 1"), acts("Streaming 1"));
        assert_eq!(said("TALLY OK 0120"), Some(("TALLY".to_owned(), "0120".into())));
        for line in ["VERSION OK 28.0.0.39", "ACTS ER No Input", "ACTS", "TALLY OK", "XML OK a", ""]
        {
            assert_eq!(said(line), None, "{line}");
        }
    }

    #[test]
    fn a_host_is_what_a_resolver_takes() {
        for (url, host, port) in
            [("http://vmix:8099/", "vmix", 8099), ("http://[::1]:8099/api", "::1", 8099)]
        {
            let url = Url::parse(url).expect("a URL");
            assert_eq!(place(&url), Some((host.to_owned(), port)));
        }
    }
}
