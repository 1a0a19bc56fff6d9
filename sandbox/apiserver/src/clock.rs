//! The only place that reads the wall clock.

use chrono::{DateTime, SecondsFormat, Utc};

/// Now, as the system says.
#[expect(clippy::disallowed_methods, reason = "this is the clock that others read through")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// Now in the precision of `metav1.Time`: whole seconds.
pub(crate) fn timestamp() -> String {
    now().to_rfc3339_opts(SecondsFormat::Secs, true)
}
