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
    /// Not at all: a person must look.
    None,
    /// Not at all; but the provider honours the token.
    KeyAlone,
}

impl Kind {
    #[allow(dead_code, reason = "chaos has nobody who answers")]
    pub(crate) const ALL: [Self; 5] =
        [Self::Key, Self::Tag, Self::Name, Self::None, Self::KeyAlone];

    /// Those whose lists tell what is whose.
    #[allow(dead_code, reason = "the crash suite takes all")]
    pub(crate) const FOUND: [Self; 3] = [Self::Key, Self::Tag, Self::Name];

    /// Whether things carry our marks, which can be changed.
    pub(crate) fn has_tags(self) -> bool {
        matches!(self, Self::Key | Self::Tag)
    }

    /// The definition's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Key => "keyed",
            Self::Tag => "tagged",
            Self::Name => "named",
            Self::None => "untold",
            Self::KeyAlone => "keyonly",
        }
    }

    /// The Provider's and its Secret's name.
    pub(crate) fn account(self) -> &'static str {
        match self {
            Self::Key => "at-keyed",
            Self::Tag => "at-tagged",
            Self::Name => "at-named",
            Self::None => "at-untold",
            Self::KeyAlone => "at-keyonly",
        }
    }

    /// The definition.
    pub(crate) fn definition(self) -> Value {
        let mut manifest = shelf(self.name());
        let host = format!("https://api.{}.example", self.name());
        manifest["spec"]["endpoint"] = json!(host);
        if self.has_tags() {
            let verb =
                json!({"put": "/machines/${id}", "json": {"tags": "${want.marks + want.tags}"}});
            manifest["spec"]["objects"]["machine"]["verbs"] = json!({"update": verb});
            let verb = json!({"update": {"body": {"machine": "${item}"}}});
            manifest["spec"]["sandbox"]["objects"]["machine"]["verbs"] = verb;
        }
        let machine = &mut manifest["spec"]["objects"]["machine"];
        machine["identity"]["lag"] = json!(format!("{LAG}ms"));
        match self {
            Self::None => machine["identity"]["find"] = json!("none"),
            Self::Key | Self::KeyAlone => {
                if self == Self::KeyAlone {
                    machine["identity"]["find"] = json!("none");
                }
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
            Self::None => "none",
            Self::KeyAlone => "key, no list",
        })
    }
}
