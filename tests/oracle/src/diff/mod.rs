//! The same requests to a real kube-apiserver and to the embedded one, answer by answer.

mod accepted;
mod case;
mod difference;
mod marks;
mod random;
mod side;

use std::path::Path;

use embedded_kube_api::{Options, Server};
use futures::StreamExt as _;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use self::accepted::Accepted;
use self::case::{Ask, Case, Step};
use self::difference::Difference;
use self::side::{Side, Talk};
use crate::cache::own;
use crate::cluster::{Cluster, TOKEN};
use crate::error::{Error, at};
use crate::manifests::yaml_files;
use crate::report::Report;
use crate::tools::kubernetes;

/// Cases that are under way at once: most of a case's time is waiting for the end of a watch.
const AT_ONCE: usize = 16;
const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// Both servers, with the CRDs of the cases.
struct Pair {
    real: Side,
    ours: Side,
}

/// Asks both servers everything; `only` leaves out cases whose name does not contain it.
pub(crate) fn ask(report: &mut Report, only: Option<&str>, seed: u64) -> Result<(), Error> {
    let programs = kubernetes()?;
    let temporary = tempfile::tempdir().map_err(at("a temporary folder"))?;
    let cluster = Cluster::start(&programs, temporary.path())?;
    let runtime = tokio::runtime::Runtime::new().map_err(at("a runtime"))?;
    runtime.block_on(async {
        let server =
            Server::start(Options::default()).await.map_err(|source| Error::Server { source })?;
        let file = temporary.path().join("embedded-kubeconfig");
        server.write_kubeconfig(&file).map_err(|source| Error::Kubeconfig { source })?;
        let pair = Pair {
            real: Side { client: client(&cluster.kubeconfig()).await?, token: TOKEN.to_owned() },
            ours: Side { client: client(&file).await?, token: server.token().to_owned() },
        };
        let outcome = compare(report, &pair, only, seed).await;
        server.shutdown().await;
        outcome
    })
}

async fn compare(
    report: &mut Report,
    pair: &Pair,
    only: Option<&str>,
    seed: u64,
) -> Result<(), Error> {
    let folder = own("cases");
    let accepted = Accepted::read(&folder.join("accepted.yaml"))?;
    let mut cases = case::all(&folder)?;
    cases.extend(random::cases(seed));
    for file in yaml_files(&folder.join("crds"))? {
        pair.define(&file).await?;
    }
    let wanted = cases
        .iter()
        .enumerate()
        .filter(|(_, case)| only.is_none_or(|only| case.name.contains(only)));
    let mut requests = 0;
    let accepted_here = &accepted;
    let runs = wanted.map(|(number, case)| async move {
        let first = told(accepted_here, case, &pair.run(&format!("case-{number}"), case).await);
        // Which of two appliers wrote last is told by the second: an apply that changes nothing is a
        // write when a second ended just before it, on that side alone.
        if first.is_empty() || !case.has_namespace() {
            return (case, first, None);
        }
        let again = pair.run(&format!("case-{number}-again"), case).await;
        (case, told(accepted_here, case, &again), Some(first))
    });
    let mut runs = futures::stream::iter(runs).buffer_unordered(AT_ONCE);
    let mut asked_again = Vec::new();
    while let Some((case, new, before)) = runs.next().await {
        requests += case.steps.iter().filter(|step| matches!(step, Step::Ask(_))).count();
        report.check(&case.name, new.is_empty(), &new.join("\n"));
        if let Some(before) = before.filter(|_| new.is_empty()) {
            asked_again.push(format!("{}, which first differed: {}", case.name, before.join("; ")));
        }
    }
    drop(runs);
    for again in asked_again {
        report.note(&format!("agreed when asked again: {again}"));
    }
    report.note(&format!("{requests} requests compared, {} accepted differences", accepted.len()));
    if only.is_none() {
        let unused = accepted.unused();
        let found = unused.join("\n");
        report.check("every accepted difference still occurs", unused.is_empty(), &found);
    }
    Ok(())
}

/// The differences that nobody accepted, for a person.
fn told(accepted: &Accepted, case: &Case, differences: &[Difference]) -> Vec<String> {
    let new = differences.iter().filter(|difference| !accepted.has(&case.name, difference));
    new.map(|one| format!("{}\n  real: {}\n  ours: {}", one.at, one.real, one.ours)).collect()
}

