//! One list call observes a whole account (or a region of it); only objects whose thing changed
//! are woken.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::channel::mpsc::UnboundedSender;
use infrafabric_adapters::account::Account;
use infrafabric_adapters::clock::Clock;
use infrafabric_adapters::contract::cloud::Machine;
use infrafabric_adapters::error::AdapterError;
use infrafabric_crds::CloudMachine;
use infrafabric_definition::{Find, ListScope};
use kube::runtime::reflector::ObjectRef;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::accounts::Refusal;
use super::naming::{self, Owner};

/// Between lists while something is about to change: the first, then growing.
const FAST: Duration = Duration::from_millis(500);
/// The longest wait while something is about to change.
const FAST_MAX: Duration = Duration::from_secs(5);
/// Between lists while nothing is.
const SLOW: Duration = Duration::from_mins(1);

/// Watches one account. Cheap to clone; the tasks end when the last clone is gone.
#[derive(Clone)]
pub struct Observer {
    shared: Arc<Shared>,
}

struct Shared {
    account: Account,
    mark: String,
    clock: Arc<dyn Clock>,
    wake: UnboundedSender<ObjectRef<CloudMachine>>,
    refusal: Arc<Refusal>,
    scopes: Mutex<HashMap<String, Arc<Scope>>>,
}

/// One list scope: the whole account, or one region.
struct Scope {
    region: String,
    changed: Notify,
    state: Mutex<State>,
    /// One list at a time; who waits shares the result when it is fresh enough.
    listing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    newest: Option<Arc<Snapshot>>,
    interests: HashMap<String, Interest>,
}

struct Interest {
    object: ObjectRef<CloudMachine>,
    in_transition: bool,
    signs: Vec<String>,
    /// What it uses, when it is known.
    id: Option<String>,
}

/// What a list showed.
pub struct Snapshot {
    /// When the list was asked, for a person.
    pub asked_at: DateTime<Utc>,
    /// When it was asked: a clock that is set back makes no list younger.
    pub asked: Instant,
    find: Find,
    machines: HashMap<String, Machine>,
    by_sign: HashMap<String, Vec<String>>,
}

impl Snapshot {
    fn new((asked_at, asked): (DateTime<Utc>, Instant), find: Find, list: Vec<Machine>) -> Self {
        let mut machines = HashMap::with_capacity(list.len());
        let mut by_sign: HashMap<String, Vec<String>> = HashMap::with_capacity(list.len());
        for machine in list {
            for sign in signs_of(find, &machine) {
                by_sign.entry(sign).or_default().push(machine.id.clone());
            }
            machines.insert(machine.id.clone(), machine);
        }
        Self { asked_at, asked, find, machines, by_sign }
    }

    /// The machine of that identity.
    pub fn machine(&self, id: &str) -> Option<&Machine> {
        self.machines.get(id)
    }

    /// The living machines that are the object's: by its UID mark; where there is none, by the mark of
    /// its name, as when the object came back from a backup with another UID; or by the name that was made
    /// from its UID where the definition says that nothing else can be found.
    pub fn of_object(&self, owner: &Owner) -> Vec<&Machine> {
        let of = |sign: String| -> Vec<&Machine> {
            self.signed(&sign).filter(|machine| machine.is_living()).collect()
        };
        let mut found = signs(self.find, owner).into_iter().map(of);
        found.find(|machines| !machines.is_empty()).unwrap_or_default()
    }

    /// The living machines that were made for this very object: by its UID, and not by its name, under which
    /// another one may have lived.
    pub fn made_for(&self, owner: &Owner) -> Vec<&Machine> {
        let surest = signs(self.find, owner).into_iter().next();
        let signed = surest.iter().flat_map(|sign| self.signed(sign));
        signed.filter(|machine| machine.is_living()).collect()
    }

    /// The living machines that carry the mark of an installation.
    pub fn marked(&self, mark: &str) -> impl Iterator<Item = &Machine> {
        let living = self.machines.values().filter(|machine| machine.is_living());
        living.filter(move |machine| machine.marks.iter().any(|has| has == mark))
    }

