//! What Prism says, and where it is known to be wrong or silent. The judge is never switched off:
//! each exception has a name and a reason, and one that no longer occurs must go.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::report::Report;

/// An objection that is not taken, by name.
struct Accepted {
    definition: &'static str,
    /// What the objection contains.
    objection: &'static str,
    /// Why it is not taken.
    because: &'static str,
}

const STREAM: &str =
    "the answer is a stream of events, each of which the description has as an object";

const ACCEPTED: [Accepted; 10] = [
    Accepted {
        definition: "slack",
        objection: "Request header must have required property 'token'",
        because: "the description of 2021 has the token as a header of its own; the vendor's text takes it as a bearer",
    },
    Accepted {
        definition: "slack",
        objection: "Supported content types: application/x-www-form-urlencoded",
        because: "the description of 2021 lists JSON in `consumes` and only forms in its parameters",
    },
    Accepted { definition: "openai", objection: "Response body must be object", because: STREAM },
    Accepted {
        definition: "anthropic",
        objection: "Response body must be object",
        because: STREAM,
    },
    Accepted {
        definition: "anthropic",
        objection: "The received media type \"text/event-stream\" does not match",
        because: "the description has no streams; the vendor's text has",
    },
    Accepted {
        definition: "together-ai",
        objection: "Response body must be object",
        because: STREAM,
    },
    Accepted {
        definition: "together-ai",
        objection: "Response body must match exactly one schema in oneOf",
        because: STREAM,
    },
    Accepted {
        definition: "stripe",
        objection: "Cannot deserialize JSON object array in form data request body",
        because: "the judge reads lists of maps in forms as JSON; the vendor's own stand-in takes them in brackets",
    },
    Accepted {
        definition: "linode",
        objection: r"label must match pattern",
        because: "the description's pattern forbids `..` unescaped, so it refuses every label of \
                  three characters and more, its own example too",
    },
    Accepted {
        definition: "vultr",
        objection: "Query param tag is deprecated",
        because: "a warning: the parameter is described and works, and the description has no \
                  other filter by tag",
    },
];

/// A status that the sandbox answers although the description has no such answer everywhere.
struct Undocumented {
    definition: &'static str,
    status: u64,
    /// Where the status is from.
    source: &'static str,
}

const UNDOCUMENTED: [Undocumented; 23] = [
    Undocumented {
        definition: "vultr",
        status: 401,
        source: "the description lists it in its text (Response Codes), not with the account and the catalogs",
    },
    Undocumented {
        definition: "vultr",
        status: 402,
        source: "RFC 9110 15.5.3; a fault of the sandbox that the vendor does not describe",
    },
    Undocumented {
        definition: "vultr",
        status: 404,
        source: "the description lists it in its text (Response Codes), not with the deletion of a reserved address",
    },
    Undocumented {
        definition: "vultr",
        status: 429,
        source: "the description lists it in its text (Rate Limit, Response Codes), not with the operations",
    },
    Undocumented {
        definition: "vultr",
        status: 500,
        source: "the description lists it in its text (Response Codes), not with these operations",
    },
    Undocumented {
        definition: "vultr",
        status: 503,
        source: "RFC 9110 15.6.4; the text speaks of 5xx in general",
    },
    Undocumented {
        definition: "ovhcloud",
        status: 402,
        source: "RFC 9110 15.5.3; a fault of the sandbox that the vendor does not describe",
    },
    Undocumented {
        definition: "ovhcloud",
        status: 403,
        source: "the description has successes only; the vendor's own client (go-ovh) knows a refused key by it",
    },
    Undocumented {
        definition: "ovhcloud",
        status: 404,
        source: "the description has successes only; the vendor's own client knows absence by it",
    },
    Undocumented {
        definition: "ovhcloud",
        status: 429,
        source: "RFC 6585 4; the description has successes only",
    },
    Undocumented {
        definition: "ovhcloud",
        status: 500,
        source: "RFC 9110 15.6.1; the description has successes only",
    },
    Undocumented {
        definition: "ovhcloud",
        status: 503,
        source: "RFC 9110 15.6.4; the description has successes only",
    },
    Undocumented {
        definition: "google-cloud",
        status: 401,
        source: "RFC 9110 15.5.2; the description has successes only",
    },
    Undocumented {
        definition: "google-cloud",
        status: 402,
        source: "RFC 9110 15.5.3; the description has successes only",
    },
    Undocumented {
        definition: "google-cloud",
        status: 404,
        source: "RFC 9110 15.5.5; the description has successes only",
    },
    Undocumented {
        definition: "google-cloud",
        status: 429,
        source: "RFC 6585 4; the description has successes only",
    },
    Undocumented {
        definition: "google-cloud",
        status: 500,
        source: "RFC 9110 15.6.1; the description has successes only",
    },
    Undocumented {
        definition: "google-cloud",
        status: 503,
        source: "RFC 9110 15.6.4; the description has successes only",
    },
    Undocumented {
        definition: "azure",
        status: 401,
        source: "RFC 9110 15.5.2; the description of SKUs has successes only",
    },
    Undocumented {
        definition: "azure",
        status: 402,
        source: "RFC 9110 15.5.3; the description of SKUs has successes only",
    },
    Undocumented {
        definition: "azure",
        status: 429,
        source: "RFC 6585 4; the description of SKUs has successes only",
    },
    Undocumented {
        definition: "azure",
        status: 500,
        source: "RFC 9110 15.6.1; the description of SKUs has successes only",
    },
    Undocumented {
        definition: "azure",
        status: 503,
        source: "RFC 9110 15.6.4; the description of SKUs has successes only",
    },
];