/// A client that sends no token by itself.
async fn client(kubeconfig: &Path) -> Result<Client, Error> {
    let failed = |reason: kube::config::KubeconfigError| Error::Failed {
        program: "reading the kubeconfig".to_owned(),
        output: reason.to_string(),
    };
    let file = Kubeconfig::read_from(kubeconfig).map_err(failed)?;
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(file, &options).await.map_err(failed)?;
    config.auth_info = AuthInfo::default();
    Client::try_from(config).map_err(|source| Error::Client { source: Box::new(source) })
}

impl Pair {
    /// Makes a CRD on both sides and waits until it is served.
    async fn define(&self, file: &Path) -> Result<(), Error> {
        let text = std::fs::read_to_string(file).map_err(at(file))?;
        let wrong = |reason: String| Error::Case { path: file.to_owned(), reason };
        let crd: serde_json::Value =
            serde_saphyr::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let part = |pointer: &str| {
            crd.pointer(pointer).and_then(|v| v.as_str()).unwrap_or_default().to_owned()
        };
        let (group, plural) = (part("/spec/group"), part("/spec/names/plural"));
        let version = part("/spec/versions/0/name");
        for side in [&self.real, &self.ours] {
            let ask = Ask {
                method: "POST".to_owned(),
                content_type: Some("application/json".to_owned()),
                body: crd.to_string(),
                ..Ask::default()
            };
            let request =
                side.request(&ask, CRDS, &[], crd.to_string().into_bytes()).map_err(wrong)?;
            let (status, _, body) = side.send(request).await.map_err(wrong)?;
            if status != 201 {
                return Err(wrong(String::from_utf8_lossy(&body).into_owned()));
            }
            let list = part("/spec/names/kind") + "List";
            let path = format!("/apis/{group}/{version}/{plural}");
            side.until(&path, Some(("/kind", &list))).await.map_err(wrong)?;
        }
        Ok(())
    }

    /// Runs one case on both sides, in a namespace of its own.
    async fn run(&self, namespace: &str, case: &Case) -> Vec<Difference> {
        let mut differences = Vec::new();
        if case.has_namespace() {
            let (real, ours) =
                futures::join!(ready(&self.real, namespace), ready(&self.ours, namespace));
            if let Some(reason) = real.err().or(ours.err()) {
                differences.push(Difference {
                    at: "0 namespace".to_owned(),
                    real: reason,
                    ours: String::new(),
                });
                return differences;
            }
        }
        let mut real = Talk::new(&self.real, namespace);
        let mut ours = Talk::new(&self.ours, namespace);
        for (index, step) in case.steps.iter().enumerate() {
            match step {
                Step::Ask(ask) => {
                    let (real, ours) = futures::join!(real.ask(ask), ours.ask(ask));
                    differences.extend(difference::between(index + 1, &real, &ours));
                }
                Step::Await(wait) => {
                    let (real, ours) = futures::join!(real.wait(wait), ours.wait(wait));
                    let said = |side: Result<(), String>| side.err().unwrap_or_default();
                    let (real, ours) = (said(real), said(ours));
                    if !(real.is_empty() && ours.is_empty()) {
                        differences.push(Difference {
                            at: format!("{} await", index + 1),
                            real,
                            ours,
                        });
                    }
                }
            }
        }
        differences
    }
}

/// Makes a namespace, and waits until the controllers have filled it.
async fn ready(side: &Side, namespace: &str) -> Result<(), String> {
    let body =
        format!(r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{namespace}"}}}}"#);
    let ask = Ask {
        method: "POST".to_owned(),
        content_type: Some("application/json".to_owned()),
        body: body.clone(),
        ..Ask::default()
    };
    let (status, _, answer) =
        side.send(side.request(&ask, "/api/v1/namespaces", &[], body.into_bytes())?).await?;
    if status != 201 {
        return Err(String::from_utf8_lossy(&answer).into_owned());
    }
    let base = format!("/api/v1/namespaces/{namespace}");
    side.until(&format!("{base}/serviceaccounts/default"), Some(("/kind", "ServiceAccount")))
        .await?;
    side.until(&format!("{base}/configmaps/kube-root-ca.crt"), Some(("/kind", "ConfigMap"))).await
}
