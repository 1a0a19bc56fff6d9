//! Query parameters and option bodies.

use std::collections::HashMap;

use serde_json::Value;

use crate::meta::fields::FieldSelector;
use crate::meta::labels::LabelSelector;
use crate::resource::Resource;
use crate::status::{Failure, FieldError, Named, Result, json_sort};

/// What happens to unknown and duplicate fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Validation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

/// Options of everything that writes.
#[derive(Debug, Clone, Default)]
pub(crate) struct WriteOptions {
    pub(crate) manager: String,
    /// Whether the client named the manager; an apply must.
    pub(crate) manager_given: bool,
    pub(crate) validation: Validation,
    pub(crate) dry_run: bool,
    pub(crate) force: bool,
}

impl WriteOptions {
    pub(crate) fn parse(
        query: &HashMap<String, String>,
        user_agent: &str,
        kind: &str,
        apply: bool,
    ) -> Result<Self> {
        let named = Named { group: "meta.k8s.io", what: kind, name: "" };
        let validation = match query.get("fieldValidation").map(String::as_str) {
            None | Some("" | "Warn") => Validation::Warn,
            Some("Ignore") => Validation::Ignore,
            Some("Strict") => Validation::Strict,
            Some(other) => {
                let supported = ["", "Ignore", "Strict", "Warn"].map(|text| format!("{text:?}"));
                let error =
                    FieldError::not_supported("fieldValidation", &Value::from(other), &supported);
                return Err(Failure::invalid(named, &[error]));
            }
        };
        let given = query.get("fieldManager").filter(|manager| !manager.is_empty());
        // Without a name the first word of the user agent owns the fields.
        let manager = given.cloned().unwrap_or_else(|| {
            user_agent.split('/').next().unwrap_or_default().chars().take(128).collect()
        });
        if manager.len() > 128 {
            return Err(Failure::invalid(named, &[FieldError::too_long("fieldManager", 128)]));
        }
        if let Some((at, odd)) = manager.char_indices().find(|(_, c)| c.is_control()) {
            let detail = format!("invalid character U+{:04X} (at position {at})", u32::from(odd));
            let error = FieldError::invalid("fieldManager", &Value::from(manager), &detail);
            return Err(Failure::invalid(named, &[error]));
        }
        if query.contains_key("force") && kind == "PatchOptions" && !apply {
            let detail = "may not be specified for non-apply patch";
            return Err(Failure::invalid(named, &[FieldError::forbidden("force", detail)]));
        }
        Ok(Self {
            manager,
            manager_given: given.is_some(),
            validation,
            dry_run: dry_run(query.get("dryRun").map(String::as_str), kind)?,
            force: query.get("force").is_some_and(|force| force == "true" || force == "1"),
        })
    }
}

fn dry_run(text: Option<&str>, kind: &str) -> Result<bool> {
    match text {
        None | Some("") => Ok(false),
        Some("All") => Ok(true),
        Some(other) => {
            let value = Value::from(vec![other]);
            let error = FieldError::not_supported("dryRun", &value, &["\"All\"".to_owned()]);
            Err(Failure::invalid(Named { group: "meta.k8s.io", what: kind, name: "" }, &[error]))
        }
    }
}

/// How dependents fare when their owner goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Propagation {
    #[default]
    Background,
    Foreground,
    Orphan,
}

/// Options of deletions.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeleteOptions {
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
    pub(crate) propagation: Propagation,
    pub(crate) dry_run: bool,
}

