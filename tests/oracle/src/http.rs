//! Just enough HTTP to ask a loopback program whether it is there, without a client crate.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::error::Error;

const PATIENCE: Duration = Duration::from_secs(30);

/// The status and the body of one plain exchange with a loopback port.
pub(crate) fn ask(port: u16, method: &str, path: &str, body: &str) -> Result<(u16, String), Error> {
    send(port, method, path, &[], body)
}

/// The same with headers.
pub(crate) fn send(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<(u16, String), Error> {
    exchange(port, method, path, headers, body)
        .map_err(|source| Error::Http { url: format!("http://127.0.0.1:{port}{path}"), source })
}

/// Whether anything answers a GET with a status below 500.
pub(crate) fn answers(port: u16, path: &str) -> bool {
    exchange(port, "GET", path, &[], "").is_ok_and(|(status, _)| status < 500)
}

fn exchange(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Content-Length: {}\r\n",
        body.len()
    )?;
    for (name, value) in headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    write!(stream, "\r\n{body}")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("no HTTP status in the answer"))?;
    Ok((status, body.to_owned()))
}
