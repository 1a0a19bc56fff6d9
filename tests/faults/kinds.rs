//! Clouds that differ in how a lost creation is found again.

use std::fmt;

use serde_json::{Value, json};

use crate::harness::{Stage, provider, secret, shelf};

/// How late a list may be by the definitions, in milliseconds. Lists are later by less than that, so that
/// a busy computer does not make a provider break its word.
pub(crate) const LAG: u64 = 200;

/// How a lost creation is found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// By marks; and the provider honours the token, so that it may be asked again at once.
    Key,
    /// By marks.
    Tag,
    /// By name.
    Name,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Key, Self::Tag, Self::Name];

    /// The definition's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Key => "keyed",
            Self::Tag => "tagged",
            Self::Name => "named",
        }
    }

    /// The Provider's and its Secret's name.
    pub(crate) fn account(self) -> &'static str {
        match self {
            Self::Key => "at-keyed",
            Self::Tag => "at-tagged",
            Self::Name => "at-named",
        }
    }

    /// The definition.
    pub(crate) fn definition(self) -> Value {
        let mut manifest = shelf(self.name());
        let host = format!("https://api.{}.example", self.name());
        manifest["spec"]["endpoint"] = json!(host);
        let machine = &mut manifest["spec"]["objects"]["machine"];
        machine["identity"]["lag"] = json!(format!("{LAG}ms"));
        match self {
            Self::Key => {
                machine["identity"]["key"] = json!(true);
                machine["create"]["headers"] = json!({"idempotency-key": "${token}"});
            }
            Self::Tag => {}
            Self::Name => {
                machine["identity"]["find"] = json!("name");
                machine["create"]["json"].as_object_mut().expect("a body").remove("tags");
                machine["list"]["get"] = json!("/machines?limit=1000&page=${cursor}");
                machine["as"].as_object_mut().expect("outputs").remove("marks");
            }
        }
        manifest
    }

    /// What a person applies to use the cloud.
    pub(crate) fn manifests(self) -> [Value; 3] {
        let values = json!({"token": "bench-token"});
        let account = self.account();
        [self.definition(), secret(account, &values), provider(account, self.name(), "north")]
    }

    /// Applies them.
    pub(crate) async fn apply(self, stage: &Stage) {
        for manifest in self.manifests() {
            stage.apply(&manifest).await;
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "key",
            Self::Tag => "tag",
            Self::Name => "name",
        })
    }
}
