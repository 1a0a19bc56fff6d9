//! A real kube-apiserver: do the CRDs install, are good manifests taken and bad ones refused with
//! messages that name the field?

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::cache::{checkout, own};
use crate::error::{Error, at};
use crate::manifests::{Refused, yaml_files};
use crate::process::{Running, Said, free_port, must, run};
use crate::report::Report;
use crate::tools::{Kubernetes, kubernetes};

const START: Duration = Duration::from_mins(2);
const COMMAND: Duration = Duration::from_mins(1);

/// etcd and kube-apiserver on loopback, gone when this is dropped.
struct Cluster {
    kubectl: PathBuf,
    folder: PathBuf,
    apiserver: Running,
    _etcd: Running,
}

pub(crate) fn ask(report: &mut Report) -> Result<(), Error> {
    let programs = kubernetes()?;
    let temporary = tempfile::tempdir().map_err(at("a temporary folder"))?;
    let cluster = Cluster::start(&programs, temporary.path())?;
    definitions(&cluster, report)?;
    good(&cluster, report)?;
    defaults(&cluster, report)?;
    bad(&cluster, report)?;
    examples(&cluster, report)
}

impl Cluster {
    fn start(programs: &Kubernetes, folder: &Path) -> Result<Self, Error> {
        let etcd_port = free_port()?;
        let peer_port = free_port()?;
        let port = free_port()?;
        let client = format!("http://127.0.0.1:{etcd_port}");
        let peer = format!("http://127.0.0.1:{peer_port}");
        let etcd = Running::start(
            "etcd",
            Command::new(&programs.etcd)
                .arg(format!("--data-dir={}", folder.join("etcd").display()))
                .args(["--log-level=warn", "--unsafe-no-fsync"])
                .arg(format!("--listen-client-urls={client}"))
                .arg(format!("--advertise-client-urls={client}"))
                .arg(format!("--listen-peer-urls={peer}"))
                .arg(format!("--initial-advertise-peer-urls={peer}"))
                .arg(format!("--initial-cluster=default={peer}")),
            &folder.join("etcd.log"),
        )?;
        let key = folder.join("service-account.key");
        must(Command::new("openssl").arg("genrsa").arg("-out").arg(&key).arg("2048"), COMMAND)?;
        let tokens = folder.join("tokens.csv");
        fs::write(&tokens, "oracle-token,oracle,oracle,\"system:masters\"\n")
            .map_err(at(&tokens))?;
        let apiserver = Running::start(
            "kube-apiserver",
            Command::new(&programs.apiserver)
                .arg(format!("--etcd-servers={client}"))
                .arg(format!("--secure-port={port}"))
                .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"])
                .arg(format!("--cert-dir={}", folder.join("certificates").display()))
                .arg(format!("--token-auth-file={}", tokens.display()))
                .arg("--authorization-mode=RBAC")
                .arg("--service-account-issuer=https://kubernetes.default.svc")
                .arg(format!("--service-account-key-file={}", key.display()))
                .arg(format!("--service-account-signing-key-file={}", key.display()))
                .args([
                    "--service-cluster-ip-range=10.96.0.0/16",
                    "--endpoint-reconciler-type=none",
                ]),
            &folder.join("kube-apiserver.log"),
        )?;
        write_kubeconfig(folder, port)?;
        let mut cluster = Self {
            kubectl: programs.kubectl.clone(),
            folder: folder.to_owned(),
            apiserver,
            _etcd: etcd,
        };
        cluster.ready()?;
        Ok(cluster)
    }

    fn ready(&mut self) -> Result<(), Error> {
        let mut look = self.kubectl(&["get", "namespace", "default"]);
        self.apiserver.until(START, || run(&mut look, COMMAND).is_ok_and(|said| said.success))
    }

    fn kubectl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.kubectl);
        command
            .env("KUBECONFIG", self.folder.join("kubeconfig"))
            .arg(format!("--cache-dir={}", self.folder.join("discovery").display()))
            .args(arguments);
        command
    }

    fn apply(&self, file: &Path, more: &[&str]) -> Result<Said, Error> {
        let mut command = self.kubectl(&["apply", "--validate=strict"]);
        run(command.args(more).arg("-f").arg(file), COMMAND)
    }
}

