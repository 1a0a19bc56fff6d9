//! Actions without Kubernetes: a process with the adapters and a journal on a file does one thing, is
//! killed by SIGKILL, and is continued by the next one. The simulated provider's ledger says how often
//! it was done.
//!
//! The process is this test's own binary, which runs only [`the_child`] then.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use infrafabric::fault_point::fault_point;
use infrafabric_adapters::account::{Account, AccountOptions, Act};
use infrafabric_adapters::clock::SystemClock;
use infrafabric_adapters::compile::Compiled;
use infrafabric_adapters::contract;
use infrafabric_adapters::journal::file::{FileJournal, Line, Record};
use infrafabric_adapters::journal::{Intent, Journal, JournalError, Outcome};
use infrafabric_adapters::registry::Registry;
use infrafabric_definition::{Class, Span};
use infrafabric_world::{FaultSpec, World, WorldOptions};
use serde_json::json;

use crate::faults::{Kill, Random, alone, asked, say};

const SEED: u64 = 1;
/// The size in CI.
const RUNS: u64 = 60;
/// Says to the child what to do: its presence makes a process the child.
const TASK: &str = "TEST_CRASH_TASK";
/// The points that a journal without Kubernetes has.
const POINTS: [&str; 5] = [
    "intent.witness.before",
    "intent.witness.after",
    "send.before",
    "outcome.witness.before",
    "outcome.witness.after",
];

/// What a lost answer leaves of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identity {
    /// The provider honours the token.
    Key,
    /// It can be asked what became of it.
    Resolve,
    /// Nothing.
    None,
}

/// An effect of a definition that needs nothing made before.
#[derive(Clone)]
struct Doing {
    definition: Arc<Compiled>,
    action: String,
    identity: Identity,
}

/// Every such effect, by what a lost answer leaves of it.
fn doings() -> BTreeMap<Identity, Vec<Doing>> {
    let registry = Registry::built_in();
    let mut all = BTreeMap::<Identity, Vec<Doing>>::new();
    for (name, _) in registry.names() {
        let Some(definition) = registry.simulated(&name) else { continue };
        for (action, compiled) in &definition.actions {
            let known = contract::of(definition.spec().domain).action(action);
            let alone = known.is_some_and(|known| {
                known.does.is_effect() && known.does.aim().is_none() && known.after.is_none()
            });
            if !alone || !compiled.call.steps.is_empty() || compiled.call.wait.is_some() {
                continue;
            }
            let identity = match (compiled.keyed, compiled.call.resolve.is_some()) {
                (true, _) => Identity::Key,
                (false, true) => Identity::Resolve,
                (false, false) => Identity::None,
            };
            let (definition, action) = (Arc::clone(&definition), action.clone());
            all.entry(identity).or_default().push(Doing { definition, action, identity });
        }
    }
    all
}

/// What was counted of one identity.
#[derive(Default)]
struct Count {
    runs: u64,
    kills: u64,
    done: u64,
    unknown: u64,
}

#[test]
fn an_action_is_done_once_whatever_dies() {
    let seed = asked("TEST_SEED").unwrap_or(SEED);
    let runs = asked("TEST_RUNS").unwrap_or(RUNS).min(RUNS);
    let doings = doings();
    let mut counts = BTreeMap::<Identity, Count>::new();
    for index in 0..runs {
        let mut random = Random::new(seed.wrapping_add(index));
        let identities: Vec<Identity> = doings.keys().copied().collect();
        let identity = random.one(&identities);
        let of = &doings[&identity];
        let at = usize::try_from(random.below(of.len() as u64)).expect("an index");
        let count = counts.entry(identity).or_default();
        count.runs += 1;
        alone(run(&of[at], &mut random, count, seed.wrapping_add(index)));
    }
    let mut text = format!("\nactions without Kubernetes: seed {seed}, {runs} runs\n");
    for (identity, Count { runs, kills, done, unknown }) in counts {
        let line = format!("{runs} runs, {kills} kills, {done} done, {unknown} unknown");
        text = format!("{text}  {identity:?}: {line}, 0 done twice\n");
    }
    say(&text);
}

fn kill(random: &mut Random) -> Kill {
    if random.chance(35) {
        return Kill::After(random.millis(1, 400));
    }
    Kill::At { point: random.one(&POINTS), time: 1 }
}

fn trouble(doing: &Doing, random: &mut Random) -> Option<FaultSpec> {
    let fault = |name: &str| FaultSpec::new(doing.definition.name(), name).on(&doing.action);
    match random.below(4) {
        0 => Some(fault("lost").times(1)),
        1 => Some(FaultSpec { effect: Some(true), ..fault("500").times(1) }),
        2 => Some(FaultSpec { delay: Some(Span("300ms".to_owned())), ..fault("slow") }),
        _ => None,
    }
}

