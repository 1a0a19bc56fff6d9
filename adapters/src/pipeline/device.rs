//! What travels on the account's socket: requests of operations with `rpc`, and what a device pushes.

use infrafabric_definition::Class;
use tokio::sync::broadcast::Receiver;
use tokio::time::Instant;
use url::Url;

use super::call::{Call, Ready};
use super::request::{Inputs, Request};
use super::send::{Received, SendFailure};
use super::socket::{Device, Pushed, Speaks};
use super::{Pipeline, endpoint};
use crate::compile::Transport;
use crate::error::AdapterError;

impl Pipeline {
    /// Makes a request on the account's socket.
    pub(super) async fn on_socket(
        &self,
        call: &Ready<'_>,
        deadline: Instant,
    ) -> Result<Received, SendFailure> {
        let kind = call.operation.path.text.trim_start_matches('/');
        let (url, secret) = (base(&call.request), self.credentials.password());
        let device = Device { speaks: Speaks::Obs, url, secret };
        // A connection is large, and few calls make one.
        Box::pin(self.socket.call(&device, (kind, &call.request.body), deadline)).await
    }

    /// What the device pushes from now on, connected first.
    pub(crate) async fn events(&self) -> Result<Receiver<Pushed>, AdapterError> {
        let fail = |class, message: String| {
            AdapterError::new(class, self.definition.name(), "events", message)
        };
        // It is where the credentials are proven.
        let silent = || fail(Class::Unsupported, "it pushes no events".to_owned());
        let verify = Some(self.definition.verify.as_ref().ok_or_else(silent)?);
        let inputs = Inputs::default();
        let call = Call { name: "events", operation: verify, inputs, effect: None, events: None };
        let ready = self.ready(&call)?;
        let device = self.device(&ready).map_err(|message| fail(Class::Invalid, message))?;
        let device = device.ok_or_else(silent)?;
        let events = Box::pin(self.socket.events(&device)).await;
        events.map_err(|refusal| fail(refusal.class(), refusal.text()))
    }

    /// Who pushes, if anybody does. Whatever it speaks, its host is the one that requests go to.
    fn device(&self, call: &Ready<'_>) -> Result<Option<Device<'_>>, String> {
        let (url, secret) = (base(&call.request), self.credentials.password());
        if call.operation.transport == Transport::Socket {
            return Ok(Some(Device { speaks: Speaks::Obs, url, secret }));
        }
        let Some(events) = &self.definition.spec().events else { return Ok(None) };
        if let Some(path) = &events.home_assistant {
            let url = endpoint::join(url.as_str().trim_end_matches('/'), path.as_str());
            let url = url.map_err(|error| error.to_string())?;
            return Ok(Some(Device { speaks: Speaks::HomeAssistant, url, secret }));
        }
        let Some(port) = events.vmix else { return Ok(None) };
        let mut url = url;
        // What has a host has a port.
        let _ = url.set_port(Some(self.events_port.unwrap_or(port)));
        Ok(Some(Device { speaks: Speaks::Vmix, url, secret: None }))
    }
}

/// The base URL of a request.
fn base(request: &Request) -> Url {
    let mut url = request.url.clone();
    url.set_path(&request.base_path);
    url.set_query(None);
    url
}
