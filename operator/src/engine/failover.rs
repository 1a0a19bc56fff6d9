//! Which candidate serves: the class of each failure decides. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use infrafabric_adapters::error::AdapterError;
use infrafabric_crds::engine::{Attempt, Failover};
use infrafabric_definition::{Class, Scope};

use super::placement::Offering;

/// Newest attempts kept in status.
const KEPT: usize = 10;

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

/// The choice among the candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The candidate to use, by index; `None` when the object has to wait.
    pub index: Option<usize>,
    /// Why each earlier candidate is passed over or waited for, in order.
    pub passed: Vec<(String, String)>,
    /// When to look again, if nothing happens before.
    pub retry_at: DateTime<Utc>,
}

/// Takes the first candidate that can serve. A candidate that is only unavailable is waited for
/// until `failover.after` has passed; classes outside `failover.onClasses` are waited for always.
pub fn choose(
    candidates: &[Candidate],
    attempts: &[Attempt],
    failover: &Failover,
    now: DateTime<Utc>,
) -> Choice {
    let after = patience(failover);
    let mut passed = Vec::new();
    let mut retry_at = now + TimeDelta::minutes(10);
    for (index, candidate) in candidates.iter().enumerate() {
        match standing(candidate, attempts, failover, after, now) {
            Verdict::Use => return Choice { index: Some(index), passed, retry_at: now },
            Verdict::Pass(why, until) => {
                passed.push((candidate.name.clone(), why));
                retry_at = retry_at.min(until.unwrap_or(retry_at));
            }
            Verdict::WaitFor(why, until) => {
                passed.push((candidate.name.clone(), why));
                let retry_at = retry_at.min(until).max(now + TimeDelta::milliseconds(100));
                return Choice { index: None, passed, retry_at };
            }
        }
    }
    let retry_at = retry_at.max(now + TimeDelta::milliseconds(100));
    Choice { index: None, passed, retry_at }
}

enum Verdict {
    Use,
    Pass(String, Option<DateTime<Utc>>),
    WaitFor(String, DateTime<Utc>),
}

fn standing(
    candidate: &Candidate,
    attempts: &[Attempt],
    failover: &Failover,
    after: TimeDelta,
    now: DateTime<Utc>,
) -> Verdict {
    let goes_on = |class: Class| failover.on_classes.iter().any(|on| on.class() == class);
    let far = now + TimeDelta::minutes(10);
    match &candidate.standing {
        Standing::Suspended => return Verdict::Pass("suspended".to_owned(), None),
        Standing::NotReady { class, message, since } => {
            let why = format!("not ready: {message}");
            return match class {
                Class::Unavailable if now < *since + after => Verdict::WaitFor(why, *since + after),
                class if goes_on(*class) => Verdict::Pass(why, None),
                _ => Verdict::WaitFor(why, far),
            };
        }
        Standing::Ready => {}
    }
    let region = match &candidate.region {
        Ok(region) => region,
        Err(why) => return Verdict::Pass(why.clone(), None),
    };
    if let Some(attempt) = blocking(attempts, candidate, region, now) {
        let why = format!("{} ({})", attempt.message, attempt.class);
        return match attempt.class {
            Class::Unavailable if now < attempt.first_at + after => {
                Verdict::WaitFor(why, attempt.until)
            }
            class if goes_on(class) => Verdict::Pass(why, Some(attempt.until)),
            _ => Verdict::WaitFor(why, attempt.until),
        };
    }
    match &candidate.offering {
        Some(Err(Refusal::Misfit(why))) => Verdict::Pass(why.clone(), None),
        _ => Verdict::Use,
    }
}

/// The remembered failure that still blocks the candidate.
fn blocking<'a>(
    attempts: &'a [Attempt],
    candidate: &Candidate,
    region: &str,
    now: DateTime<Utc>,
) -> Option<&'a Attempt> {
    let size = match &candidate.offering {
        Some(Ok(offering)) => Some(offering.size.as_str()),
        _ => None,
    };
    attempts.iter().find(|attempt| {
        attempt.provider == candidate.name
            && now < attempt.until
            // A clock that was set back does not make it block for longer.
            && attempt.at <= now
            && match attempt.scope {
                Scope::Account | Scope::Object => true,
                Scope::Region => attempt.region == region,
                // Before its catalogs are asked, the size that failed is the one it would offer.
                Scope::Offering => {
                    attempt.region == region && (size.is_none() || attempt.size.as_deref() == size)
                }
            }
    })
}

/// `failover.after` as a time; two minutes when it is not of the form `2m` (the schema refuses
/// that).
fn patience(failover: &Failover) -> TimeDelta {
    infrafabric_definition::Span(failover.after.clone())
        .duration()
        .and_then(|after| TimeDelta::from_std(after).ok())
        .unwrap_or_else(|| TimeDelta::minutes(2))
}

/// What failed.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The Provider.
    pub provider: &'a str,
    /// The region there.
    pub region: &'a str,
    /// The size asked for.
    pub size: Option<&'a str>,
    /// What was asked of what is there; a creation has none.
    pub verb: Option<&'a str>,
}

