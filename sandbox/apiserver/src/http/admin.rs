//! `/debug/faults`: disturbing this server, for who has its token.

use http::Method;
use serde_json::{Value, json};

use super::respond::{self, Reply};
use crate::api::Api;
use crate::faults::FaultSpec;
use crate::status::{Failure, Result};

/// Answers a request below `/debug/faults`; `rest` is what follows it.
pub(super) fn faults(api: &Api, method: &Method, rest: &str, body: &[u8]) -> Result<Reply> {
    let id = rest.trim_matches('/');
    match (method, id) {
        (&Method::GET, "") => Ok(respond::json(200, &json!({"faults": api.faults.list()}))),
        (&Method::POST, "") => {
            let spec: FaultSpec = serde_json::from_slice(body)
                .map_err(|error| Failure::bad_request(format!("this is no fault: {error}")))?;
            Ok(respond::json(201, &set(api, spec)?))
        }
        (&Method::DELETE, "") => {
            api.faults.clear(None);
            Ok(respond::json(200, &json!({})))
        }
        (&Method::DELETE, id) => {
            let cleared = id.parse().is_ok_and(|id| api.faults.clear(Some(id)));
            let absent = || Failure::new(404, "NotFound", format!("there is no fault {id:?}"));
            cleared.then(|| respond::json(200, &json!({}))).ok_or_else(absent)
        }
        _ => Err(Failure::method_not_allowed()),
    }
}

/// Sets a fault, or does at once what happens only once.
fn set(api: &Api, spec: FaultSpec) -> Result<Value> {
    let id = api.disturb(spec).map_err(|error| Failure::bad_request(error.to_string()))?;
    Ok(id.map_or_else(|| json!({}), |id| json!({"id": id})))
}
