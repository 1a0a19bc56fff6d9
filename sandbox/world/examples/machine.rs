//! A machine without Kubernetes: the adapters as a library, with a journal in a file.
//!
//! `cargo run -p infrafabric-world --example machine` makes one at a simulated DigitalOcean and
//! deletes it. For a real account leave the endpoint out and take the token from a safe place.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use infrafabric_adapters::account::{Account, AccountOptions};
use infrafabric_adapters::clock::SystemClock;
use infrafabric_adapters::contract::cloud::{Machine, MachineState, MachineWant};
use infrafabric_adapters::journal::file::FileJournal;
use infrafabric_adapters::registry::Registry;
use infrafabric_world::{World, WorldOptions};

const PROVIDER: &str = "digitalocean";
const REGION: &str = "fra1";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run().await
}

/// Makes a machine, waits until it runs, and deletes it.
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
pub(crate) async fn run() -> Result<(), Box<dyn Error>> {
    let registry = Registry::built_in();
    let definition = registry.simulated(PROVIDER).ok_or("no such provider")?;
    let phase = Duration::from_millis(50);
    let definitions = vec![Arc::clone(&definition)];
    let world = World::start(WorldOptions { definitions, phase, ..Default::default() }).await?;

    let account = Account::open(
        definition,
        AccountOptions {
            endpoint: Some(format!("{}/p/{PROVIDER}", world.url())),
            region: Some(REGION.to_owned()),
            secrets: [("token".to_owned(), "dop_v1_sandbox".into())].into(),
            ..Default::default()
        },
    )?;
    account.verify().await?;

    // Every effect is written down before it leaves. After a crash `FileJournal::unresolved` says
    // what may have happened, and the marks find it.
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("journal.jsonl");
    let journal = FileJournal::open(&path, Arc::new(SystemClock))?;
    let want = MachineWant {
        name: "example-1".to_owned(),
        region: REGION.to_owned(),
        size: "s-2vcpu-4gb".to_owned(),
        size_id: None,
        image: "ubuntu-24-04-x64".to_owned(),
        ssh_keys: Vec::new(),
        user_data: Some("#cloud-config\n".to_owned()),
        marks: vec!["example".to_owned(), "example-1".to_owned()],
        tags: Vec::new(),
        labels: [].into(),
    };
    let made = account.create_machine(&want, "example-1/create/1", &journal).await?;
    println!("made {}", made.id);
    let running = wait(&account, &made).await?;
    println!("{} runs: {:?}", running.id, running.addresses);
    let found = account.list_machines("example-1", REGION).await?;
    println!("found by its mark: {}", found.len());
    account.delete_machine(&made.id, REGION, "example-1/delete/1", &journal).await?;
    println!("deleted; {} effects are unresolved", FileJournal::unresolved(&path)?.len());
    Ok(())
}

async fn wait(account: &Account, made: &Machine) -> Result<Machine, Box<dyn Error>> {
    for _ in 0..100 {
        let machine = account.read_machine(&made.id, REGION).await?.ok_or("it is gone")?;
        if machine.state == MachineState::Running {
            return Ok(machine);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err("it does not run".into())
}