/// Adds a failure to the remembered attempts: newest first, a row of failures at the same place
/// counts up and is tried ever more rarely.
pub fn remember(
    attempts: &[Attempt],
    asked: &Asked<'_>,
    failure: &Failure,
    (now, duration_ms): (DateTime<Utc>, u64),
    witness_index: Option<u64>,
) -> Vec<Attempt> {
    let same = |attempt: &&Attempt| {
        attempt.provider == asked.provider
            && attempt.region == asked.region
            && attempt.size.as_deref() == asked.size
            && attempt.verb.as_deref() == asked.verb
            && attempt.class == failure.class
    };
    let before = attempts.iter().find(same);
    // A row ends when the place was left alone for long.
    let row = before.filter(|attempt| now - attempt.until < TimeDelta::minutes(30));
    let count = row.map_or(1, |attempt| attempt.count.saturating_add(1));
    let wait = failure.retry_after.unwrap_or_default().max(time_to_live(failure.class, count));
    let newest = Attempt {
        verb: asked.verb.map(ToOwned::to_owned),
        provider: asked.provider.to_owned(),
        region: asked.region.to_owned(),
        size: asked.size.map(ToOwned::to_owned),
        class: failure.class,
        scope: failure.scope,
        code: failure.code.as_ref().map(|code| code.chars().take(128).collect()),
        message: failure.message.chars().take(512).collect(),
        at: now,
        first_at: row.map_or(now, |attempt| attempt.first_at),
        until: now + wait,
        count,
        duration_ms,
        witness_index,
    };
    let others = attempts.iter().filter(|attempt| !same(attempt)).cloned();
    std::iter::once(newest).chain(others).take(KEPT).collect()
}

/// How long a failure is remembered before a half-open probe: grows with the row, to 32 times.
fn time_to_live(class: Class, count: u32) -> TimeDelta {
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
        Candidate {
            name: name.into(),
            region: Ok("r".into()),
            standing: Standing::Ready,
            offering: None,
        }
    }

    fn asked<'a>(region: &'a str, size: Option<&'a str>) -> Asked<'a> {
        Asked { provider: "a", region, size, verb: None }
    }

    fn failed(class: Class, scope: Scope) -> Failure {
        Failure { class, scope, code: None, message: "no".into(), retry_after: None }
    }

    fn after(class: Class, scope: Scope, seconds: i64) -> Choice {
        let attempts =
            remember(&[], &asked("r", Some("s")), &failed(class, scope), (at(0), 1), None);
        choose(&[ready("a"), ready("b")], &attempts, &Failover::default(), at(seconds))
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
            attempts = remember(&attempts, &asked("r", None), &failure, (at(second), 1), None);
        }
        let pick =
            |s| choose(&[ready("a"), ready("b")], &attempts, &Failover::default(), at(s)).index;
        assert_eq!(attempts.len(), 1);
        assert_eq!((attempts[0].count, attempts[0].first_at), (5, at(0)));
        assert_eq!(pick(80), None);
        assert_eq!(pick(121), Some(1));
        assert_eq!(pick(160), Some(0), "the half-open probe");
    }

    #[test]
    fn a_failure_is_remembered_for_a_growing_time() {
        let failure = failed(Class::Capacity, Scope::Offering);
        let once = remember(&[], &asked("r", Some("s")), &failure, (at(0), 1), None);
        assert_eq!(once[0].until, at(120));
        let twice = remember(&once, &asked("r", Some("s")), &failure, (at(120), 1), None);
        assert_eq!((twice.len(), twice[0].until), (1, at(360)));
        let said = Failure { retry_after: Some(TimeDelta::hours(1)), ..failure };
        assert_eq!(remember(&[], &asked("r", None), &said, (at(0), 1), None)[0].until, at(3600));
    }

    #[test]
    fn other_regions_and_sizes_are_not_blocked() {
        let failure = failed(Class::Capacity, Scope::Offering);
        let attempts = remember(&[], &asked("r", Some("s")), &failure, (at(0), 1), None);
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
        let pick = |c: Candidate| choose(&[c], &attempts, &Failover::default(), at(1)).index;
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
        let pick = |c: Candidate, s| choose(&[c, ready("b")], &[], &Failover::default(), at(s));
        assert_eq!(pick(not_ready(Class::Auth), 1).index, Some(1));
        assert_eq!(pick(not_ready(Class::Unavailable), 1).index, None);
        assert_eq!(pick(not_ready(Class::Unavailable), 1).retry_at, at(120));
        assert_eq!(pick(not_ready(Class::Unavailable), 121).index, Some(1));
        assert_eq!(pick(misfit, 1).passed, [("a".to_owned(), "no size".to_owned())]);
        assert_eq!(pick(suspended, 1).index, Some(1));
    }

    #[test]
    fn only_the_newest_attempts_are_kept() {
        let mut attempts = Vec::new();
        for i in 0..15 {
            let failure = failed(Class::Capacity, Scope::Offering);
            let region = format!("r{i}");
            attempts = remember(&attempts, &asked(&region, None), &failure, (at(i), 1), None);
        }
        assert_eq!(attempts.len(), KEPT);
        assert_eq!(attempts[0].region, "r14");
    }
}
