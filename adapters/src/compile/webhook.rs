//! The verification of deliveries with its templates compiled.

use std::time::Duration;

use infrafabric_definition::{Text, Webhook};

use super::definition::{Problem, Problems};
use super::operation::text_template;
use super::template::Template;

/// How deliveries are told from forgeries.
#[derive(Debug)]
pub struct CompiledWebhook {
    /// The text that is signed; the body when absent.
    pub text: Option<Template>,
    /// The signature, or a list of them.
    pub signature: Template,
    /// When it was signed.
    pub timestamp: Option<Template>,
    /// How old a delivery may be.
    pub tolerance: Duration,
    /// What the event is known by.
    pub id: Option<Template>,
    /// The vendor's name for what happened.
    pub kind: Option<Template>,
}

impl CompiledWebhook {
    pub(super) fn compile(spec: &Webhook, problems: &mut Problems) -> Option<Self> {
        const UNSAID: Duration = Duration::from_mins(5);
        let tolerance = spec.tolerance.as_ref().map_or(UNSAID, |given| {
            given.duration().unwrap_or_else(|| {
                let reason = format!("`{given}` is no span such as 5m");
                problems.push(Problem { path: "spec.webhook.tolerance".to_owned(), reason });
                UNSAID
            })
        });
        let mut optional = |text: &Option<Text>, key: &str| {
            text_template(text.as_ref()?, &format!("spec.webhook.{key}"), problems)
        };
        let text = optional(&spec.text, "text");
        let timestamp = optional(&spec.timestamp, "timestamp");
        let id = optional(&spec.id, "id");
        let kind = optional(&spec.kind, "kind");
        let signature = optional(&Some(spec.signature.clone()), "signature")?;
        Some(Self { text, signature, timestamp, tolerance, id, kind })
    }

    /// Its templates with their names.
    pub(super) fn templates(&self) -> impl Iterator<Item = (&'static str, &Template)> {
        let all = [
            ("text", self.text.as_ref()),
            ("signature", Some(&self.signature)),
            ("timestamp", self.timestamp.as_ref()),
            ("id", self.id.as_ref()),
            ("kind", self.kind.as_ref()),
        ];
        all.into_iter().filter_map(|(name, template)| Some((name, template?)))
    }
}
