//! The one error of every provider call.

use std::fmt;
use std::time::Duration;

use infrafabric_definition::{Class, Scope};
use thiserror::Error;

/// Why a provider call gave no result. The class alone decides what happens next.
#[derive(Debug, Error)]
pub struct AdapterError {
    /// What kind of failure it is.
    pub class: Class,
    /// What else would fail the same way.
    pub scope: Scope,
    /// The definition's name.
    pub provider: String,
    /// `machine.create`, `verify`, `sizes.list`.
    pub operation: String,
    /// HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// The vendor's own code, bounded and printable.
    pub code: Option<String>,
    /// The vendor's request id, to quote to their support.
    pub request_id: Option<String>,
    /// What went wrong, for a person: printable, bounded to 300 bytes, without secrets.
    pub message: String,
    /// Not before this much time, when the provider said so.
    pub retry_after: Option<Duration>,
    /// Whether the request may have reached the provider.
    pub sent: bool,
    /// The step beneath, when there is one.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl fmt::Display for AdapterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.provider, self.operation, self.message)?;
        if let Some(status) = self.status {
            write!(f, " (HTTP {status}")?;
            if let Some(code) = &self.code {
                write!(f, ", {code}")?;
            }
            f.write_str(")")?;
        }
        Ok(())
    }
}
