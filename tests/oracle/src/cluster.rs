//! A real control plane on loopback: etcd, kube-apiserver and those controllers that the embedded
//! server has too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::{Error, at};
use crate::process::{Running, free_port, must, run};
use crate::tools::Kubernetes;

const START: Duration = Duration::from_mins(2);
const COMMAND: Duration = Duration::from_mins(1);
const AUTHORITY: &str = "certificates/apiserver.crt";
/// Namespaces are emptied, owners' things collected, and every namespace gets its two objects.
const CONTROLLERS: &str = "namespace-controller,garbage-collector-controller,\
                           serviceaccount-controller,root-ca-certificate-publisher-controller";

/// etcd and kube-apiserver on loopback, gone when this is dropped.
pub(crate) struct Cluster {
    kubectl: PathBuf,
    folder: PathBuf,
    apiserver: Running,
    controllers: Option<Running>,
    etcd: Running,
}

/// The token of the one user, who may do everything.
pub(crate) const TOKEN: &str = "oracle-token";

impl Cluster {
    pub(crate) fn start(programs: &Kubernetes, folder: &Path) -> Result<Self, Error> {
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
        let users = format!("{TOKEN},kubernetes-admin,,\"system:masters\"\n");
        fs::write(&tokens, users).map_err(at(&tokens))?;
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
            controllers: None,
            etcd,
        };
        let mut look = cluster.kubectl(&["get", "namespace", "default"]);
        let mut succeeds = || run(&mut look, COMMAND).is_ok_and(|said| said.success);
        cluster.apiserver.until(START, &mut succeeds)?;
        // They give up when there is no API server yet.
        let mut controllers = controllers(programs, folder, &key)?;
        let mut look = cluster.kubectl(&["get", "serviceaccount", "default"]);
        controllers.until(START, || run(&mut look, COMMAND).is_ok_and(|said| said.success))?;
        cluster.controllers = Some(controllers);
        Ok(cluster)
    }

    /// The numbers of the processes that serve requests.
    pub(crate) fn pids(&self) -> String {
        format!("{} {}", self.apiserver.pid(), self.etcd.pid())
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.kubectl);
        command
            .env("KUBECONFIG", self.folder.join("kubeconfig"))
            .arg(format!("--cache-dir={}", self.folder.join("discovery").display()))
            .args(arguments);
        command
    }
}

/// Starts the controllers; they wait for the API server by themselves.
fn controllers(programs: &Kubernetes, folder: &Path, key: &Path) -> Result<Running, Error> {
    Running::start(
        "kube-controller-manager",
        Command::new(&programs.controllers)
            .arg(format!("--kubeconfig={}", folder.join("kubeconfig").display()))
            .arg(format!("--service-account-private-key-file={}", key.display()))
            .arg(format!("--root-ca-file={}", folder.join(AUTHORITY).display()))
            .arg(format!("--controllers={CONTROLLERS}"))
            .args(["--leader-elect=false", "--secure-port=0"])
            .args(["--kube-api-qps=500", "--kube-api-burst=1000"])
            .args(["--concurrent-namespace-syncs=10"]),
        &folder.join("kube-controller-manager.log"),
    )
}

fn write_kubeconfig(folder: &Path, port: u16) -> Result<(), Error> {
    let authority = folder.join(AUTHORITY);
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: oracle\n\
         clusters: [{{name: oracle, cluster: {{server: 'https://127.0.0.1:{port}', certificate-authority: '{}'}}}}]\n\
         users: [{{name: oracle, user: {{token: {TOKEN}}}}}]\n\
         contexts: [{{name: oracle, context: {{cluster: oracle, user: oracle}}}}]\n",
        authority.display()
    );
    let path = folder.join("kubeconfig");
    fs::write(&path, text).map_err(at(&path))
}
