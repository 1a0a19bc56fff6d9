//! What a person says to a running operator, through the cluster's API.

use std::collections::BTreeMap;
use std::path::PathBuf;

use infrafabric::engine::halt::STOP;
use infrafabric_adapters::clock::{Clock as _, SystemClock};
use infrafabric_crds::{CloudMachine, Provider, RESOLVE_ANNOTATION};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, ResourceExt as _};
use serde_json::json;

use crate::say;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What is told of a leftover.
const HEAD: [&str; 6] = ["NAMESPACE", "PROVIDER", "REGION", "ID", "NAME", "SINCE"];
/// After this time even a provider that cannot be asked has done what it was asked for.
const FORGOTTEN_AFTER: chrono::TimeDelta = chrono::TimeDelta::minutes(10);

/// Which cluster.
#[derive(clap::Args)]
struct Cluster {
    /// Kubeconfig file; KUBECONFIG or ~/.kube/config when absent.
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// Context in it.
    #[arg(long)]
    context: Option<String>,
}

/// Where the operator's own objects are.
#[derive(clap::Args)]
struct Operator {
    #[command(flatten)]
    cluster: Cluster,
    /// Namespace of the operator.
    #[arg(long, env = "INFRAFABRIC_NAMESPACE", default_value = "infrafabric-system")]
    namespace: String,
}

#[derive(clap::Args)]
pub(crate) struct Stop {
    #[command(flatten)]
    operator: Operator,
    /// Why, for those who meet it: shown in the message of every object that waits.
    #[arg(long)]
    reason: Option<String>,
}

#[derive(clap::Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    operator: Operator,
}

