//! Which candidate serves: the placement says which one is the best, the class of each failure decides whether it
//! can be taken. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use infrafabric_adapters::error::AdapterError;
use infrafabric_crds::engine::{Attempt, Failover, Placement};
use infrafabric_crds::provider::Health;
use infrafabric_definition::{Class, Scope};

use super::blocks::{self, Blocked};
use super::currency::Rates;
use super::placement::Offering;
use super::score;

/// Newest attempts kept in status.
const KEPT: usize = 10;
/// When it is looked again at the latest while nothing can be done.
const LONGEST_WAIT: TimeDelta = TimeDelta::minutes(10);
/// When it is looked again while another object tries; mostly its end wakes those who wait.
const PROBE_WAIT: TimeDelta = TimeDelta::seconds(5);

/// A candidate as observed.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The Provider's name.
    pub name: String,
    /// The region to use there, or why there is none.
    pub region: Result<String, String>,
    /// Whether it may be called.
    pub standing: Standing,
    /// What it would serve; `None` before its catalogs were asked.
    pub offering: Option<Result<Offering, Refusal>>,
    /// Where its account does not serve; `None` where only the object's own attempts tell.
    pub blocks: Option<Vec<Blocked>>,
    /// Its share where the placement is by weight.
    pub weight: u32,
    /// How many other objects of the same spread it has.
    pub share: usize,
    /// How it served of late.
    pub health: Option<Health>,
    /// Since when its Provider is Ready, as its status says.
    pub ready_since: Option<DateTime<Utc>>,
}

impl Candidate {
    /// One of which nothing more is known.
    pub fn new(name: &str, region: Result<String, String>, standing: Standing) -> Self {
        Self {
            name: name.to_owned(),
            region,
            standing,
            offering: None,
            blocks: None,
            weight: 1,
            share: 0,
            health: None,
            ready_since: None,
        }
    }

    /// Where it would be tried, as far as that is known.
    pub fn place(&self) -> Place {
        let offering = self.offering.as_ref().and_then(|offering| offering.as_ref().ok());
        Place {
            size: offering.map(|offering| offering.size.clone()),
            price: offering.and_then(Offering::price),
            ..Place::new(&self.name, self.region.as_deref().unwrap_or_default())
        }
    }
}

/// Whether a Provider may be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its credentials are verified.
    Ready,
    /// It cannot be called.
    NotReady {
        /// Why, in the one taxonomy.
        class: Class,
        /// Why, for a person.
        message: String,
        /// Since when.
        since: DateTime<Utc>,
    },
    /// It is switched off by its owner.
    Suspended,
}

/// Why a candidate has no offering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing it offers fits the spec; it is passed over.
    Misfit(String),
    /// Its catalogs could not be read.
    Failed(Failure),
}

/// Where something is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The Provider's name.
    pub provider: String,
    /// The provider's region.
    pub region: String,
    /// The size asked for.
    pub size: Option<String>,
    /// Price per hour of it, and the currency.
    pub price: Option<(String, String)>,
    /// What was asked of what is there; a creation has none.
    pub verb: Option<&'static str>,
}

impl Place {
    /// At a Provider in a region.
    pub fn new(provider: &str, region: &str) -> Self {
        let (provider, region) = (provider.to_owned(), region.to_owned());
        Self { provider, region, size: None, price: None, verb: None }
    }
}

/// One failed call, as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The class.
    pub class: Class,
    /// How far it reaches.
    pub scope: Scope,
    /// The vendor's code.
    pub code: Option<String>,
    /// For a person.
    pub message: String,
    /// Not before this much time, when the provider said so.
    pub retry_after: Option<TimeDelta>,
}

impl From<&AdapterError> for Failure {
    fn from(error: &AdapterError) -> Self {
        Self {
            class: error.class,
            scope: error.scope,
            code: error.code.clone(),
            message: error.to_string(),
            retry_after: error.retry_after.and_then(|after| TimeDelta::from_std(after).ok()),
        }
    }
}