    fn signed(&self, sign: &str) -> impl Iterator<Item = &Machine> {
        let ids = self.by_sign.get(sign).into_iter().flatten();
        ids.filter_map(|id| self.machines.get(id))
    }
}

/// By what an object's machines are recognised in a list, the surest first.
fn signs(find: Find, owner: &Owner) -> Vec<String> {
    match find {
        Find::Tag => vec![owner.uid_mark(), owner.name_mark()],
        Find::Name => vec![owner.thing_name()],
        Find::None => Vec::new(),
    }
}

/// What a machine in a list is recognised by.
fn signs_of(find: Find, machine: &Machine) -> Vec<String> {
    match find {
        Find::Tag => {
            let marks = machine.marks.iter().filter(|mark| naming::names_an_object(mark));
            marks.cloned().collect()
        }
        Find::Name => machine.name.iter().map(|name| name.to_ascii_lowercase()).collect(),
        Find::None => Vec::new(),
    }
}

impl Observer {
    /// Begins to watch an account for things with the mark; objects to look at again go to `wake`.
    pub fn new(
        account: Account,
        mark: String,
        clock: Arc<dyn Clock>,
        wake: UnboundedSender<ObjectRef<CloudMachine>>,
        refusal: Arc<Refusal>,
    ) -> Self {
        let scopes = Mutex::default();
        Self { shared: Arc::new(Shared { account, mark, clock, wake, refusal, scopes }) }
    }

    /// Says that an object has a machine here, and whether it is about to change.
    pub fn interest(
        &self,
        region: &str,
        owner: &Owner,
        object: ObjectRef<CloudMachine>,
        (id, in_transition): (Option<&str>, bool),
    ) {
        let scope = self.scope(region);
        let signs = signs(self.shared.find(), owner);
        let id = id.map(ToOwned::to_owned);
        let interest = Interest { object, in_transition, signs, id };
        let before = lock(&scope.state).interests.insert(owner.uid.clone(), interest);
        if in_transition && !before.is_some_and(|before| before.in_transition) {
            scope.changed.notify_one();
        }
    }

    /// Says that an object no longer has a machine here.
    pub fn forget(&self, owner: &Owner) {
        let scopes: Vec<_> = lock(&self.shared.scopes).values().cloned().collect();
        for scope in scopes {
            lock(&scope.state).interests.remove(&owner.uid);
        }
    }

    /// The newest list, if there was one.
    pub fn newest(&self, region: &str) -> Option<Arc<Snapshot>> {
        lock(&self.scope(region).state).newest.clone()
    }

    /// A list that was asked at `not_before` or later; one that is asked now when there is no such time.
    pub async fn fresh(
        &self,
        region: &str,
        not_before: Option<Instant>,
    ) -> Result<Arc<Snapshot>, AdapterError> {
        let not_before = not_before.unwrap_or_else(Instant::now);
        let scope = self.scope(region);
        let _one = scope.listing.lock().await;
        if let Some(newest) = lock(&scope.state).newest.clone()
            && newest.asked >= not_before
        {
            return Ok(newest);
        }
        self.shared.list(&scope).await
    }

    /// Of these regions, those that must be asked to see what is in all of them.
    pub fn scopes(&self, regions: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut regions: Vec<String> = regions.into_iter().collect();
        regions.sort();
        regions.dedup();
        if self.is_whole() {
            // Any of them, or none, shows the whole account.
            regions.truncate(1);
            regions.resize(1, String::new());
        }
        regions
    }

    /// Whether one list shows the whole account.
    pub fn is_whole(&self) -> bool {
        let object = self.shared.account.definition().objects.get("machine");
        object.is_none_or(|object| object.scope == ListScope::Account)
    }

    /// By what machines are recognised here.
    pub fn find(&self) -> Find {
        self.shared.find()
    }

