//! Stage 2: one span and one count for each call.

use std::time::Duration;

use infrafabric_definition::Class;
use tracing::Span;
use tracing::field::Empty;

use super::answer::Answer;
use super::call::Ready;
use super::metrics::{Labels, PipelineMetrics};
use super::stage::Trail;
use crate::error::AdapterError;

/// The span of a call. Holds no credential, body, identity, account or query.
pub(crate) fn span(call: &Ready<'_>) -> Span {
    tracing::info_span!(
        "provider_call",
        provider = call.definition.name(),
        domain = call.definition.spec().domain.as_str(),
        operation = %call.operation.name,
        path = call.operation.path.pattern(),
        attempt = Empty,
        http.status = Empty,
        class = Empty,
        otel.status_code = Empty,
    )
}

/// Ends the span and counts the call.
pub(crate) fn end(
    call: &Ready<'_>,
    span: &Span,
    metrics: &PipelineMetrics,
    trail: &Trail,
    result: &Result<Answer, AdapterError>,
    took: Duration,
) {
    let (class, status) = match result {
        Ok(answer) => ("Ok", Some(answer.status)),
        Err(error) => (Class::as_str(error.class), error.status),
    };
    // Traces know signed numbers only.
    span.record("attempt", i64::from(trail.sends)).record("class", class);
    if result.is_err() {
        // The word by which whoever shows traces knows a failure.
        span.record("otel.status_code", "ERROR");
    }
    if let Some(status) = status {
        span.record("http.status", i64::from(status));
    }
    let labels = Labels {
        provider: call.definition.name().to_owned(),
        operation: call.operation.name.clone(),
        path: call.operation.path.text.clone(),
        class,
    };
    metrics.record(labels, trail.sends, took);
}