/// By what candidates are chosen.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// Which of those that can serve.
    pub policy: Placement,
    /// When the next one is tried.
    pub failover: &'a Failover,
    /// What the object tried.
    pub attempts: &'a [Attempt],
    /// Whose choice it is.
    pub uid: &'a str,
    /// What prices are compared in.
    pub currency: &'a str,
    /// What currencies are worth.
    pub rates: &'a Rates,
    /// When.
    pub now: DateTime<Utc>,
}

/// The choice among the candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The candidate to use, by index; `None` when the object has to wait.
    pub index: Option<usize>,
    /// The candidates by index, the best first.
    pub order: Vec<usize>,
    /// Why each one before the chosen one is passed over or waited for, in that order.
    pub passed: Vec<(usize, String)>,
    /// When to look again, if nothing happens before.
    pub retry_at: DateTime<Utc>,
}

/// Takes the best candidate that can serve. Where they are ordered, one that is only unavailable is waited for until
/// `failover.after` has passed, and classes outside `failover.onClasses` are waited for always; other
/// placements take the best of those that serve now.
pub fn choose(candidates: &[Candidate], terms: &Terms<'_>) -> Choice {
    let order = score::order(candidates, terms);
    let mut passed = Vec::new();
    let mut retry_at = terms.now + LONGEST_WAIT;
    let mut index = None;
    for at in &order {
        match verdict(&candidates[*at], terms) {
            Verdict::Use => {
                index = Some(*at);
                break;
            }
            Verdict::Pass(why, until) => {
                passed.push((*at, why));
                retry_at = retry_at.min(until.unwrap_or(retry_at));
            }
            Verdict::WaitFor(why, until) => {
                passed.push((*at, why));
                retry_at = retry_at.min(until);
                if terms.policy == Placement::Ordered {
                    break;
                }
            }
        }
    }
    let retry_at = match index {
        Some(_) => terms.now,
        None => retry_at.max(terms.now + TimeDelta::milliseconds(100)),
    };
    Choice { index, order, passed, retry_at }
}

/// The candidates whose catalogs must be asked before the choice stands.
pub fn unasked(candidates: &[Candidate], terms: &Terms<'_>) -> Vec<usize> {
    let open = |at: &usize| candidates[*at].offering.is_none() && candidates[*at].region.is_ok();
    if terms.policy == Placement::Cheapest {
        let usable = |at: &usize| matches!(verdict(&candidates[*at], terms), Verdict::Use);
        return (0..candidates.len()).filter(open).filter(usable).collect();
    }
    choose(candidates, terms).index.into_iter().filter(open).collect()
}

/// Since when a candidate can serve without a failure, or from when on it may be able to; `None` where that is not a
/// matter of time.
pub fn serves_since(candidate: &Candidate, terms: &Terms<'_>) -> Option<DateTime<Utc>> {
    let misfits = matches!(candidate.offering, Some(Err(Refusal::Misfit(_))));
    if candidate.standing != Standing::Ready || candidate.region.is_err() || misfits {
        return None;
    }
    let place = candidate.place();
    let blocks = candidate.blocks.iter().flatten().map(|seen| &seen.block);
    let blocks = blocks.filter(|block| blocks::reaches(block, &place)).map(|block| block.until);
    let obstacle = obstacle(candidate, terms).map(|obstacle| obstacle.until);
    // What its Provider's status does not say yet has just become so.
    let ready = candidate.ready_since.unwrap_or(terms.now);
    Some(blocks.chain(obstacle).fold(ready, DateTime::max))
}

enum Verdict {
    Use,
    Pass(String, Option<DateTime<Utc>>),
    WaitFor(String, DateTime<Utc>),
}