fn write_kubeconfig(folder: &Path, port: u16) -> Result<(), Error> {
    let authority = folder.join("certificates/apiserver.crt");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: oracle\n\
         clusters: [{{name: oracle, cluster: {{server: 'https://127.0.0.1:{port}', certificate-authority: '{}'}}}}]\n\
         users: [{{name: oracle, user: {{token: oracle-token}}}}]\n\
         contexts: [{{name: oracle, context: {{cluster: oracle, user: oracle}}}}]\n",
        authority.display()
    );
    let path = folder.join("kubeconfig");
    fs::write(&path, text).map_err(at(&path))
}

/// The CRDs install as they are, without a warning, and are served.
fn definitions(cluster: &Cluster, report: &mut Report) -> Result<(), Error> {
    let folder = checkout().join("crds/manifests");
    for file in yaml_files(&folder)? {
        let said = cluster.apply(&file, &["--server-side", "--warnings-as-errors"])?;
        report.check(
            &format!("{} installs without a warning", name(&file)),
            said.success,
            &said.all,
        );
    }
    let established = ["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"];
    let said = run(&mut cluster.kubectl(&established), COMMAND)?;
    report.check("every definition is established", said.success, &said.all);
    let broken = "jsonpath={.items[*].status.conditions[?(@.type=='NonStructuralSchema')].message}";
    let said = run(&mut cluster.kubectl(&["get", "crd", "-o", broken]), COMMAND)?;
    report.check("every schema is structural", said.out.trim().is_empty(), &said.all);
    Ok(())
}

/// Good manifests are taken; they stay, so that the bad ones can try to change them.
fn good(cluster: &Cluster, report: &mut Report) -> Result<(), Error> {
    for file in yaml_files(&own("manifests/good"))? {
        let said = cluster.apply(&file, &["--warnings-as-errors"])?;
        report.check(&format!("{} is taken", name(&file)), said.success, &said.all);
    }
    Ok(())
}

/// What a user does not write is filled in by the server.
fn defaults(cluster: &Cluster, report: &mut Report) -> Result<(), Error> {
    for (object, path, wanted) in [
        (
            "cloudmachine/by-requirements",
            "{.spec.failover}",
            r#"{"after":"2m","on":["Capacity","Quota","Unavailable","Auth","OutOfCredit"]}"#,
        ),
        ("cloudmachine/by-requirements", "{.spec.deletionPolicy}", "Delete"),
        ("cloudmachine/by-requirements", "{.spec.suspend}", "false"),
        ("cloudmachine/by-requirements", "{.status.observedGeneration}", "-1"),
        ("cloudmachine/with-failover", "{.spec.failover.on}", r#"["Capacity"]"#),
        ("cloudmachine/with-failover", "{.spec.failover.after}", "2m"),
        ("provider/do-main", "{.status.observedGeneration}", "-1"),
    ] {
        let output = format!("jsonpath={path}");
        let said = run(&mut cluster.kubectl(&["get", object, "-o", &output]), COMMAND)?;
        report.check(&format!("{object} has {path} {wanted}"), said.out == wanted, &said.all);
    }
    Ok(())
}

/// Bad manifests are refused with the messages they name themselves.
fn bad(cluster: &Cluster, report: &mut Report) -> Result<(), Error> {
    for file in yaml_files(&own("manifests/bad"))? {
        let refused = Refused::read(&file)?;
        let said = cluster.apply(&file, &[])?;
        let missing = refused.missing_in(&said.all);
        let what = format!("{} is refused and the message names its fields", name(&file));
        let found = format!("wanted {missing:?}, got {}", said.all);
        report.check(&what, !said.success && missing.is_empty(), &found);
    }
    Ok(())
}

/// The examples that users copy are valid.
fn examples(cluster: &Cluster, report: &mut Report) -> Result<(), Error> {
    for file in yaml_files(&checkout().join("examples"))? {
        let said = cluster.apply(&file, &["--dry-run=server", "--warnings-as-errors"])?;
        report.check(&format!("example {} is valid", name(&file)), said.success, &said.all);
    }
    Ok(())
}

fn name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
