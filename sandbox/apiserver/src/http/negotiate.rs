//! What the client accepts.

use crate::render::table::Include;
use crate::status::{Failure, Result};

/// The form of an answer about objects.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Form {
    Object,
    /// Metadata only, of an object or of a list.
    Partial {
        list: bool,
    },
    Table {
        version: String,
        include: Include,
    },
}

/// The form of a discovery answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Discovery {
    Legacy,
    /// Aggregated, in the given version.
    V2,
    V2Beta1,
}

/// One accepted media range: its type and parameters.
struct Range<'a> {
    media: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let parameters = parts.filter_map(|part| part.split_once('=')).collect();
        Self { media, parameters }
    }

    fn parameter(&self, key: &str) -> &'a str {
        self.parameters.iter().find(|(name, _)| *name == key).map_or("", |(_, value)| value)
    }

    fn is_json(&self) -> bool {
        matches!(self.media, "application/json" | "*/*" | "application/*" | "")
    }
}

fn ranges(accept: &str) -> impl Iterator<Item = Range<'_>> {
    accept.split(',').map(|range| Range::parse(range.trim()))
}

fn not_acceptable() -> Failure {
    Failure::new(
        406,
        "NotAcceptable",
        "only the following media types are accepted: application/json, application/yaml, \
         application/vnd.kubernetes.protobuf",
    )
}

/// Chooses the first accepted form that is served; only JSON is.
pub(crate) fn form(accept: &str, include: Option<&str>, custom: bool) -> Result<Form> {
    for range in ranges(accept).filter(Range::is_json) {
        match range.parameter("as") {
            "" => return Ok(Form::Object),
            "Table" if matches!(range.parameter("v"), "v1" | "v1beta1") => {
                let include = match include {
                    Some("Object") => Include::Object,
                    Some("None") => Include::Nothing,
                    None | Some("" | "Metadata") => Include::Metadata,
                    Some(other) => {
                        return Err(Failure::bad_request(format!(
                            "Unable to convert to Table as requested: includeObject: Invalid \
                             value: {other:?}: must be 'Metadata', 'Object', 'None', or empty"
                        )));
                    }
                };
                return Ok(Form::Table { version: range.parameter("v").to_owned(), include });
            }
            "PartialObjectMetadata" => return Ok(Form::Partial { list: false }),
            "PartialObjectMetadataList" => return Ok(Form::Partial { list: true }),
            _ => {}
        }
    }
    if custom {
        return Err(not_acceptable());
    }
    let message = "406: Not Acceptable\n\nAvailable representations: application/json, \
                   application/yaml, application/vnd.kubernetes.protobuf, \
                   application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";
    Err(Failure::new(406, "NotAcceptable", message).with_empty_details())
}

/// Chooses the form of `/api` and `/apis`.
pub(crate) fn discovery(accept: &str) -> Result<Discovery> {
    for range in ranges(accept).filter(Range::is_json) {
        match (range.parameter("as"), range.parameter("v")) {
            ("", _) => return Ok(Discovery::Legacy),
            ("APIGroupDiscoveryList", "v2") => return Ok(Discovery::V2),
            ("APIGroupDiscoveryList", "v2beta1") => return Ok(Discovery::V2Beta1),
            _ => {}
        }
    }
    Err(not_acceptable())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_found_behind_what_is_not_served() {
        assert_eq!(
            form("application/vnd.kubernetes.protobuf,application/json", None, true).unwrap(),
            Form::Object
        );
        assert_eq!(form("", None, true).unwrap(), Form::Object);
        assert!(form("application/vnd.kubernetes.protobuf", None, true).is_err());
        assert_eq!(
            form(
                "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
                Some("Object"),
                true
            )
            .unwrap(),
            Form::Table { version: "v1".to_owned(), include: Include::Object }
        );
    }
}
