//! `ifctl provider try`: one thing that a definition can do, against its simulator or a real account.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use std::time::{Duration, Instant};

use clap::Args;
use infrafabric_adapters::account::{Account, AccountOptions, Act};
use infrafabric_adapters::clock::SystemClock;
use infrafabric_adapters::compile::Compiled;
use infrafabric_adapters::contract;
use infrafabric_adapters::error::AdapterError;
use infrafabric_adapters::journal::file::FileJournal;
use infrafabric_adapters::journal::{Journal, Unrecorded};
use infrafabric_world::{World, WorldClient, WorldOptions};
use secrecy::SecretString;
use serde_json::{Value as Json, json};

use crate::say;

/// How long a device may take to do what it accepted.
const SETTLE: Duration = Duration::from_secs(5);

#[derive(Args)]
pub(crate) struct Try {
    /// The name of a built-in definition, or a file.
    pub(crate) definition: PathBuf,
    /// What is done: `verify`, a catalog such as `models`, or an action such as `send`. Of a device, `stage`
    /// makes it do what `--want` says (program, preview, streaming, recording, switches), and `events` prints
    /// what it pushes.
    verb: String,
    /// What is wanted, as JSON by the names of the contract; the contract's example when absent and the
    /// simulator answers.
    #[arg(long)]
    want: Option<String>,
    /// One value of what is wanted, as NAME=VALUE; a value that reads as JSON is that, anything else text.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// The identity of what it is aimed at.
    #[arg(long, default_value = "")]
    id: String,
    /// The account's region.
    #[arg(long)]
    region: Option<String>,
    /// Another base URL than the definition's.
    #[arg(long, conflicts_with = "world")]
    endpoint: Option<String>,
    /// A running sandbox, as `ifctl sandbox up` prints it: what was made there before is still there.
    #[arg(long)]
    world: Option<String>,
    /// A parameter of the definition, as NAME=VALUE.
    #[arg(long = "parameter", value_name = "NAME=VALUE")]
    parameters: Vec<String>,
    /// A key of the Secret and the file that holds its value, as KEY=FILE: then a real account is asked.
    #[arg(long = "secret", value_name = "KEY=FILE")]
    secrets: Vec<String>,
    /// Where effects on a real account are written down before and after they happen.
    #[arg(long, default_value = "infrafabric-journal.jsonl")]
    journal: PathBuf,
    /// For how many seconds events are printed.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Ask a question this often on one connection, and say how long the answers took.
    #[arg(long, default_value_t = 1)]
    times: u32,
    /// The idempotency token: give the one of an attempt that ended in doubt to repeat that attempt.
    #[arg(long)]
    token: Option<String>,
}

/// Does it and prints what came of it.
pub(crate) async fn run(definition: Arc<Compiled>, given: &Try) -> Result<(), Box<dyn Error>> {
    let real = !given.secrets.is_empty();
    let (account, _world) = open(&definition, given, real).await?;
    if given.verb == "verify" {
        account.verify().await?;
        match &definition.spec().unproven {
            None => say("the credentials are good"),
            Some(why) => say(&format!("nothing says whether the credentials are good: {why}")),
        }
        return Ok(());
    }
    if definition.catalogs.contains_key(&given.verb) {
        let region = given.region.as_deref().unwrap_or_default();
        return print(&catalog(&account, &given.verb, region).await?);
    }
    if given.verb == "events" {
        return events(&account, Duration::from_secs(given.seconds)).await;
    }
    let want = want(&definition, given, real)?;
    let known = contract::of(definition.spec().domain).action(&given.verb);
    let effect = given.verb == "stage" || known.is_some_and(|known| known.does.is_effect());
    let token = given.token.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    // What a simulator does is no effect on anything; its own ledger has it.
    let journal: Box<dyn Journal> = if real && effect {
        Box::new(FileJournal::open(&given.journal, Arc::new(SystemClock))?)
    } else {
        Box::new(Unrecorded)
    };
    let pieces = |piece: &str| {
        // A terminal that is gone does not stop a paid answer from being counted.
        let mut out = std::io::stdout();
        let _ = out.write_all(piece.as_bytes()).and_then(|()| out.flush());
    };
    let act = Act::new(&token, &*journal).at(&given.id);
    let act = if known.is_some_and(|known| known.streams) { act.piecewise(&pieces) } else { act };
    if given.verb == "stage" {
        let want = serde_json::from_value(want).map_err(|error| format!("--want: {error}"))?;
        let staged = account.stage(&want, SETTLE, act).await;
        let staged = staged.map_err(|error| advice(&error, &token, real))?;
        for command in &staged.commands {
            tell(&format!("{} {}", command.action, command.want));
        }
        return print(&json!(staged.state));
    }
    if given.times > 1 {
        if effect {
            return Err("--times is for questions: this changes the world".into());
        }
        let mut took = Vec::new();
        for _ in 1..given.times {
            let began = Instant::now();
            account.perform(&given.verb, &want, act).await?;
            took.push(began.elapsed());
        }
        took.sort_unstable();
        let (first, last) = (took.first().copied(), took.last().copied());
        let (min, max) = (first.unwrap_or_default(), last.unwrap_or_default());
        let median = took.get(took.len() / 2).copied().unwrap_or_default();
        tell(&format!("{} answers: {min:.1?} to {max:.1?}, median {median:.1?}", took.len()));
    }
    match account.perform(&given.verb, &want, act).await {
        Ok(result) => {
            if known.is_some_and(|known| known.streams) {
                say("");
            }
            print(&result)
        }
        Err(error) => Err(advice(&error, &token, real).into()),
    }
}