fn verdict(candidate: &Candidate, terms: &Terms<'_>) -> Verdict {
    let Terms { failover, now, .. } = *terms;
    let after = patience(failover);
    let goes_on = |class: Class| failover.on_classes.iter().any(|on| on.class() == class);
    match &candidate.standing {
        Standing::Suspended => return Verdict::Pass("suspended".to_owned(), None),
        Standing::NotReady { class, message, since } => {
            let why = format!("not ready: {message}");
            return match class {
                Class::Unavailable if now < *since + after => Verdict::WaitFor(why, *since + after),
                class if goes_on(*class) => Verdict::Pass(why, None),
                _ => Verdict::WaitFor(why, now + LONGEST_WAIT),
            };
        }
        Standing::Ready => {}
    }
    if let Err(why) = &candidate.region {
        return Verdict::Pass(why.clone(), None);
    }
    if let Some(Obstacle { class, message, since, until }) = obstacle(candidate, terms) {
        let why = format!("{message} ({class})");
        return match class {
            Class::Unavailable if now < since + after => Verdict::WaitFor(why, until),
            class if goes_on(class) => Verdict::Pass(why, Some(until)),
            _ => Verdict::WaitFor(why, until),
        };
    }
    match &candidate.offering {
        Some(Err(Refusal::Misfit(why))) => Verdict::Pass(why.clone(), None),
        // Its catalogs are asked again by who has no other choice.
        Some(Err(Refusal::Failed(failure))) if terms.policy != Placement::Ordered => {
            let soon = now + PROBE_WAIT;
            Verdict::Pass(format!("{} ({})", failure.message, failure.class), Some(soon))
        }
        _ => Verdict::Use,
    }
}

/// The class of the failure for which a candidate is not used now, if a failure is why.
pub fn failed(candidate: &Candidate, terms: &Terms<'_>) -> Option<Class> {
    match &candidate.standing {
        Standing::NotReady { class, .. } => Some(*class),
        Standing::Ready => obstacle(candidate, terms).map(|obstacle| obstacle.class),
        Standing::Suspended => None,
    }
}

/// What stands in the way at a candidate.
struct Obstacle {
    class: Class,
    message: String,
    since: DateTime<Utc>,
    until: DateTime<Utc>,
}

/// A failure that still blocks the candidate: one of its account, whoever met it, or the object's own.
fn obstacle(candidate: &Candidate, terms: &Terms<'_>) -> Option<Obstacle> {
    let now = terms.now;
    let place = candidate.place();
    let shared =
        candidate.blocks.iter().flatten().filter(|seen| blocks::reaches(&seen.block, &place));
    let shared = shared.filter_map(|seen| {
        let block = &seen.block;
        let until = match (now < block.until && block.at <= now, seen.is_probed) {
            (true, _) => block.until,
            (false, true) => now + PROBE_WAIT,
            (false, false) => return None,
        };
        let Blocked { block, .. } = seen;
        Some(Obstacle {
            class: block.class,
            message: block.message.clone(),
            since: block.since,
            until,
        })
    });
    let own = terms.attempts.iter().filter(|attempt| {
        attempt.provider == candidate.name
            // A clock that was set back does not make it block for longer.
            && (now < attempt.until && attempt.at <= now)
            && match attempt.scope {
                Scope::Object => true,
                _ if candidate.blocks.is_some() => false,
                Scope::Account => true,
                Scope::Region => attempt.region == place.region,
                // Before its catalogs are asked, the size that failed is the one it would offer.
                Scope::Offering => {
                    attempt.region == place.region
                        && (place.size.is_none() || attempt.size == place.size)
                }
            }
    });
    let own = own.map(|attempt| Obstacle {
        class: attempt.class,
        message: attempt.message.clone(),
        since: attempt.first_at,
        until: attempt.until,
    });
    shared.chain(own).max_by_key(|obstacle| obstacle.until)
}

/// `failover.after` as a time; two minutes when it is not of the form `2m` (the schema refuses
/// that).
fn patience(failover: &Failover) -> TimeDelta {
    infrafabric_definition::Span(failover.after.clone())
        .duration()
        .and_then(|after| TimeDelta::from_std(after).ok())
        .unwrap_or_else(|| TimeDelta::minutes(2))
}