#[derive(clap::Args)]
pub(crate) struct Resolve {
    #[command(flatten)]
    cluster: Cluster,
    /// The kind: `cloudmachine`.
    kind: String,
    /// The object's name.
    name: String,
    /// Its namespace; the context's when absent.
    #[arg(short, long)]
    namespace: Option<String>,
    #[command(flatten)]
    answer: Answer,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Answer {
    /// This is what it made: the provider's identity of it.
    #[arg(long, value_name = "ID")]
    adopt: Option<String>,
    /// It made nothing: go on without it.
    #[arg(long)]
    forget: bool,
}

#[derive(clap::Args)]
pub(crate) struct Leftovers {
    #[command(flatten)]
    cluster: Cluster,
    /// Only of Providers in this namespace.
    #[arg(short, long)]
    namespace: Option<String>,
    /// How it is printed.
    #[arg(short, long, default_value = "table")]
    output: Output,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Output {
    Table,
    Json,
}

async fn client(cluster: &Cluster) -> Result<Client> {
    let options = KubeConfigOptions { context: cluster.context.clone(), ..Default::default() };
    let file = match &cluster.kubeconfig {
        Some(path) => Kubeconfig::read_from(path)?,
        None => Kubeconfig::read()?,
    };
    Ok(Client::try_from(Config::from_custom_kubeconfig(file, &options).await?)?)
}

pub(crate) async fn stop(stop: Stop) -> Result {
    let Stop { operator, reason } = stop;
    let api: Api<ConfigMap> =
        Api::namespaced(client(&operator.cluster).await?, &operator.namespace);
    let data = reason.map(|reason| BTreeMap::from([("reason".to_owned(), reason)]));
    let map = ConfigMap {
        metadata: ObjectMeta { name: Some(STOP.to_owned()), ..ObjectMeta::default() },
        data,
        ..ConfigMap::default()
    };
    api.patch(STOP, &PatchParams::apply("ifctl").force(), &Patch::Apply(&map)).await?;
    say("effects are stopped; reads go on. `ifctl resume` lets effects go on");
    Ok(())
}

pub(crate) async fn resume(resume: Resume) -> Result {
    let operator = resume.operator;
    let api: Api<ConfigMap> =
        Api::namespaced(client(&operator.cluster).await?, &operator.namespace);
    match api.delete(STOP, &DeleteParams::default()).await {
        Ok(_) => say("effects go on"),
        Err(kube::Error::Api(status)) if status.code == 404 => say("effects were not stopped"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

pub(crate) async fn resolve(resolve: Resolve) -> Result {
    let kind = resolve.kind.to_ascii_lowercase();
    if !["cloudmachine", "cloudmachines", "cmach"].contains(&kind.as_str()) {
        return Err(format!("no kind {kind} has operations to resolve: cloudmachine").into());
    }
    let client = client(&resolve.cluster).await?;
    let namespace = resolve.namespace.unwrap_or_else(|| client.default_namespace().to_owned());
    let api: Api<CloudMachine> = Api::namespaced(client, &namespace);
    let name = &resolve.name;
    let machine = api.get_opt(name).await?;
    let machine =
        machine.ok_or_else(|| format!("there is no CloudMachine {name} in {namespace}"))?;
    let open = machine.status.as_ref().and_then(|status| status.operation.as_ref());
    let Some(open) = open.filter(|operation| operation.verb == "create") else {
        let said = "has no operation whose outcome is unknown: nothing to resolve";
        return Err(format!("CloudMachine {name} in {namespace} {said}").into());
    };
    let ready = machine.status.iter().flat_map(|status| &status.conditions);
    let asked = ready.into_iter().any(|one| one.type_ == "Stalled" && one.status == "True");
    let age = SystemClock.now() - open.started_at;
    if resolve.answer.forget && !asked && age < FORGOTTEN_AFTER {
        let since = age.num_seconds();
        return Err(format!(
            "the create at {} of {since} s ago may still be under way or be found by itself: nobody can know yet that it made nothing; look again when the object is Stalled, or after {} minutes",
            open.provider,
            FORGOTTEN_AFTER.num_minutes()
        )
        .into());
    }
    let answer = match resolve.answer.adopt {
        Some(id) => format!("adopt={id}"),
        None => "forget".to_owned(),
    };
    let patch = json!({"metadata": {
        // What is said is said of this operation and of no later one.
        "resourceVersion": machine.resource_version(),
        "annotations": {RESOLVE_ANNOTATION: answer},
    }});
    api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
    let at = open.started_at.format("%Y-%m-%d %H:%M:%S UTC");
    say(&format!("told CloudMachine {name} of its create at {} of {at}: {answer}", open.provider));
    Ok(())
}

pub(crate) async fn leftovers(leftovers: Leftovers) -> Result {
    let client = client(&leftovers.cluster).await?;
    let api: Api<Provider> = match &leftovers.namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let providers = api.list(&ListParams::default()).await?.items;
    let all: Vec<[String; 6]> = providers
        .iter()
        .flat_map(|provider| {
            let left = provider.status.iter().flat_map(|status| &status.leftovers);
            left.map(|left| {
                [
                    provider.namespace().unwrap_or_default(),
                    provider.name_any(),
                    left.region.clone(),
                    left.external_id.clone(),
                    left.name.clone().unwrap_or_default(),
                    left.since.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
                ]
            })
        })
        .collect();
    match leftovers.output {
        Output::Json => {
            let keys = HEAD.map(str::to_ascii_lowercase);
            let objects = all.iter().map(|row| keys.iter().zip(row).collect::<BTreeMap<_, _>>());
            say(&serde_json::to_string_pretty(&objects.collect::<Vec<_>>())?);
        }
        Output::Table if all.is_empty() => say("nothing is left over"),
        Output::Table => {
            let rows = || std::iter::once(HEAD.map(str::to_owned)).chain(all.iter().cloned());
            let width = |column: usize| rows().map(|row| row[column].len()).max().unwrap_or(0);
            let widths: [usize; 6] = std::array::from_fn(width);
            for row in rows() {
                let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
                say(cells.collect::<Vec<_>>().join("   ").trim_end());
            }
        }
    }
    Ok(())
}
