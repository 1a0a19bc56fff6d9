//! Says in status how the Provider stands; writes only when that changed.

use chrono::{DateTime, Utc};
use infrafabric_adapters::pipeline::Quality;
use infrafabric_adapters::registry::Source;
use infrafabric_crds::condition::{self, LEFTOVERS, READY, RECONCILING, STALLED};
use infrafabric_crds::provider::{DefinitionInUse, Health, Leftover, reason};
use infrafabric_crds::{Provider, ProviderStatus, RECONCILE_ANNOTATION};
use infrafabric_definition::Class;
use kube::ResourceExt;

use super::act::{Acted, What};
use super::observe::Observed;
use super::sweep::{Removal, Swept};
use crate::context::Context;
use crate::engine::{self, sweep};

/// The status after the deed. Pure.
pub(super) fn status(
    provider: &Provider,
    observed: &Observed,
    acted: &Acted,
    now: DateTime<Utc>,
) -> ProviderStatus {
    let what = &acted.what;
    let mut status = provider.status.clone().unwrap_or_default();
    let generation = provider.metadata.generation;
    status.observed_generation = generation.unwrap_or_default();
    status.last_handled_reconcile_at = provider.annotations().get(RECONCILE_ANNOTATION).cloned();
    if let Some((definition, source)) = &observed.definition {
        let source = match source {
            Source::BuiltIn => "BuiltIn",
            Source::Given => "ProviderDefinition",
        };
        status.definition = Some(DefinitionInUse {
            name: definition.name().to_owned(),
            source: source.to_owned(),
            digest: definition.digest().to_owned(),
        });
        status.capabilities = capabilities(definition);
    } else {
        status.definition = None;
        status.capabilities.clear();
    }
    let (ready, stalled, reason, message) = words(provider, what);
    let why = (reason, message.as_str());
    let all = &mut status.conditions;
    condition::set(all, READY, ready, why, generation, now);
    for (type_, holds) in [(RECONCILING, !ready && !stalled), (STALLED, stalled)] {
        if holds {
            condition::set(all, type_, true, why, generation, now);
        } else {
            condition::clear(all, type_);
        }
    }
    status.blocks.clone_from(&acted.blocks);
    status.health =
        acted.quality.and_then(|quality| health(status.health, quality)).or(status.health);
    if let Some(swept) = &acted.swept {
        leftovers(&mut status, provider, swept, now);
    }
    status
}

fn leftovers(status: &mut ProviderStatus, provider: &Provider, swept: &Swept, now: DateTime<Utc>) {
    status.leftovers.clone_from(&swept.leftovers);
    if let Some(removal) = &swept.removal {
        status.operation = Some(removal.operation.clone());
        status.witness = removal.witness.clone().or(status.witness.take());
    }
    let (all, generation) = (&mut status.conditions, provider.metadata.generation);
    if swept.leftovers.is_empty() {
        condition::clear(all, LEFTOVERS);
        status.operation = None;
        return;
    }
    let mut message = sweep::told(&swept.leftovers, &provider.spec.leftovers);
    if let Some(Removal { said: Err(why), .. }) = &swept.removal {
        message = format!("{message}; {why}");
    }
    condition::set(all, LEFTOVERS, true, (reason::FOUND, &message), generation, now);
}

/// How it served of late, if that is plainly another than what is written.
fn health(written: Option<Health>, quality: Quality) -> Option<Health> {
    let served = quality.calls.checked_sub(quality.failed)?;
    let percent = (100 * u64::from(served)).checked_div(quality.calls.into())?;
    let next = Health {
        success_percent: u8::try_from(percent).unwrap_or(100),
        latency_ms: u32::try_from(quality.latency.as_millis()).unwrap_or(u32::MAX),
    };
    let Some(written) = written else { return Some(next) };
    let (was, is) = (written.success_percent, next.success_percent);
    let succeeds = was.abs_diff(is) >= 5 || (is == 100 && was != 100);
    // What is faster than this is fast.
    let [was, is] = [written.latency_ms, next.latency_ms].map(|ms| u64::from(ms.max(50)));
    let (lower, upper) = (was.min(is), was.max(is));
    (succeeds || upper * 2 > lower * 3).then_some(next)
}

fn words(provider: &Provider, what: &What) -> (bool, bool, &'static str, String) {
    let secret = &provider.spec.credentials.secret_ref.name;
    match what {
        What::Stood(stand) => (false, stand.stalled, stand.reason, stand.message.clone()),
        What::Verified(Some(why)) => (
            true,
            false,
            reason::UNPROVEN,
            format!("the credentials in Secret {secret} are taken as they are: {why}"),
        ),
        What::Verified(None) | What::Released => (
            true,
            false,
            reason::VERIFIED,
            format!("the credentials in Secret {secret} were verified by an authenticated read"),
        ),
        What::Failed(Class::Auth, message) => (
            false,
            true,
            reason::UNAUTHORIZED,
            format!(
                "{message}; put working credentials into Secret {secret}, nothing is called until then"
            ),
        ),
        What::Failed(_, message) => (false, false, reason::UNAVAILABLE, message.clone()),
    }
}

fn capabilities(definition: &infrafabric_adapters::compile::Compiled) -> Vec<String> {
    let objects = definition.objects.iter().flat_map(|(name, object)| {
        [
            ("create", object.create.is_some()),
            ("read", object.read.is_some()),
            ("list", object.list.is_some()),
            ("delete", object.delete.is_some()),
        ]
        .into_iter()
        .filter(|(_, declared)| *declared)
        .map(move |(verb, _)| format!("{name}.{verb}"))
    });
    let catalogs = definition.catalogs.keys().map(|name| format!("{name}.list"));
    objects.chain(catalogs).collect()
}

/// Writes the status if its meaning changed.
pub async fn report(
    provider: &Provider,
    observed: &Observed,
    acted: &Acted,
    context: &Context,
) -> Result<(), kube::Error> {
    if matches!(acted.what, What::Released) {
        return Ok(());
    }
    let next = status(provider, observed, acted, context.now());
    let removal = acted.swept.as_ref().and_then(|swept| swept.removal.as_ref());
    // The intent of a removal was written on this version already.
    if removal.is_none() && provider.status.as_ref() == Some(&next) {
        return Ok(());
    }
    events(provider, &next, context).await;
    if let Some(removal) = removal {
        let (warning, reason, note) = match &removal.said {
            Ok(note) => (false, "LeftoverDeleted", note),
            Err(note) => (true, "LeftoverNotDeleted", note),
        };
        context.event(provider, warning, reason, note.clone()).await;
    }
    match engine::status::apply(provider, &next, None, context).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        done => done.map(|_| ()),
    }
}

/// An event when `Ready` turns.
async fn events(provider: &Provider, next: &ProviderStatus, context: &Context) {
    let before = provider.status.as_ref();
    let before = before.and_then(|status| condition::find(&status.conditions, READY));
    let Some(after) = condition::find(&next.conditions, READY) else { return };
    let turned =
        before.is_none_or(|before| before.status != after.status || before.reason != after.reason);
    if turned {
        context.event(provider, !after.is_true(), &after.reason, after.message.clone()).await;
    }
    let known = provider.status.as_ref().map(|status| status.leftovers.as_slice());
    let known = known.unwrap_or_default();
    let is_new = |left: &&Leftover| known.iter().all(|known| known.external_id != left.external_id);
    for left in next.leftovers.iter().filter(is_new) {
        let Leftover { external_id, region, .. } = left;
        let note = format!("{external_id} in {region} carries our marks and belongs to no object");
        context.event(provider, true, "LeftoverFound", note).await;
    }
}
