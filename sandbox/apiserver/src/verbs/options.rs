//! Query parameters and option bodies.

use std::collections::HashMap;

use serde_json::Value;

use crate::meta::fields::FieldSelector;
use crate::meta::labels::LabelSelector;
use crate::resource::Resource;
use crate::status::{Failure, FieldError, Named, Result};

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
    pub(crate) validation: Validation,
    pub(crate) dry_run: bool,
    pub(crate) force: bool,
}

impl WriteOptions {
    pub(crate) fn parse(
        query: &HashMap<String, String>,
        user_agent: &str,
        kind: &str,
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
        Ok(Self {
            manager,
            validation,
            dry_run: dry_run(query.get("dryRun").map(String::as_str))?,
            force: query.get("force").is_some_and(|force| force == "true" || force == "1"),
        })
    }
}

fn dry_run(text: Option<&str>) -> Result<bool> {
    match text {
        None | Some("") => Ok(false),
        Some("All") => Ok(true),
        Some(other) => Err(Failure::bad_request(format!(
            "Invalid value: {other:?}: Unsupported value for dryRun, supported values: \"All\""
        ))),
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
        let text = |key: &str| {
            body[key].as_str().map(ToOwned::to_owned).or_else(|| query.get(key).cloned())
        };
        let orphan = body["orphanDependents"] == true
            || query.get("orphanDependents").is_some_and(|orphan| orphan == "true");
        let propagation = match text("propagationPolicy").as_deref() {
            Some("Foreground") => Propagation::Foreground,
            Some("Orphan") => Propagation::Orphan,
            _ if orphan => Propagation::Orphan,
            _ => Propagation::Background,
        };
        let in_body = body["dryRun"].as_array().and_then(|list| list.first()?.as_str());
        let preconditions = &body["preconditions"];
        Ok(Self {
            uid: preconditions["uid"].as_str().map(ToOwned::to_owned),
            resource_version: preconditions["resourceVersion"].as_str().map(ToOwned::to_owned),
            propagation,
            dry_run: dry_run(in_body.or_else(|| query.get("dryRun").map(String::as_str)))?,
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
    pub(crate) timeout_seconds: Option<u64>,
}

impl ListOptions {
    pub(crate) fn parse(query: &HashMap<String, String>, resource: &Resource) -> Result<Self> {
        let text = |key: &str| query.get(key).map(String::as_str).filter(|text| !text.is_empty());
        let flag = |key: &str| text(key).is_some_and(|value| value == "true" || value == "1");
        let revision = text("resourceVersion")
            .map(|text| {
                text.parse::<u64>().map_err(|_| {
                    Failure::bad_request(format!(
                        "Invalid value: {text:?}: invalid resourceVersion"
                    ))
                })
            })
            .transpose()?;
        let options = Self {
            labels: LabelSelector::parse(text("labelSelector").unwrap_or_default())?,
            fields: FieldSelector::parse(
                text("fieldSelector").unwrap_or_default(),
                &resource.selectable,
            )?,
            limit: text("limit").and_then(|limit| limit.parse().ok()).unwrap_or_default(),
            token: text("continue").map(ToOwned::to_owned),
            revision,
            exact: text("resourceVersionMatch") == Some("Exact"),
            match_given: text("resourceVersionMatch").is_some(),
            watch: flag("watch"),
            bookmarks: flag("allowWatchBookmarks"),
            initial_events: flag("sendInitialEvents"),
            timeout_seconds: text("timeoutSeconds").and_then(|seconds| seconds.parse().ok()),
        };
        options.check(text("sendInitialEvents").is_some())?;
        Ok(options)
    }

    fn check(&self, initial_given: bool) -> Result<()> {
        let named = Named { group: "meta.k8s.io", what: "ListOptions", name: "" };
        let refuse = |detail: &str, field: &str| {
            Err(Failure::invalid(named, &[FieldError::forbidden(field, detail)]))
        };
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
        if !self.watch && self.match_given && self.revision.is_none() {
            let detail = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            return refuse(detail, "resourceVersionMatch");
        }
        Ok(())
    }
}