impl DeleteOptions {
    /// Reads the body, then the query, which older clients use instead.
    pub(crate) fn parse(body: &Value, query: &HashMap<String, String>) -> Result<Self> {
        let refuse = |error: FieldError| {
            Err(Failure::invalid(
                Named { group: "meta.k8s.io", what: "DeleteOptions", name: "" },
                &[error],
            ))
        };
        if !body.is_object() {
            let sort = json_sort(body);
            return Err(Failure::bad_request(format!(
                "couldn't get version/kind; json parse error: json: cannot unmarshal {sort} into \
                 Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; \
                 Kind string \"json:\\\"kind,omitempty\\\"\" }}"
            )));
        }
        let kind = body["kind"].as_str().unwrap_or_default();
        if !matches!(kind, "" | "DeleteOptions") {
            let version = body["apiVersion"].as_str().unwrap_or_default();
            return Err(Failure::bad_request(format!(
                "no kind {kind:?} is registered for version {version:?} in scheme \
                 \"pkg/runtime/scheme.go:111\""
            )));
        }
        for (field, wanted, value) in [
            ("DeleteOptions.dryRun", "[]string", &body["dryRun"]),
            ("Preconditions.preconditions.uid", "types.UID", &body["preconditions"]["uid"]),
        ] {
            let right = if wanted == "[]string" { value.is_array() } else { value.is_string() };
            if !right && !value.is_null() {
                let sort = json_sort(value);
                return Err(Failure::bad_request(format!(
                    "json: cannot unmarshal {sort} into Go struct field {field} of type {wanted}"
                )));
            }
        }
        // A body makes the parameters void.
        let none = HashMap::new();
        let query =
            if body.as_object().is_some_and(serde_json::Map::is_empty) { query } else { &none };
        for (key, wanted, right) in [
            ("gracePeriodSeconds", "int64", body["gracePeriodSeconds"].is_i64()),
            ("propagationPolicy", "v1.DeletionPropagation", body["propagationPolicy"].is_string()),
            ("orphanDependents", "bool", body["orphanDependents"].is_boolean()),
        ] {
            if !right && !body[key].is_null() {
                return Err(Failure::bad_request(format!(
                    "json: cannot unmarshal {} into Go struct field DeleteOptions.{key} of type \
                     {wanted}",
                    json_sort(&body[key])
                )));
            }
        }
        if let Some(seconds) = query.get("gracePeriodSeconds")
            && seconds.parse::<i64>().is_err()
        {
            let why = format!("strconv.ParseInt: parsing {seconds:?}: invalid syntax");
            return Err(Failure::bad_request(why));
        }
        let text = |key: &str| {
            body[key].as_str().map(ToOwned::to_owned).or_else(|| query.get(key).cloned())
        };
        let orphan = body["orphanDependents"].as_bool().or_else(|| {
            query.get("orphanDependents").map(|orphan| orphan == "true" || orphan == "1")
        });
        let policy = text("propagationPolicy");
        if let (Some(policy), Some(_)) = (&policy, orphan) {
            let detail = "orphanDependents and deletionPropagation cannot be both set";
            return refuse(FieldError::invalid(
                "propagationPolicy",
                &Value::from(&**policy),
                detail,
            ));
        }
        let propagation = match policy.as_deref() {
            Some("Foreground") => Propagation::Foreground,
            Some("Orphan") => Propagation::Orphan,
            Some("Background") => Propagation::Background,
            Some(other) => {
                let known = ["Foreground", "Background", "Orphan", "nil"];
                let known = known.map(|known| format!("{known:?}"));
                let value = Value::from(other);
                return refuse(FieldError::not_supported("propagationPolicy", &value, &known));
            }
            None if orphan == Some(true) => Propagation::Orphan,
            None => Propagation::Background,
        };
        let in_body = body["dryRun"].as_array().and_then(|list| list.first()?.as_str());
        let preconditions = &body["preconditions"];
        let asked = in_body.or_else(|| query.get("dryRun").map(String::as_str));
        Ok(Self {
            uid: preconditions["uid"].as_str().map(ToOwned::to_owned),
            resource_version: preconditions["resourceVersion"].as_str().map(ToOwned::to_owned),
            propagation,
            dry_run: dry_run(asked, "DeleteOptions")?,
        })
    }
}

/// Options of lists, watches and collection deletions.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a query parameter")]
pub(crate) struct ListOptions {
    pub(crate) labels: LabelSelector,
    pub(crate) fields: FieldSelector,
    pub(crate) limit: usize,
    pub(crate) token: Option<String>,
    /// `None` when absent; "0" means any.
    pub(crate) revision: Option<u64>,
    pub(crate) exact: bool,
    pub(crate) match_given: bool,
    pub(crate) watch: bool,
    pub(crate) bookmarks: bool,
    pub(crate) initial_events: bool,
    /// The client said that it wants none.
    pub(crate) no_initial_events: bool,
    pub(crate) timeout_seconds: Option<u64>,
}

/// Why a number is none.
fn unread(text: &str) -> &'static str {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.len() > 18 {
        "value out of range"
    } else {
        "invalid syntax"
    }
}

/// Why a resource version is none.
pub(crate) fn version_problem(text: &str) -> String {
    format!(
        "resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: {}",
        unread(text)
    )
}

