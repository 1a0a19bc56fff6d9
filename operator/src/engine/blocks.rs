//! Where an account does not serve at the moment: found by one object, known to all of them, kept in the Provider's status.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use infrafabric_crds::engine::{Attempt, Block};
use infrafabric_definition::{Class, Scope};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::failover::{Failure, Place, time_to_live};

/// Most blocks of one account; more are an account that is broken.
const KEPT: usize = 64;
/// A row of failures ends, and its block goes, when the place was left alone for that long.
const ROW: TimeDelta = TimeDelta::minutes(30);
/// A probe that nobody ended counts as lost after this time.
const PROBE: Duration = Duration::from_mins(2);
/// An attempt that is younger than this may not have come into the Provider's status before the process ended.
const UNWRITTEN: TimeDelta = TimeDelta::minutes(2);

/// A block as an object sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The block.
    pub block: Block,
    /// Whether another object tries at this moment.
    pub is_probed: bool,
}

/// The blocks of one account. Shared by all objects that use it.
#[derive(Debug, Default)]
pub struct Blocks(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// `None` until what the status has was read.
    all: Option<Vec<Block>>,
    probes: HashMap<Key, Probe>,
}

type Key = (Scope, Option<String>, Option<String>);

#[derive(Debug)]
struct Probe {
    uid: String,
    since: Instant,
}

impl Blocks {
    /// Reads what was known before the process started, once.
    pub fn restore(&self, written: &[Block], attempts: &[Attempt], now: DateTime<Utc>) {
        let mut state = self.state();
        if state.all.is_some() {
            return;
        }
        let mut all = written.to_vec();
        for attempt in attempts.iter().filter(|attempt| now - attempt.at < UNWRITTEN) {
            let key = key(attempt.scope, &attempt.region, attempt.size.as_deref());
            let newer = |block: &Block| key_of(block) == key && block.at >= attempt.at;
            if attempt.scope != Scope::Object && !all.iter().any(newer) {
                all.retain(|block| key_of(block) != key);
                all.push(from_attempt(attempt));
            }
        }
        state.all = Some(tidied(all, now));
    }

    /// What is blocked in a region, as the object of that UID sees it; `None` before it is known.
    pub fn seen_by(&self, uid: &str, region: &str, now: DateTime<Utc>) -> Option<Vec<Blocked>> {
        let state = self.state();
        let here = |block: &&Block| {
            block.region.as_deref().is_none_or(|at| at == region) && now - block.until < ROW
        };
        let blocked = |block: &Block| {
            let probe = state.probes.get(&key_of(block));
            let probe = probe.filter(|probe| probe.uid != uid && probe.since.elapsed() < PROBE);
            Blocked { block: block.clone(), is_probed: probe.is_some() }
        };
        Some(state.all.as_ref()?.iter().filter(here).map(blocked).collect())
    }

    /// Takes the right to try where a block has just ended; false when another object has it, or the place is blocked again.
    pub fn probe(&self, uid: &str, place: &Place, now: DateTime<Utc>) -> bool {
        let mut state = self.state();
        let State { all, probes } = &mut *state;
        let mut keys = Vec::new();
        for block in all.iter().flatten().filter(|block| reaches(block, place)) {
            if block.at <= now && now < block.until {
                return false;
            }
            let key = key_of(block);
            let other = probes.get(&key).filter(|probe| probe.uid != uid);
            if now - block.until < ROW && other.is_some_and(|probe| probe.since.elapsed() < PROBE) {
                return false;
            }
            keys.push(key);
        }
        for key in keys {
            probes.insert(key, Probe { uid: uid.to_owned(), since: Instant::now() });
        }
        true
    }

    /// Something was made there: says whether that ended a block.
    pub fn served(&self, place: &Place) -> bool {
        let mut state = self.state();
        let State { all: Some(all), probes } = &mut *state else { return false };
        let before = all.len();
        all.retain(|block| !reaches(block, place));
        probes.retain(|(_, region, size), _| !within(region.as_deref(), size.as_deref(), place));
        all.len() != before
    }

    /// It failed there: says whether that is news.
    pub fn failed(&self, place: &Place, failure: &Failure, now: DateTime<Utc>) -> bool {
        let mut state = self.state();
        let State { all, probes } = &mut *state;
        // Whoever tried there is done.
        probes.retain(|(_, region, size), _| !within(region.as_deref(), size.as_deref(), place));
        if failure.scope == Scope::Object {
            return false;
        }
        let all = all.get_or_insert_default();
        let key = key(failure.scope, &place.region, place.size.as_deref());
        // A row of failures goes on where it was asked again after its end, and not where many asked at once.
        let row = all.iter().find(|block| key_of(block) == key && now - block.until < ROW).cloned();
        let is_known = |row: &Block| row.class == failure.class && row.at <= now && now < row.until;
        if row.as_ref().is_some_and(is_known) {
            return false;
        }
        all.retain(|block| key_of(block) != key);
        all.push(after(row.as_ref(), key, failure, now));
        *all = tidied(std::mem::take(all), now);
        true
    }

