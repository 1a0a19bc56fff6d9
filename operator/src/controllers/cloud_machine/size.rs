//! Of what size the machine in use is, and is wanted. Pure but for [`named`].

use chrono::TimeDelta;
use infrafabric_crds::CloudMachine;
use infrafabric_crds::engine::Active;

use super::drift::{ChangeVerb, LOOK_AGAIN, Look, Resize, Wish};
use super::observe::{Observed, Seen, same};
use super::power;
use crate::engine::catalogs::NoOffering;

/// How long a machine that was given another size may still be shown with the old one.
const RESIZES_WITHIN: TimeDelta = TimeDelta::minutes(10);

/// A size as the provider offers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// The provider's name for it.
    pub size: String,
    /// Its identity, where requests take that and not the name.
    pub size_id: Option<String>,
    /// Price per hour while it runs, as a decimal.
    pub price_per_hour: Option<String>,
    /// ISO 4217.
    pub currency: Option<String>,
}

impl Offered {
    /// Whether the provider means this one.
    fn is(&self, told: &str) -> bool {
        same(Some(&self.size), told) || same(self.size_id.as_deref(), told)
    }
}

/// The size that the spec names, where it is another one than the machine's and the provider can give it.
pub(super) async fn named(
    machine: &CloudMachine,
    observed: &Observed,
    region: &str,
) -> Option<Result<Offered, String>> {
    let size = machine.spec.size.as_deref()?;
    let status = machine.status.as_ref()?;
    let active = status.active.as_ref()?;
    let is_open = status.operation.as_ref().is_some_and(|open| open.verb == "resize");
    let deleting = machine.metadata.deletion_timestamp.is_some();
    let is_here = matches!(observed.active, Seen::Here(_));
    if deleting
        || !is_here
        || observed.can.resize == Resize::Never
        || (active.size == size && !is_open)
    {
        return None;
    }
    let account = observed.account.as_ref()?;
    let found = account.catalogs.size(&account.account, size, region).await;
    Some(match found {
        Ok(size) => Ok(Offered {
            size: size.name,
            size_id: size.id,
            price_per_hour: size.price_per_hour.map(|price| price.normalize().to_string()),
            currency: size.currency,
        }),
        Err(NoOffering::Misfit(why)) => Err(why),
        Err(NoOffering::Failed(error)) => {
            account.refusal.note(error.class);
            Err(error.to_string())
        }
    })
}

/// What becomes of the size that the spec wants, if it is another one than the machine was given.
pub(super) fn wish(look: &Look<'_>) -> Wish {
    let Some(wanted) = &look.machine.spec.size else { return Wish::Met };
    let open = look.status.operation.as_ref().filter(|operation| operation.verb == "resize");
    if look.active.size == *wanted && open.is_none() {
        return given(look);
    }
    let can = look.observed.can.resize;
    let has = &look.active.size;
    let not = |why: String| Wish::Not(why, Some(look.observed.now + LOOK_AGAIN));
    if can == Resize::Never {
        let why = format!("its size is {has} and not {wanted}, and the provider cannot change it");
        return Wish::Not(why, None);
    }
    let offered = match &look.observed.size {
        Some(Ok(offered)) => offered,
        Some(Err(why)) => return not(format!("its size is {has} and not {wanted}: {why}")),
        None => return Wish::Met,
    };
    if look.seen.size.as_deref().is_some_and(|told| offered.is(told)) {
        let was_asked = open.is_some_and(|open| open.size.as_ref() == Some(wanted));
        let at = open.map_or(look.changed(), |open| open.started_at.max(look.changed()));
        if was_asked || look.is_shown(at, look.observed.lag.max(RESIZES_WITHIN)) {
            return Wish::Done;
        }
    }
    let only_stopped = can == Resize::Stopped;
    if only_stopped && look.is_running() && !power::wants_off(look.machine) {
        return Wish::Not(
            format!(
                "its size is {has} and not {wanted}, and the provider changes it only while the machine is stopped: set powerState to Stopped, and back when the size is changed"
            ),
            None,
        );
    }
    if look.is_stopped() || (look.is_running() && !only_stopped) {
        Wish::Ask(ChangeVerb::Resize(offered.clone()))
    } else {
        Wish::Later(look.observed.now + LOOK_AGAIN)
    }
}

/// Whether the machine is shown with the size that it was given.
fn given(look: &Look<'_>) -> Wish {
    let size = &look.active.size;
    let other = look.seen.size.as_ref().filter(|told| !same(Some(size), told));
    match other {
        // What a provider calls a size where it is not asked for one is its own affair.
        Some(other)
            if look.observed.can.resize != Resize::Never && look.active.changed_at.is_some() =>
        {
            if look.is_shown(look.changed(), look.observed.lag.max(RESIZES_WITHIN)) {
                Wish::Not(format!("it is a {other}, not a {size}"), None)
            } else {
                Wish::Later(look.observed.now + LOOK_AGAIN)
            }
        }
        _ => Wish::Met,
    }
}

/// The machine has that size now.
pub(super) fn give(active: &mut Active, offered: &Offered) {
    active.size.clone_from(&offered.size);
    active.price_per_hour.clone_from(&offered.price_per_hour);
    active.currency.clone_from(&offered.currency);
}