/// The failure, and what can be done about it.
fn advice(error: &AdapterError, token: &str, real: bool) -> String {
    let mut text = format!("{} ({error})", error.class);
    if let Some(wait) = error.retry_after {
        let _ = write!(text, "; not before {} s", wait.as_secs() + 1);
    }
    if real && error.class == infrafabric_definition::Class::Unknown {
        let _ = write!(
            text,
            "; it may have happened. Look at the provider first; `--token {token}` repeats this very \
             attempt where the provider honours tokens, and for as long as it does (Mollie an hour, Stripe a day)"
        );
    }
    text
}

/// Prints what a device pushes.
async fn events(account: &Account, time: Duration) -> Result<(), Box<dyn Error>> {
    let mut events = account.events().await?;
    let until = tokio::time::Instant::now() + time;
    while let Ok(event) = tokio::time::timeout_at(until, events.next()).await {
        let event = event.ok_or("the device hung up; the scene may differ now: `look` says")?;
        say(&json!({"kind": event.kind, "data": event.data}).to_string());
    }
    Ok(())
}

async fn catalog(account: &Account, name: &str, region: &str) -> Result<Json, Box<dyn Error>> {
    Ok(match name {
        "models" => json!(account.models().await?),
        "sizes" | "prices" => json!(account.sizes(region).await?),
        "images" => json!(account.images(region).await?),
        _ => json!(account.regions().await?),
    })
}

/// The account, and the simulator behind it if there is one of its own.
async fn open(
    definition: &Arc<Compiled>,
    given: &Try,
    real: bool,
) -> Result<(Account, Option<World>), Box<dyn Error>> {
    let mut options = AccountOptions {
        region: given.region.clone(),
        endpoint: given.endpoint.clone(),
        parameters: pairs("--parameter", &given.parameters)?,
        ..AccountOptions::default()
    };
    let mut world = None;
    if real {
        for (key, file) in pairs("--secret", &given.secrets)? {
            let value = std::fs::read_to_string(&file);
            let value = value.map_err(|error| format!("read {file}: {error}"))?;
            options.secrets.insert(key, SecretString::from(value.trim_end().to_owned()));
        }
    } else {
        let sandbox = definition.sandbox.as_ref().ok_or_else(|| {
            format!("{} has no `sandbox` section: give --secret KEY=FILE", definition.name())
        })?;
        let accepts = sandbox.accepts.iter();
        options.secrets = accepts.map(|(key, value)| (key.clone(), value.clone().into())).collect();
        for (name, value) in definition.simulated_parameters() {
            options.parameters.entry(name).or_insert(value);
        }
        let url = if let Some(url) = &given.world {
            url.trim_end_matches('/').to_owned()
        } else {
            let definitions = vec![Arc::clone(definition)];
            let own = World::start(WorldOptions { definitions, ..WorldOptions::default() }).await?;
            world.insert(own).url()
        };
        if given.verb == "events" {
            // A simulated device that has a port of its own for them has any that is free.
            let client = WorldClient::from_url(&url)?;
            options.events_port = client.events_port(definition.name()).await?;
        }
        options.endpoint = Some(format!("{url}/p/{}", definition.name()));
        tell(&format!(
            "{}: its simulator answers; --secret KEY=FILE asks a real account",
            definition.name()
        ));
    }
    Ok((Account::open(Arc::clone(definition), options)?, world))
}

fn want(definition: &Compiled, given: &Try, real: bool) -> Result<Json, Box<dyn Error>> {
    let mut want = match &given.want {
        Some(text) => serde_json::from_str(text).map_err(|error| format!("--want: {error}"))?,
        // Nobody sends an example to people.
        None if real => json!({}),
        None => definition.example(&given.verb),
    };
    let map = want.as_object_mut().ok_or("--want is no map of names to values")?;
    for (name, value) in pairs("--set", &given.set)? {
        map.insert(name, serde_json::from_str(&value).unwrap_or(Json::String(value)));
    }
    Ok(want)
}

fn pairs(option: &str, given: &[String]) -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    let mut pairs = BTreeMap::new();
    for one in given {
        // What is no pair may be a secret.
        let pair = one.split_once('=');
        let (key, value) =
            pair.ok_or_else(|| format!("{option} takes a name and a value, as NAME=VALUE"))?;
        pairs.insert(key.to_owned(), value.to_owned());
    }
    Ok(pairs)
}

fn print(value: &Json) -> Result<(), Box<dyn Error>> {
    say(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Says something beside the result.
#[expect(clippy::print_stderr, reason = "a person reads it")]
fn tell(line: &str) {
    eprintln!("{line}");
}