async fn run(doing: &Doing, random: &mut Random, count: &mut Count, seed: u64) {
    let name = doing.definition.name();
    let definitions = vec![Arc::clone(&doing.definition)];
    let world = World::start(WorldOptions { definitions, ..WorldOptions::default() }).await;
    let world = world.expect("the world starts");
    let mut what = format!("{name} {} ({:?})", doing.action, doing.identity);
    if let Some(fault) = trouble(doing, random) {
        what = format!("{what} with {}", fault.fault);
        world.client().set_fault(&fault).await.expect("a fault");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal.jsonl");
    let task = json!({
        "definition": name, "action": doing.action, "token": format!("token-{seed}"),
        "endpoint": format!("{}/p/{name}", world.url()), "journal": journal,
    });
    let kills: Vec<Kill> = (0..random.between(1, 3)).map(|_| kill(random)).collect();
    what = format!("{what}, killed at {kills:?}; replay: TEST_SEED={seed} TEST_RUNS=1");
    let mut coming = kills.into_iter();
    let said = loop {
        let output = child(&task.to_string(), coming.next().as_ref()).await;
        if output.status.signal() == Some(9) {
            count.kills += 1;
            continue;
        }
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let verdict = said.lines().find_map(|line| line.strip_prefix("VERDICT "));
        let errors = String::from_utf8_lossy(&output.stderr);
        break verdict.unwrap_or_else(|| panic!("{what}: {said}{errors}")).to_owned();
    };
    let ledger = world.client().ledger(None, 0).await.expect("the ledger");
    let done = ledger.entries.iter().filter(|entry| entry.operation == doing.action).count();
    assert!(done <= 1, "{what}: done {done} times");
    let open = FileJournal::unresolved(&journal).expect("the journal");
    match said.as_str() {
        "done" => {
            assert_eq!(done, 1, "{what}: said to be done");
            count.done += 1;
        }
        "unknown" => {
            assert_ne!(doing.identity, Identity::Key, "{what}: asked again, it is known");
            let found = doing.identity == Identity::Resolve && done == 1;
            assert!(!found, "{what}: it happened, and could have been found");
            assert_eq!(open.len(), 1, "{what}: the journal says that it is open");
            count.unknown += 1;
        }
        other => panic!("{what}: {other}"),
    }
}

/// Runs the child to its end, or to its death.
async fn child(task: &str, kill: Option<&Kill>) -> Output {
    let schedule = match kill {
        Some(kill @ Kill::At { .. }) => kill.to_string(),
        Some(Kill::After(_)) | None => String::new(),
    };
    let mut child = Command::new(std::env::current_exe().expect("the test's own path"))
        .args(["--exact", "actions::the_child", "--nocapture"])
        .env(TASK, task)
        .env("INFRAFABRIC_FAULT_POINTS", schedule)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the child starts");
    let begun = tokio::time::Instant::now();
    while child.try_wait().expect("a child").is_none() {
        if let Some(Kill::After(span)) = kill
            && begun.elapsed() > *span
        {
            // It may have ended by itself.
            let _ = child.kill();
        }
        // The simulated provider answers on this thread meanwhile.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    child.wait_with_output().expect("its output")
}

/// What a careful caller does: looks into its journal first, repeats only what the provider knows by its
/// token, and otherwise asks what became of it.
#[test]
fn the_child() {
    let Ok(task) = std::env::var(TASK) else { return };
    let task: serde_json::Value = serde_json::from_str(&task).expect("a task");
    let verdict = alone(continued(&task));
    say(&format!("VERDICT {verdict}"));
}

async fn continued(task: &serde_json::Value) -> String {
    let text = |name: &str| task[name].as_str().expect("a text");
    let definition = Registry::built_in().simulated(text("definition")).expect("a definition");
    let action = &definition.actions[text("action")];
    let account = account(&definition, text("endpoint"));
    let path = Path::new(text("journal"));
    let before = lines(path);
    let journal = Mortal(FileJournal::open(path, Arc::new(SystemClock)).expect("the journal"));
    let (want, act) = (definition.example(text("action")), Act::new(text("token"), &journal));
    let is_done = |line: &Line| line.record == Record::Outcome && line.class.is_none();
    if before.iter().any(is_done) {
        return "done".to_owned();
    }
    if !before.is_empty() && !action.keyed {
        return match account.became(text("action"), &want, act).await {
            Ok(Some(_)) => "done".to_owned(),
            Ok(None) => "unknown".to_owned(),
            Err(error) => format!("asking failed: {}: {error}", error.class),
        };
    }
    match account.perform(text("action"), &want, act).await {
        Ok(_) => "done".to_owned(),
        Err(error) if error.class == Class::Unknown => "unknown".to_owned(),
        Err(error) => format!("{}: {error}", error.class),
    }
}

fn account(definition: &Arc<Compiled>, endpoint: &str) -> Account {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let accepts = definition.sandbox.as_ref().expect("a sandbox").accepts.iter();
    let options = AccountOptions {
        endpoint: Some(endpoint.to_owned()),
        secrets: accepts.map(|(key, value)| (key.clone(), value.clone().into())).collect(),
        parameters: definition.simulated_parameters().into_iter().collect(),
        ..AccountOptions::default()
    };
    Account::open(Arc::clone(definition), options).expect("an account")
}

/// What the journal holds; a line that was torn is none.
fn lines(path: &Path) -> Vec<Line> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// A journal whose process may die around each of its records.
struct Mortal(FileJournal);

#[async_trait]
impl Journal for Mortal {
    async fn intent(&self, intent: &Intent) -> Result<(), JournalError> {
        fault_point("intent.witness.before");
        self.0.intent(intent).await?;
        fault_point("intent.witness.after");
        Ok(())
    }

    async fn permit(&self) -> Result<(), JournalError> {
        self.0.permit().await?;
        fault_point("send.before");
        Ok(())
    }

    async fn outcome(&self, intent: &Intent, outcome: &Outcome) -> Result<(), JournalError> {
        fault_point("outcome.witness.before");
        self.0.outcome(intent, outcome).await?;
        fault_point("outcome.witness.after");
        Ok(())
    }
}