    /// Where a region is listed: by itself, or with the whole account.
    fn key(&self, region: &str) -> String {
        let object = self.shared.account.definition().objects.get("machine");
        match object.map(|object| object.scope) {
            Some(ListScope::Region) => region.to_owned(),
            Some(ListScope::Account) | None => String::new(),
        }
    }

    fn scope(&self, region: &str) -> Arc<Scope> {
        let key = self.key(region);
        let mut scopes = lock(&self.shared.scopes);
        if let Some(scope) = scopes.get(&key) {
            return Arc::clone(scope);
        }
        let scope = Arc::new(Scope {
            region: region.to_owned(),
            changed: Notify::new(),
            state: Mutex::default(),
            listing: tokio::sync::Mutex::default(),
        });
        scopes.insert(key, Arc::clone(&scope));
        tokio::spawn(watch(Arc::downgrade(&self.shared), Arc::clone(&scope)));
        scope
    }
}

impl Shared {
    /// By what machines are recognised here.
    fn find(&self) -> Find {
        let machine = self.account.definition().objects.get("machine");
        machine.map_or(Find::Tag, |machine| machine.find)
    }

    /// Asks for the list and wakes the objects whose machines changed. The caller holds `listing`.
    async fn list(&self, scope: &Scope) -> Result<Arc<Snapshot>, AdapterError> {
        let asked = (self.clock.now(), Instant::now());
        let list = self.account.list_machines(&self.mark, &scope.region).await;
        let list = list.inspect_err(|error| self.refusal.note(error.class))?;
        let snapshot = Arc::new(Snapshot::new(asked, self.find(), list));
        let mut state = lock(&scope.state);
        let before = state.newest.replace(Arc::clone(&snapshot));
        for interest in state.interests.values() {
            let differs = |before: &Arc<Snapshot>| {
                let id = interest.id.as_deref();
                let of = |list: &Snapshot| id.and_then(|id| list.machine(id).cloned());
                let mut signs = interest.signs.iter();
                signs.any(|sign| !before.signed(sign).eq(snapshot.signed(sign)))
                    || of(before) != of(&snapshot)
            };
            let changed = before.as_ref().is_none_or(differs);
            if changed {
                // The controller is gone only when the process ends.
                let _ = self.wake.unbounded_send(interest.object.clone());
            }
        }
        Ok(snapshot)
    }
}

/// Lists for as long as the account is in use.
async fn watch(shared: Weak<Shared>, scope: Arc<Scope>) {
    let mut wait = FAST;
    let mut failures = 0_u32;
    loop {
        let (any, in_transition) = {
            let state = lock(&scope.state);
            let mut interests = state.interests.values();
            (!state.interests.is_empty(), interests.any(|interest| interest.in_transition))
        };
        wait = if in_transition { (wait * 3 / 2).clamp(FAST, FAST_MAX) } else { SLOW };
        // A provider that does not answer is asked ever more rarely.
        let patience = (FAST * 2_u32.pow(failures.min(7))).min(SLOW);
        let mut deadline = Instant::now() + wait.max(patience);
        // Something was just asked for: look soon, and never later because more is asked for.
        while tokio::time::timeout_at(deadline, scope.changed.notified()).await.is_ok() {
            deadline = deadline.min(Instant::now() + patience);
            wait = FAST;
        }
        let Some(shared) = shared.upgrade() else { return };
        if !any || shared.refusal.is_refused() {
            continue;
        }
        let _one = scope.listing.lock().await;
        let newest = lock(&scope.state).newest.as_ref().map(|newest| newest.asked);
        if newest.is_some_and(|asked| asked.elapsed() <= wait / 2) {
            continue;
        }
        failures = failures.saturating_add(1);
        let listed = shared.list(&scope).await;
        if listed.is_ok() {
            failures = 0;
        }
        if let Err(error) = listed {
            tracing::warn!(provider = %error.provider, class = %error.class, %error, "list failed");
            if let Some(after) = error.retry_after {
                tokio::time::sleep(after.min(SLOW)).await;
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