/// Adds a failure to the remembered attempts: newest first, a row of failures at the same place
/// counts up and is tried ever more rarely.
pub fn remember(
    attempts: &[Attempt],
    place: &Place,
    failure: &Failure,
    (now, duration_ms): (DateTime<Utc>, u64),
    witness_index: Option<u64>,
) -> Vec<Attempt> {
    let same = |attempt: &&Attempt| {
        attempt.provider == place.provider
            && attempt.region == place.region
            && attempt.size == place.size
            && attempt.verb.as_deref() == place.verb
            && attempt.class == failure.class
    };
    let before = attempts.iter().find(same);
    // A row ends when the place was left alone for long.
    let row = before.filter(|attempt| now - attempt.until < TimeDelta::minutes(30));
    let count = row.map_or(1, |attempt| attempt.count.saturating_add(1));
    let wait = failure.retry_after.unwrap_or_default().max(time_to_live(failure.class, count));
    let (price_per_hour, currency) = place.price.clone().unzip();
    let newest = Attempt {
        verb: place.verb.map(ToOwned::to_owned),
        provider: place.provider.clone(),
        region: place.region.clone(),
        size: place.size.clone(),
        class: failure.class,
        scope: failure.scope,
        code: failure.code.as_ref().map(|code| code.chars().take(128).collect()),
        message: failure.message.chars().take(512).collect(),
        at: now,
        first_at: row.map_or(now, |attempt| attempt.first_at),
        until: now + wait,
        count,
        duration_ms,
        price_per_hour,
        currency,
        witness_index,
    };
    let others = attempts.iter().filter(|attempt| !same(attempt)).cloned();
    std::iter::once(newest).chain(others).take(KEPT).collect()
}