    /// The credentials are new ones: what was refused to the old ones is not refused to them.
    pub fn renewed(&self) {
        if let Some(all) = &mut self.state().all {
            all.retain(|block| block.class != Class::Auth);
        }
    }

    /// What the status has to say; `None` before it is known.
    pub fn current(&self, now: DateTime<Utc>) -> Option<Vec<Block>> {
        let mut state = self.state();
        let all = state.all.as_mut()?;
        *all = tidied(std::mem::take(all), now);
        Some(all.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without what ended long ago, the account's first and then by place; the ones that end first go when there are too many.
fn tidied(mut all: Vec<Block>, now: DateTime<Utc>) -> Vec<Block> {
    all.retain(|block| now - block.until < ROW);
    if all.len() > KEPT {
        all.sort_by_key(|block| std::cmp::Reverse(block.until));
        all.truncate(KEPT);
    }
    all.sort_by_key(|block| {
        (std::cmp::Reverse(block.scope as u8), block.region.clone(), block.size.clone())
    });
    all
}

fn key(scope: Scope, region: &str, size: Option<&str>) -> Key {
    match scope {
        Scope::Account | Scope::Object => (scope, None, None),
        Scope::Region => (scope, Some(region.to_owned()), None),
        Scope::Offering => (scope, Some(region.to_owned()), size.map(ToOwned::to_owned)),
    }
}

fn key_of(block: &Block) -> Key {
    (block.scope, block.region.clone(), block.size.clone())
}

/// Whether a block concerns a place.
pub fn reaches(block: &Block, place: &Place) -> bool {
    within(block.region.as_deref(), block.size.as_deref(), place)
}

fn within(region: Option<&str>, size: Option<&str>, place: &Place) -> bool {
    // Which size it would be, its catalogs tell: until they are asked, a size that is blocked is another one.
    let size_fits = size.is_none() || size == place.size.as_deref();
    region.is_none_or(|region| region == place.region) && size_fits
}

fn after(row: Option<&Block>, key: Key, failure: &Failure, now: DateTime<Utc>) -> Block {
    let count = row.map_or(1, |row| row.count.saturating_add(1));
    let (scope, region, size) = key;
    let wait = jittered(time_to_live(failure.class, count), (&region, &size, count));
    Block {
        scope,
        region,
        size,
        class: failure.class,
        code: failure.code.as_ref().map(|code| code.chars().take(128).collect()),
        message: failure.message.chars().take(512).collect(),
        since: row.map_or(now, |row| row.since),
        at: now,
        until: now + failure.retry_after.unwrap_or_default().max(wait),
        count,
    }
}

/// A tenth longer at most, so that what failed together is not asked together again. The same place and count give the same.
fn jittered(wait: TimeDelta, of: (&Option<String>, &Option<String>, u32)) -> TimeDelta {
    let digest = Sha256::digest(format!("{of:?}").as_bytes());
    wait + wait / 10 * i32::from(digest[0]) / 255
}

fn from_attempt(attempt: &Attempt) -> Block {
    let (scope, region, size) = key(attempt.scope, &attempt.region, attempt.size.as_deref());
    Block {
        scope,
        region,
        size,
        class: attempt.class,
        code: attempt.code.clone(),
        message: attempt.message.clone(),
        since: attempt.first_at,
        at: attempt.at,
        until: attempt.until,
        count: attempt.count,
    }
}

/// The blocks of all Providers by namespace and name.
#[derive(Debug, Default)]
pub struct AllBlocks(Mutex<HashMap<super::accounts::Key, Arc<Blocks>>>);

impl AllBlocks {
    /// Those of one Provider.
    pub fn of(&self, namespace: &str, provider: &str) -> Arc<Blocks> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry((namespace.to_owned(), provider.to_owned())).or_default())
    }

    /// Forgets those of a Provider that is gone.
    pub fn forget(&self, namespace: &str, provider: &str) {
        let key = (namespace.to_owned(), provider.to_owned());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a time")
    }

    fn place(region: &str, size: &str) -> Place {
        Place { size: Some(size.to_owned()), ..Place::new("p", region) }
    }

    fn failure(class: Class, scope: Scope) -> Failure {
        Failure { class, scope, code: None, message: "no".into(), retry_after: None }
    }

    fn known() -> Blocks {
        let blocks = Blocks::default();
        blocks.restore(&[], &[], at(0));
        blocks
    }

    fn is_blocked(blocks: &Blocks, region: &str, size: &str, now: DateTime<Utc>) -> bool {
        let seen = blocks.seen_by("other", region, now).expect("known");
        seen.iter().any(|seen| {
            reaches(&seen.block, &place(region, size)) && (seen.is_probed || now < seen.block.until)
        })
    }

    #[test]
    fn a_failure_blocks_as_far_as_it_reaches() {
        let table = [
            (Scope::Offering, [true, false, false, false]),
            (Scope::Region, [true, true, false, false]),
            (Scope::Account, [true, true, true, true]),
            (Scope::Object, [false, false, false, false]),
        ];
        for (scope, expected) in table {
            let blocks = known();
            blocks.failed(&place("r", "s"), &failure(Class::Capacity, scope), at(0));
            let places = [("r", "s"), ("r", "t"), ("q", "s"), ("q", "t")];
            assert_eq!(
                places.map(|(r, s)| is_blocked(&blocks, r, s, at(60))),
                expected,
                "{scope:?}"
            );
        }
    }

    #[test]
    fn after_its_time_one_object_tries_and_the_others_wait() {
        let blocks = known();
        let there = place("r", "s");
        blocks.failed(&there, &failure(Class::Capacity, Scope::Offering), at(0));
        assert!(!blocks.probe("a", &there, at(60)), "blocked");
        assert!(blocks.probe("a", &there, at(200)));
        assert!(blocks.probe("a", &there, at(201)), "it is its own");
        assert!(!blocks.probe("b", &there, at(201)));
        assert!(is_blocked(&blocks, "r", "s", at(201)), "others see the probe");
        assert!(blocks.probe("b", &place("r", "t"), at(201)), "elsewhere nothing is blocked");
        // What is wrong with the object itself says nothing about the place.
        blocks.failed(&there, &failure(Class::Invalid, Scope::Object), at(201));
        assert!(blocks.probe("b", &there, at(201)));
        blocks.failed(&there, &failure(Class::Capacity, Scope::Offering), at(202));
        let seen = blocks.current(at(202)).expect("known");
        assert_eq!((seen[0].count, seen[0].since), (2, at(0)));
        assert!(seen[0].until >= at(202 + 240) && seen[0].until <= at(202 + 264));
        assert!(blocks.probe("b", &there, at(500)));
        assert!(blocks.served(&there), "a block ended");
        assert!(!blocks.served(&there));
        assert!(blocks.probe("a", &there, at(500)) && blocks.probe("b", &there, at(500)));
    }

    #[test]
    fn many_failures_at_once_are_one() {
        let blocks = known();
        for second in 0..5 {
            blocks.failed(&place("r", "s"), &failure(Class::Quota, Scope::Account), at(second));
        }
        assert_eq!(blocks.current(at(9)).expect("known")[0].count, 1);
        // Another class says more than the one before.
        blocks.failed(&place("r", "s"), &failure(Class::Auth, Scope::Account), at(10));
        let seen = blocks.current(at(11)).expect("known");
        assert_eq!((seen.len(), seen[0].class), (1, Class::Auth));
        blocks.renewed();
        assert_eq!(blocks.current(at(11)), Some(Vec::new()));
    }

    #[test]
    fn a_restart_forgets_nothing() {
        let blocks = known();
        blocks.failed(&place("r", "s"), &failure(Class::Capacity, Scope::Offering), at(0));
        let until = Failure {
            retry_after: Some(TimeDelta::hours(2)),
            ..failure(Class::OutOfCredit, Scope::Account)
        };
        blocks.failed(&place("r", "s"), &until, at(1));
        let written = blocks.current(at(2)).expect("known");
        let again = Blocks::default();
        assert_eq!(again.seen_by("a", "r", at(3)), None, "nothing is known yet");
        again.restore(&written, &[], at(3));
        assert_eq!(again.current(at(3)), Some(written));
        for now in [at(3), at(119), at(300), at(7100)] {
            assert_eq!(again.seen_by("a", "r", now), blocks.seen_by("a", "r", now));
        }
        again.restore(&[], &[], at(4));
        assert!(is_blocked(&again, "q", "t", at(7200)), "the date that the provider named");
    }

    #[test]
    fn rows_end_and_their_number_is_bounded() {
        let blocks = known();
        blocks.failed(&place("r", "s"), &failure(Class::Unavailable, Scope::Account), at(0));
        assert_eq!(blocks.current(at(1)).map(|all| all.len()), Some(1));
        assert_eq!(blocks.current(at(3600)), Some(Vec::new()));
        for i in 0..100 {
            let there = place("r", &format!("s{i}"));
            blocks.failed(&there, &failure(Class::Capacity, Scope::Offering), at(4000));
        }
        assert_eq!(blocks.current(at(4001)).map(|all| all.len()), Some(KEPT));
    }
}
