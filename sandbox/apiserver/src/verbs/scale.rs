//! The scale of custom objects: `autoscaling/v1` over two paths of theirs.

use serde_json::{Value, json};

use super::Verb;
use super::admit::Origin;
use super::patch::{PatchKind, operate};
use super::update::{Attempt, Tracking};
use crate::decode;
use crate::meta;
use crate::render::view;
use crate::resource::Scale;
use crate::status::{Failure, FieldError, Result, json_sort};

const ATTEMPTS: usize = 16;

impl Verb<'_> {
    /// The scale of the object.
    pub(crate) fn scale_of(&self) -> Result<Value> {
        let stored = self.get()?;
        Ok(shown(&view::of(&self.resource, &stored), self.paths()?))
    }

    /// Replaces the scale by that of a body.
    pub(crate) fn rescale(&mut self, body: &Value) -> Result<Value> {
        let version = meta::text(body, "resourceVersion").to_owned();
        let replicas = replicas(body)?;
        self.write_scale(&version, |_| Ok(replicas))
    }

    /// Patches the scale.
    pub(crate) fn patch_scale(&mut self, kind: PatchKind, body: &[u8]) -> Result<Value> {
        let patch = decode::json(body)
            .map_err(|error| Failure::bad_request(format!("error decoding patch: {error}")))?;
        if kind == PatchKind::Apply {
            return Err(Failure::new(
                500,
                "",
                format!(
                    "failed to convert new object ({}; autoscaling/v1, Kind=Scale) to proper \
                     version: request to convert CR to an invalid group/version: autoscaling/v1",
                    self.key()
                ),
            ));
        }
        let version = meta::text(&patch.value, "resourceVersion").to_owned();
        self.write_scale(&version, |scale| {
            let mut patched = scale.clone();
            match kind {
                PatchKind::Json => operate(&mut patched, &patch.value, body)?,
                _ => json_patch::merge(&mut patched, &patch.value),
            }
            replicas(&patched)
        })
    }

    fn paths(&self) -> Result<&Scale> {
        self.resource.scale.as_deref().ok_or_else(Failure::no_such_resource)
    }

    fn write_scale(
        &mut self,
        version: &str,
        wanted: impl Fn(&Value) -> Result<i64>,
    ) -> Result<Value> {
        for _ in 0..ATTEMPTS {
            let stored = self.get()?;
            if !version.is_empty() && version != stored.revision.to_string() {
                return Err(Failure::modified(self.resource.named(&self.name)));
            }
            let live = view::of(&self.resource, &stored);
            let replicas = wanted(&shown(&live, self.paths()?))?;
            if replicas < 0 {
                let detail = "should be a non-negative integer";
                let error = FieldError::invalid(".spec.replicas", &json!(replicas), detail);
                return Err(Failure::invalid(self.resource.kind_named(&self.name), &[error]));
            }
            let mut candidate = live.clone();
            let mut at = &mut candidate;
            for step in &self.paths()?.spec_replicas {
                at = &mut at[step.as_str()];
            }
            *at = json!(replicas);
            self.shape_up(&mut candidate, &[], Origin::Apply)?;
            if let Attempt::Done(object) =
                self.replace(&stored, &live, candidate, Tracking::Update)?
            {
                return Ok(shown(&object.value(&self.resource), self.paths()?));
            }
        }
        Err(Failure::modified(self.resource.named(&self.name)))
    }
}

fn at<'a>(object: &'a Value, path: &[String]) -> &'a Value {
    path.iter().fold(object, |value, step| &value[step.as_str()])
}

/// The scale of an object.
fn shown(object: &Value, paths: &Scale) -> Value {
    let mut metadata = json!({});
    for key in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object["metadata"].get(key) {
            metadata[key] = value.clone();
        }
    }
    let mut spec = json!({});
    if let Some(replicas) = at(object, &paths.spec_replicas).as_i64().filter(|count| *count != 0) {
        spec["replicas"] = json!(replicas);
    }
    let replicas = at(object, &paths.status_replicas).as_i64().unwrap_or_default();
    let mut status = json!({"replicas": replicas});
    let selector = paths.selector.as_ref().and_then(|path| at(object, path).as_str());
    if let Some(selector) = selector.filter(|selector| !selector.is_empty()) {
        status["selector"] = json!(selector);
    }
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec,
        "status": status})
}

/// What is wrong with the number that a scale would show.
pub(super) fn mistakes(object: &Value, paths: &Scale) -> Vec<FieldError> {
    let field = format!(".{}", paths.spec_replicas.join("."));
    let Some((last, above)) = paths.spec_replicas.split_last() else {
        return Vec::new();
    };
    let mut at = object;
    for step in above {
        at = &at[step.as_str()];
        let sort = match at {
            Value::Null | Value::Object(_) => continue,
            Value::Array(_) => "[]interface {}",
            Value::String(_) => "string",
            Value::Bool(_) => "bool",
            Value::Number(_) => "int64",
        };
        let shown = at.as_str().map_or_else(|| at.to_string(), ToOwned::to_owned);
        let detail = format!(
            "{field} accessor error: {shown} is of the type {sort}, expected map[string]interface{{}}"
        );
        return vec![FieldError::invalid(field, &json!(0), &detail)];
    }
    let count = &at[last.as_str()];
    let detail = match count.as_i64() {
        Some(..0) => "should be a non-negative integer",
        Some(large) if large > i64::from(i32::MAX) => "should be less than or equal to 2147483647",
        _ => return Vec::new(),
    };
    vec![FieldError::invalid(field, count, detail)]
}

/// What a scale asks for.
fn replicas(scale: &Value) -> Result<i64> {
    match &scale["spec"]["replicas"] {
        Value::Null => Ok(0),
        Value::Number(number) if number.is_i64() => Ok(number.as_i64().unwrap_or_default()),
        other => Err(Failure::invalid(
            crate::status::Named { group: "", what: "", name: "" },
            &[FieldError::invalid(
                "patch",
                &Value::from(scale.to_string()),
                &format!(
                    "json: cannot unmarshal {} into Go struct field ScaleSpec.spec.replicas of \
                     type int32",
                    json_sort(other)
                ),
            )],
        )),
    }
}