/// How long a failure is remembered before a half-open probe: grows with the row, to 32 times.
pub fn time_to_live(class: Class, count: u32) -> TimeDelta {
    let first = match class {
        Class::Unavailable | Class::Unknown => TimeDelta::seconds(5),
        Class::RateLimited => TimeDelta::seconds(10),
        Class::Conflict | Class::NotFound => TimeDelta::seconds(30),
        Class::Capacity => TimeDelta::minutes(2),
        Class::Quota | Class::OutOfCredit | Class::Disabled | Class::Auth => TimeDelta::minutes(5),
        Class::Invalid | Class::Unsupported | Class::Policy => TimeDelta::minutes(15),
    };
    first * 2_i32.pow(count.saturating_sub(1).min(5))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a time")
    }

    fn ready(name: &str) -> Candidate {
        Candidate::new(name, Ok("r".into()), Standing::Ready)
    }

    fn place(region: &str, size: Option<&str>) -> Place {
        Place { size: size.map(ToOwned::to_owned), ..Place::new("a", region) }
    }

    fn ordered(candidates: &[Candidate], attempts: &[Attempt], now: DateTime<Utc>) -> Choice {
        let terms = Terms {
            policy: Placement::Ordered,
            failover: &Failover::default(),
            attempts,
            uid: "u",
            currency: "USD",
            rates: &Rates::default(),
            now,
        };
        choose(candidates, &terms)
    }

    fn failed(class: Class, scope: Scope) -> Failure {
        Failure { class, scope, code: None, message: "no".into(), retry_after: None }
    }

    fn after(class: Class, scope: Scope, seconds: i64) -> Choice {
        let attempts =
            remember(&[], &place("r", Some("s")), &failed(class, scope), (at(0), 1), None);
        ordered(&[ready("a"), ready("b")], &attempts, at(seconds))
    }

    #[test]
    fn the_class_decides_whether_the_next_candidate_is_tried() {
        let table = [
            (Class::Capacity, Scope::Offering, Some(1)),
            (Class::Quota, Scope::Account, Some(1)),
            (Class::Auth, Scope::Account, Some(1)),
            (Class::OutOfCredit, Scope::Account, Some(1)),
            (Class::Unavailable, Scope::Account, None),
            (Class::RateLimited, Scope::Account, None),
            (Class::Invalid, Scope::Object, None),
            (Class::Policy, Scope::Object, None),
        ];
        for (class, scope, expected) in table {
            assert_eq!(after(class, scope, 1).index, expected, "{class}");
        }
    }

    #[test]
    fn unavailable_is_waited_for_until_the_patience_ends() {
        let mut attempts = Vec::new();
        for second in [0, 5, 15, 35, 75] {
            let failure = failed(Class::Unavailable, Scope::Account);
            attempts = remember(&attempts, &place("r", None), &failure, (at(second), 1), None);
        }
        let pick = |s| ordered(&[ready("a"), ready("b")], &attempts, at(s)).index;
        assert_eq!(attempts.len(), 1);
        assert_eq!((attempts[0].count, attempts[0].first_at), (5, at(0)));
        assert_eq!(pick(80), None);
        assert_eq!(pick(121), Some(1));
        assert_eq!(pick(160), Some(0), "the half-open probe");
    }

    #[test]
    fn a_failure_is_remembered_for_a_growing_time() {
        let failure = failed(Class::Capacity, Scope::Offering);
        let once = remember(&[], &place("r", Some("s")), &failure, (at(0), 1), None);
        assert_eq!(once[0].until, at(120));
        let twice = remember(&once, &place("r", Some("s")), &failure, (at(120), 1), None);
        assert_eq!((twice.len(), twice[0].until), (1, at(360)));
        let said = Failure { retry_after: Some(TimeDelta::hours(1)), ..failure };
        assert_eq!(remember(&[], &place("r", None), &said, (at(0), 1), None)[0].until, at(3600));
    }

    #[test]
    fn other_regions_and_sizes_are_not_blocked() {
        let failure = failed(Class::Capacity, Scope::Offering);
        let attempts = remember(&[], &place("r", Some("s")), &failure, (at(0), 1), None);
        let offering = |size: &str| Offering {
            size_id: None,
            region: "r".into(),
            size: size.into(),
            image: "i".into(),
            price_per_hour: None,
            currency: None,
        };
        let with = |size: &str| Candidate { offering: Some(Ok(offering(size))), ..ready("a") };
        let elsewhere = Candidate { region: Ok("q".into()), ..ready("a") };
        let pick = |c: Candidate| ordered(&[c], &attempts, at(1)).index;
        assert_eq!(pick(with("s")), None);
        assert_eq!(pick(with("t")), Some(0));
        assert_eq!(pick(elsewhere), Some(0));
    }

    #[test]
    fn not_ready_misfit_and_suspended_are_explained() {
        let not_ready = |class| Candidate {
            standing: Standing::NotReady { class, message: "x".into(), since: at(0) },
            ..ready("a")
        };
        let misfit =
            Candidate { offering: Some(Err(Refusal::Misfit("no size".into()))), ..ready("a") };
        let suspended = Candidate { standing: Standing::Suspended, ..ready("a") };
        let pick = |c: Candidate, s| ordered(&[c, ready("b")], &[], at(s));
        assert_eq!(pick(not_ready(Class::Auth), 1).index, Some(1));
        assert_eq!(pick(not_ready(Class::Unavailable), 1).index, None);
        assert_eq!(pick(not_ready(Class::Unavailable), 1).retry_at, at(120));
        assert_eq!(pick(not_ready(Class::Unavailable), 121).index, Some(1));
        assert_eq!(pick(misfit, 1).passed, [(0, "no size".to_owned())]);
        assert_eq!(pick(suspended, 1).index, Some(1));
    }

    #[test]
    fn only_the_newest_attempts_are_kept() {
        let mut attempts = Vec::new();
        for i in 0..15 {
            let failure = failed(Class::Capacity, Scope::Offering);
            let region = format!("r{i}");
            attempts = remember(&attempts, &place(&region, None), &failure, (at(i), 1), None);
        }
        assert_eq!(attempts.len(), KEPT);
        assert_eq!(attempts[0].region, "r14");
    }
}
