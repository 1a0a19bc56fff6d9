//! vMix's TCP API, as far as events go. A real one listens on a port beside the one of its web server, and
//! so does a simulated one: lines have no path that could say whose they are.

use std::io;
use std::net::IpAddr;

use infrafabric_adapters::compile::plain;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;

use crate::provider::Provider;
use crate::pushed::{self, Events, Pushed};

const VERSION: &str = "28.0.0.39";
/// The longest line that is read.
const LIMIT_BYTES: u64 = 16 * 1024;

/// Listens until the world stops, and gives the port, where a provider has one.
pub(crate) fn listen(
    provider: &Provider,
    ip: IpAddr,
    stopped: watch::Receiver<bool>,
) -> Option<u16> {
    provider.compiled.spec().events.as_ref()?.vmix?;
    let listening = bind(ip).and_then(|listener| {
        let port = listener.local_addr()?.port();
        tokio::spawn(accept(listener, provider.pushed.clone(), stopped));
        Ok(port)
    });
    let name = provider.name();
    listening.inspect_err(|error| tracing::warn!(%error, name, "it pushes nothing")).ok()
}

fn bind(ip: IpAddr) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind((ip, 0))?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

async fn accept(listener: TcpListener, events: Events, mut stopped: watch::Receiver<bool>) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopped.changed() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    clients.spawn(serve(stream, events.subscribe()));
                }
                Err(error) => tracing::warn!(%error, "accept"),
            },
            Some(_) = clients.join_next() => {}
        }
    }
}

/// Serves one client; nobody is asked who he is.
async fn serve(stream: TcpStream, mut events: broadcast::Receiver<Pushed>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    write.write_all(format!("VERSION OK {VERSION}\r\n").as_bytes()).await?;
    let mut session = Session::default();
    let mut line = Vec::new();
    loop {
        let left = LIMIT_BYTES.saturating_sub(line.len() as u64);
        let mut bounded = (&mut read).take(left);
        // What was read of a line stays in it when an event comes first.
        let said = tokio::select! {
            read = bounded.read_until(b'\n', &mut line) => {
                if read? == 0 || !line.ends_with(b"\n") {
                    return Ok(());
                }
                let command = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                if command == "QUIT" {
                    return write.write_all(b"QUIT OK Bye\r\n").await;
                }
                Some(session.answer(&command))
            }
            pushed = pushed::next(&mut events) => match pushed {
                Some(pushed) => session.tell(&pushed),
                None => return Ok(()),
            },
        };
        if let Some(said) = said {
            write.write_all(format!("{said}\r\n").as_bytes()).await?;
        }
    }
}

#[derive(Default)]
struct Session {
    /// What is subscribed to: `ACTS`, `TALLY`.
    kinds: Vec<String>,
}

impl Session {
    fn answer(&mut self, line: &str) -> String {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (command, rest) {
            ("VERSION", "") => format!("VERSION OK {VERSION}"),
            ("SUBSCRIBE", "ACTS" | "TALLY") => {
                self.kinds.push(rest.to_owned());
                format!("SUBSCRIBE OK {rest} Subscribed")
            }
            ("UNSUBSCRIBE", "ACTS" | "TALLY") => {
                self.kinds.retain(|kind| kind != rest);
                format!("UNSUBSCRIBE OK {rest} Unsubscribed")
            }
            _ => format!("{command} ER Invalid Command"),
        }
    }

    fn tell(&self, pushed: &Pushed) -> Option<String> {
        let wanted = self.kinds.contains(&pushed.kind);
        wanted.then(|| format!("{} OK {}", pushed.kind, plain(&pushed.data)))
    }
}
