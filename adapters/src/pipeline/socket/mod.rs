//! Connections that stay: one for an account, made when it is first needed, kept alive, with the events
//! that the device pushes on it. What a device speaks is a module of its own.

mod home_assistant;
mod obs;
mod vmix;
mod web;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use infrafabric_definition::Class;
use secrecy::SecretString;
use serde_json::Value as Json;
use tokio::sync::{Mutex, broadcast};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use url::Url;

/// How long it may take to reach the device and be let in.
const CONNECT: Duration = Duration::from_secs(5);
/// After how long a silence the device is asked whether it is there, and after how long another the
/// connection is given up: a machine that lost its power says no goodbye.
const QUIET: Duration = Duration::from_secs(5);
/// How many events wait for who reads them slowly; the oldest are lost then.
const EVENTS: usize = 256;

/// What a device pushes.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceEvent {
    /// The vendor's name of it.
    pub kind: String,
    /// What it says.
    pub data: Json,
}

/// An event; nothing when the connection that brought them has ended.
pub(crate) type Pushed = Option<DeviceEvent>;

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Device<'a> {
    pub(crate) speaks: Speaks,
    /// Where it is; of vMix, host and port alone.
    pub(crate) url: Url,
    /// What it lets in by.
    pub(crate) secret: Option<&'a SecretString>,
}

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// obs-websocket 5.
    Obs,
    /// Home Assistant's websocket API.
    HomeAssistant,
    /// vMix's TCP API.
    Vmix,
}

/// Why nobody was let in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The device cannot be reached, or does not speak as it should.
    Unreachable(String),
    /// It refuses the credentials.
    Credentials(&'static str),
    /// It does not speak what is needed, or we do not.
    Unsupported(String),
}

impl Refusal {
    pub(crate) fn class(&self) -> Class {
        match self {
            Self::Unreachable(_) => Class::Unavailable,
            Self::Credentials(_) => Class::Auth,
            Self::Unsupported(_) => Class::Unsupported,
        }
    }

    pub(crate) fn text(self) -> String {
        match self {
            Self::Unreachable(text) | Self::Unsupported(text) => text,
            Self::Credentials(text) => text.to_owned(),
        }
    }
}

fn unreachable(what: &str) -> Refusal {
    Refusal::Unreachable(what.to_owned())
}

/// What a device said.
#[derive(Debug)]
enum Said {
    /// Something happened.
    Event(DeviceEvent),
    /// Nothing for who listens: it lives.
    Sign,
}

/// The reading end of a connection, after the device let us in.
trait Wire: Send + 'static {
    /// What it says next; nothing when the connection has ended. Dropped before it is done, it loses
    /// nothing.
    fn next(&mut self) -> impl Future<Output = Option<Said>> + Send;

    /// Asks whether the device is there, so that it says something; nothing when that is impossible.
    fn ask(&mut self) -> impl Future<Output = Option<()>> + Send;
}

/// The connection of an account.
pub(crate) struct Socket {
    live: Mutex<Option<Arc<Live>>>,
    events: broadcast::Sender<Pushed>,
    /// After how long a silence it asks; [`QUIET`] but in tests.
    quiet: Duration,
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socket").finish_non_exhaustive()
    }
}

impl Default for Socket {
    fn default() -> Self {
        let events = broadcast::Sender::new(EVENTS);
        Self { live: Mutex::default(), events, quiet: QUIET }
    }
}

/// An open connection.
struct Live {
    /// The writing end, where requests travel on it.
    requests: Option<obs::Requests>,
    open: Arc<AtomicBool>,
    reader: JoinHandle<()>,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Socket {
    /// What the device pushes from now on, connected first when it is not.
    pub(crate) async fn events(
        &self,
        device: &Device<'_>,
    ) -> Result<broadcast::Receiver<Pushed>, Refusal> {
        // Before it is asked for anything: the first event may come with the answer.
        let events = self.events.subscribe();
        self.live(device).await.map(|_| events)
    }

    async fn live(&self, device: &Device<'_>) -> Result<Arc<Live>, Refusal> {
        let mut live = self.live.lock().await;
        if let Some(open) = live.as_ref().filter(|live| live.open.load(Ordering::Acquire)) {
            return Ok(Arc::clone(open));
        }
        *live = None;
        let opened = timeout(CONNECT, self.connect(device)).await;
        let opened = opened.unwrap_or_else(|_| Err(unreachable("no connection in time")))?;
        let opened = Arc::new(opened);
        *live = Some(Arc::clone(&opened));
        Ok(opened)
    }

    async fn connect(&self, device: &Device<'_>) -> Result<Live, Refusal> {
        Ok(match device.speaks {
            Speaks::Obs => {
                let (requests, reader) = obs::connect(device).await?;
                self.listen(Some(requests), reader)
            }
            Speaks::HomeAssistant => self.listen(None, home_assistant::connect(device).await?),
            Speaks::Vmix => self.listen(None, vmix::connect(device).await?),
        })
    }

    /// Passes events on until the connection ends.
    fn listen(&self, requests: Option<obs::Requests>, wire: impl Wire) -> Live {
        let (events, quiet) = (self.events.clone(), self.quiet);
        let open = Arc::new(AtomicBool::new(true));
        let still = Arc::clone(&open);
        let reader = tokio::spawn(async move {
            read(wire, quiet, &events).await;
            // Whoever is told that it ended and asks again gets another connection.
            still.store(false, Ordering::Release);
            let _ = events.send(None);
        });
        Live { requests, open, reader }
    }
}

/// Reads until the connection ends, or until the device is silent although it was asked.
async fn read(mut wire: impl Wire, quiet: Duration, events: &broadcast::Sender<Pushed>) {
    let mut asked = false;
    loop {
        match timeout(quiet, wire.next()).await {
            Ok(Some(said)) => {
                asked = false;
                if let Said::Event(event) = said {
                    // Nobody may listen.
                    let _ = events.send(Some(event));
                }
            }
            Ok(None) => return,
            Err(_) if asked => return,
            Err(_) => {
                asked = true;
                if !matches!(timeout(quiet, wire.ask()).await, Ok(Some(()))) {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