/// Whether a flag that is there is set: everything but `false` and `0` says so.
pub(crate) fn is_set(value: &str) -> bool {
    !value.eq_ignore_ascii_case("false") && value != "0"
}

impl ListOptions {
    pub(crate) fn parse(query: &HashMap<String, String>, resource: &Resource) -> Result<Self> {
        let text = |key: &str| query.get(key).map(String::as_str).filter(|text| !text.is_empty());
        let flag = |key: &str| query.get(key).is_some_and(|value| is_set(value));
        let watching = flag("watch");
        let revision = text("resourceVersion")
            .map(|text| {
                text.parse::<u64>().map_err(|_| {
                    let why = version_problem(text);
                    if watching {
                        return Failure::new(500, "", why);
                    }
                    Failure::bad_request(format!("invalid resource version: {why}"))
                })
            })
            .transpose()?;
        let number = |key: &str| -> Result<Option<i64>> {
            let refuse = |text: &str| {
                let why = format!("strconv.ParseInt: parsing {text:?}: {}", unread(text));
                Failure::bad_request(why)
            };
            text(key).map(|text| text.parse().map_err(|_| refuse(text))).transpose()
        };
        if let Some(other) = text("resourceVersionMatch")
            && !matches!(other, "Exact" | "NotOlderThan")
        {
            let known = ["Exact", "NotOlderThan", ""].map(|known| format!("{known:?}"));
            let value = Value::from(other);
            let error = FieldError::not_supported("resourceVersionMatch", &value, &known);
            let named = Named { group: "meta.k8s.io", what: "ListOptions", name: "" };
            return Err(Failure::invalid(named, &[error]));
        }
        let options = Self {
            labels: LabelSelector::parse(text("labelSelector").unwrap_or_default())?,
            fields: FieldSelector::parse(
                text("fieldSelector").unwrap_or_default(),
                &resource.selectable,
            )?,
            limit: number("limit")?.and_then(|limit| limit.try_into().ok()).unwrap_or_default(),
            token: text("continue").map(ToOwned::to_owned),
            revision,
            exact: text("resourceVersionMatch") == Some("Exact"),
            match_given: text("resourceVersionMatch").is_some(),
            watch: flag("watch"),
            bookmarks: flag("allowWatchBookmarks"),
            initial_events: flag("sendInitialEvents"),
            no_initial_events: query.get("sendInitialEvents").is_some_and(|value| !is_set(value)),
            timeout_seconds: number("timeoutSeconds")?.and_then(|seconds| seconds.try_into().ok()),
        };
        options.check(text("sendInitialEvents").is_some())?;
        Ok(options)
    }

    fn check(&self, initial_given: bool) -> Result<()> {
        let named = Named { group: "meta.k8s.io", what: "ListOptions", name: "" };
        let refuse = |detail: &str, field: &str| {
            Err(Failure::invalid(named, &[FieldError::forbidden(field, detail)]))
        };
        if self.watch && self.token.is_some() {
            let detail = "resourceVersionMatch is forbidden when continue is provided";
            return refuse(detail, "resourceVersionMatch");
        }
        if self.watch && self.exact && initial_given {
            let value = Value::from("Exact");
            let known = ["\"NotOlderThan\"".to_owned()];
            let error = FieldError::not_supported("resourceVersionMatch", &value, &known);
            let detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            let first = FieldError::forbidden("resourceVersionMatch", detail);
            return Err(Failure::invalid(named, &[first, error]));
        }
        if self.watch && self.match_given && !initial_given {
            let detail = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is \
                          provided";
            return refuse(detail, "resourceVersionMatch");
        }
        if self.watch && initial_given && !self.match_given {
            let detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            return refuse(detail, "resourceVersionMatch");
        }
        if !self.watch && initial_given {
            return refuse("sendInitialEvents is forbidden for list", "sendInitialEvents");
        }
        if !self.watch && self.token.is_some() && self.revision.is_some_and(|asked| asked > 0) {
            let why = "specifying resource version is not allowed when using continue";
            return Err(Failure::bad_request(why));
        }
        if !self.watch && self.match_given && self.revision.is_none() {
            let detail = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            return refuse(detail, "resourceVersionMatch");
        }
        if !self.watch && self.exact && self.revision == Some(0) {
            let detail = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            return refuse(detail, "resourceVersionMatch");
        }
        Ok(())
    }
}
