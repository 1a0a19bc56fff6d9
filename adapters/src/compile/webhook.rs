//! The verification of deliveries with its templates compiled.

use std::collections::BTreeMap;
use std::time::Duration;

use infrafabric_definition::{AnswerFormat, Handshake, Operation, PublicKeys, Text, Webhook};

use super::definition::{Problem, Problems};
use super::operation::{CompiledOperation, condition, text_template, tree};
use super::template::{Template, Tree};

/// How deliveries are told from forgeries.
#[derive(Debug)]
pub struct CompiledWebhook {
    /// The text that is signed; the body when absent.
    pub text: Option<Template>,
    /// What must hold besides.
    pub must: Option<Template>,
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
    /// The question for public keys, and who writes the tokens that they verify.
    pub keys: Option<(CompiledOperation, String)>,
    /// How the provider makes sure that an address is ours.
    pub handshake: Option<CompiledHandshake>,
    /// What it tells of.
    pub items: Option<Template>,
    /// The contract's outputs of an event.
    pub outputs: BTreeMap<String, Tree>,
}

/// How a provider makes sure that an address is ours.
#[derive(Debug)]
pub struct CompiledHandshake {
    /// Whether a request is one.
    pub when: Template,
    /// What proves it in place of a signature, and the Secret's key that it must equal.
    pub token: Option<(Template, String)>,
    /// What is answered.
    pub reply: Tree,
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
        let items = optional(&spec.items, "items");
        let signature = optional(&Some(spec.signature.clone()), "signature");
        let must = spec.must.as_ref();
        let must = must.and_then(|must| condition(must, "spec.webhook.must", problems));
        let mut outputs = BTreeMap::new();
        for (name, value) in &spec.outputs {
            let place = format!("spec.webhook.as.{name}");
            outputs.extend(tree(&value.0, &place, problems).map(|t| (name.0.clone(), t)));
        }
        let handshake = spec.handshake.as_ref();
        let handshake = handshake.and_then(|given| self::handshake(given, problems));
        let keys = spec.keys.as_ref().and_then(|keys| self::keys(keys, problems));
        let signature = signature?;
        Some(Self {
            text,
            must,
            signature,
            timestamp,
            tolerance,
            id,
            kind,
            keys,
            handshake,
            items,
            outputs,
        })
    }

    /// Its templates with their names.
    pub(super) fn templates(&self) -> impl Iterator<Item = (&'static str, &Template)> {
        let all = [
            ("text", self.text.as_ref()),
            ("must", self.must.as_ref()),
            ("signature", Some(&self.signature)),
            ("timestamp", self.timestamp.as_ref()),
            ("id", self.id.as_ref()),
            ("kind", self.kind.as_ref()),
            ("items", self.items.as_ref()),
        ];
        all.into_iter().filter_map(|(name, template)| Some((name, template?)))
    }
}

fn handshake(spec: &Handshake, problems: &mut Problems) -> Option<CompiledHandshake> {
    let path = "spec.webhook.handshake";
    let when = condition(&spec.when, &format!("{path}.when"), problems);
    let reply = tree(&spec.reply.0, &format!("{path}.reply"), problems);
    let token = match (&spec.token, &spec.secret) {
        (Some(token), Some(secret)) => {
            let template = text_template(token, &format!("{path}.token"), problems);
            template.map(|template| (template, secret.0.clone()))
        }
        (None, None) => None,
        _ => {
            let reason = "`token` and the Secret's key `secret` that it must equal come together";
            problems.push(Problem { path: path.to_owned(), reason: reason.to_owned() });
            None
        }
    };
    Some(CompiledHandshake { when: when?, token, reply: reply? })
}

fn keys(spec: &PublicKeys, problems: &mut Problems) -> Option<(CompiledOperation, String)> {
    let read = Operation {
        get: Some(spec.get.clone()),
        endpoint: spec.endpoint.clone(),
        anonymous: true,
        ..Operation::default()
    };
    let path = "spec.webhook.keys";
    let read =
        CompiledOperation::compile("webhook.keys", &read, AnswerFormat::Json, path, problems)?;
    Some((read, spec.issuer.0.clone()))
}
