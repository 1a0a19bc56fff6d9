//! Disturbing the simulated providers, and reading their books.

use std::error::Error;
use std::path::Path;

use clap::{Args, Subcommand};
use infrafabric_world::{FAULTS, FaultSpec, WorldClient};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::Folder;
use super::state::State;
use crate::say;

#[derive(Args)]
pub(crate) struct Fault {
    #[command(flatten)]
    folder: Folder,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Set a fault: `ifctl sandbox fault set digitalocean capacity region=fra1`.
    Set {
        /// The definition, or `*` for all.
        definition: String,
        /// One of those that `names` prints.
        fault: String,
        /// Parameters, `key=value`: operation, count, for and the fault's own.
        params: Vec<String>,
    },
    /// Clear one fault by its number, or all.
    Clear {
        /// The number that `set` printed.
        id: Option<u64>,
    },
    /// Let go of held answers.
    Release,
    /// Print the faults in force.
    List,
    /// Print what faults there are.
    Names,
    /// Disturb the Kubernetes API.
    #[command(subcommand)]
    Api(ApiFault),
}

/// Faults of the Kubernetes API.
#[derive(Subcommand)]
enum ApiFault {
    /// Set a fault: `ifctl sandbox fault api set conflict resource=cloudmachines verb=write count=3`.
    Set {
        /// One of those that `names` prints.
        fault: String,
        /// Parameters, `key=value`: verb, resource, namespace, name, count, for and the fault's own.
        params: Vec<String>,
    },
    /// Clear one fault by its number, or all.
    Clear {
        /// The number that `set` printed.
        id: Option<u64>,
    },
    /// Print the faults in force.
    List,
    /// Print what faults there are.
    Names,
}

#[derive(Args)]
pub(crate) struct Ledger {
    #[command(flatten)]
    folder: Folder,
    /// Only this definition.
    #[arg(long)]
    definition: Option<String>,
    /// The living things instead of the effects.
    #[arg(long)]
    things: bool,
}

pub(crate) async fn fault(fault: Fault) -> Result<(), Box<dyn Error>> {
    if let What::Api(what) = fault.what {
        return api_fault(&fault.folder.dir, what).await;
    }
    if matches!(fault.what, What::Names) {
        for name in FAULTS {
            say(&format!("{}\t{}\t{}", name.name, name.about, name.params.join(", ")));
        }
        return Ok(());
    }
    let world = WorldClient::from_url(&State::read(&fault.folder.dir)?.world)?;
    match fault.what {
        What::Set { definition, fault, params } => {
            let id = world.set_fault(&spec(&definition, &fault, &params)?).await?;
            say(&format!("fault {id} set"));
        }
        What::Clear { id: Some(id) } => world.clear_fault(id).await?,
        What::Clear { id: None } => world.clear_faults().await?,
        What::Release => {
            let released = world.release(None).await?;
            say(&format!("{released} answers released"));
        }
        What::List => {
            for fault in world.faults().await? {
                say(&serde_json::to_string(&fault)?);
            }
        }
        What::Names | What::Api(_) => {}
    }
    Ok(())
}

async fn api_fault(dir: &Path, what: ApiFault) -> Result<(), Box<dyn Error>> {
    if matches!(what, ApiFault::Names) {
        for name in embedded_kube_api::FAULTS {
            say(&format!("{}\t{}\t{}", name.name, name.about, name.params.join(", ")));
        }
        return Ok(());
    }
    State::read(dir)?;
    let file = Kubeconfig::read_from(State::kubeconfig(dir))?;
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    let client = Client::try_from(config)?;
    let ask = async |method: &str, path: String, body: Vec<u8>| {
        let request = http::Request::builder().method(method).uri(path).body(body)?;
        let answer: serde_json::Value = client.request(request).await?;
        Ok::<_, Box<dyn Error>>(answer)
    };
    let faults = "/debug/faults".to_owned();
    match what {
        ApiFault::Set { fault, params } => {
            let mut json = serde_json::json!({"fault": fault});
            assign(&mut json, &params)?;
            let set = ask("POST", faults, json.to_string().into_bytes()).await?;
            say(&set["id"]
                .as_u64()
                .map_or_else(|| format!("{fault}: done"), |id| format!("fault {id} set")));
        }
        ApiFault::Clear { id: Some(id) } => {
            ask("DELETE", format!("{faults}/{id}"), Vec::new()).await?;
        }
        ApiFault::Clear { id: None } => {
            ask("DELETE", faults, Vec::new()).await?;
        }
        ApiFault::List => {
            let listed = ask("GET", faults, Vec::new()).await?;
            for fault in listed["faults"].as_array().into_iter().flatten() {
                say(&fault.to_string());
            }
        }
        ApiFault::Names => {}
    }
    Ok(())
}

/// Adds `key=value` pairs: numbers and booleans as such, anything else as text.
fn assign(json: &mut serde_json::Value, params: &[String]) -> Result<(), Box<dyn Error>> {
    for param in params {
        let (key, value) =
            param.split_once('=').ok_or_else(|| format!("`{param}` is not key=value"))?;
        json[key] = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    }
    Ok(())
}

fn spec(definition: &str, fault: &str, params: &[String]) -> Result<FaultSpec, Box<dyn Error>> {
    let definition = if definition == "*" { "" } else { definition };
    let mut json = serde_json::json!({"definition": definition, "fault": fault});
    assign(&mut json, params)?;
    serde_json::from_value(json).map_err(|error| {
        format!("{error}; `ifctl sandbox fault names` lists faults and parameters").into()
    })
}

pub(crate) async fn ledger(ledger: Ledger) -> Result<(), Box<dyn Error>> {
    let world = WorldClient::from_url(&State::read(&ledger.folder.dir)?.world)?;
    if ledger.things {
        for thing in world.things(ledger.definition.as_deref()).await? {
            say(&serde_json::to_string(&thing)?);
        }
        return Ok(());
    }
    let page = world.ledger(ledger.definition.as_deref(), 0).await?;
    for effect in page.entries {
        say(&serde_json::to_string(&effect)?);
    }
    Ok(())
}
