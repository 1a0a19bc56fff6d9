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

impl AdapterError {
    /// A failure before anything was sent, with the class's own scope.
    pub fn new(class: Class, provider: &str, operation: &str, message: impl Into<String>) -> Self {
        Self {
            class,
            scope: scope_of(class),
            provider: provider.to_owned(),
            operation: operation.to_owned(),
            status: None,
            code: None,
            request_id: None,
            message: message.into(),
            retry_after: None,
            sent: false,
            source: None,
        }
    }

    /// The same failure with the step beneath it.
    pub(crate) fn because(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }
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

/// How far a failure of the class reaches where nobody says otherwise.
pub fn scope_of(class: Class) -> Scope {
    match class {
        Class::Auth | Class::OutOfCredit | Class::RateLimited | Class::Disabled | Class::Quota => {
            Scope::Account
        }
        Class::Capacity => Scope::Offering,
        // A provider that cannot be reached is rarely lost in all regions at once.
        Class::Unavailable => Scope::Region,
        Class::Unknown
        | Class::Invalid
        | Class::Unsupported
        | Class::Policy
        | Class::NotFound
        | Class::Conflict => Scope::Object,
    }
}