const NO_SUCH_STATUS: &str = "Unable to match the returned status code";

/// What Prism says of some exchanges.
pub(super) struct Verdict {
    definition: &'static str,
    exchanges: usize,
    /// What it objects to and nobody excuses.
    pub(super) objections: BTreeSet<String>,
    /// Which accepted objections occurred.
    accepted: BTreeSet<&'static str>,
    /// Which undocumented statuses occurred.
    undocumented: BTreeSet<u64>,
}

impl Verdict {
    pub(super) fn of(definition: &'static str, exchanges: &[Value]) -> Self {
        let mut verdict = Self {
            definition,
            exchanges: exchanges.iter().filter(|exchange| exchange["unjudged"] != true).count(),
            objections: BTreeSet::new(),
            accepted: BTreeSet::new(),
            undocumented: BTreeSet::new(),
        };
        for exchange in exchanges.iter().filter(|exchange| exchange["unjudged"] != true) {
            for violation in exchange["violations"].as_array().into_iter().flatten() {
                verdict.weigh(exchange, violation);
            }
            if exchange["violations"].is_null() {
                verdict.objections.insert(format!("no answer: {exchange}"));
            }
        }
        verdict
    }

    fn weigh(&mut self, exchange: &Value, violation: &Value) {
        let message = violation["message"].as_str().unwrap_or_default();
        let status = exchange["status"].as_u64().unwrap_or_default();
        let accepted = ACCEPTED
            .iter()
            .find(|one| one.definition == self.definition && message.contains(one.objection));
        let undocumented = UNDOCUMENTED.iter().find(|one| {
            one.definition == self.definition
                && one.status == status
                && message.starts_with(NO_SUCH_STATUS)
        });
        match (accepted, undocumented) {
            (Some(one), _) => drop(self.accepted.insert(one.objection)),
            (None, Some(one)) => drop(self.undocumented.insert(one.status)),
            (None, None) => {
                let asked = format!("{} {}", exchange["method"], exchange["path"]);
                self.objections.insert(format!("{asked} → {status}: {violation}"));
            }
        }
    }

    /// Reports the verdict.
    pub(super) fn told(&self, report: &mut Report, what: &str) {
        let what =
            format!("{}: no violation in {what} ({} exchanges)", self.definition, self.exchanges);
        let all: Vec<&str> = self.objections.iter().map(String::as_str).collect();
        report.check(&what, self.exchanges > 0 && all.is_empty(), &all.join("\n"));
    }
}

/// Names each exception with its reason; one that did not occur must be taken out of its table.
pub(super) fn stale(report: &mut Report, definition: &str, verdicts: &[&Verdict]) {
    for one in ACCEPTED.iter().filter(|one| one.definition == definition) {
        let occurs = verdicts.iter().any(|verdict| verdict.accepted.contains(one.objection));
        let what = format!("{definition}: not taken: {} ({})", one.objection, one.because);
        report.check(&what, occurs, "it did not occur: remove it from the table");
    }
    for one in UNDOCUMENTED.iter().filter(|one| one.definition == definition) {
        let occurs = verdicts.iter().any(|verdict| verdict.undocumented.contains(&one.status));
        let what = format!("{definition}: not described: status {} ({})", one.status, one.source);
        report.check(&what, occurs, "it did not occur: remove it from the table");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn exchange(status: u64, message: &str) -> Value {
        json!({"method": "GET", "path": "/x", "status": status, "violations": [{"message": message}]})
    }

    #[test]
    fn only_what_is_named_is_excused_and_only_for_its_provider() {
        let tag = exchange(200, "Query param tag is deprecated");
        let status = exchange(503, "Unable to match the returned status code with those: 200");
        let excused = Verdict::of("vultr", &[tag.clone(), status.clone()]);
        assert!(excused.objections.is_empty());
        assert_eq!(Verdict::of("digitalocean", &[tag, status]).objections.len(), 2);
        let other = exchange(503, "must have required property");
        assert_eq!(Verdict::of("vultr", &[other]).objections.len(), 1);
    }

    #[test]
    fn an_exchange_without_an_answer_is_an_objection() {
        let lost = json!({"method": "GET", "path": "/x", "error": "refused"});
        assert_eq!(Verdict::of("vultr", &[lost]).objections.len(), 1);
    }
}
