//! A day's work with the real `kubectl`, when there is one on PATH.

mod harness;

use std::path::PathBuf;
use std::process::Stdio;

use embedded_kube_api::{Options, Server};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// kubectl with a kubeconfig and a discovery cache of its own.
struct Kubectl {
    folder: tempfile::TempDir,
}

#[expect(clippy::print_stderr, reason = "a test that checks nothing must say so")]
fn announce(text: &str) {
    eprintln!("{text}");
}

struct Said {
    ok: bool,
    out: String,
    err: String,
}

impl Kubectl {
    /// `None`, loudly, when there is no kubectl.
    async fn new(server: &Server) -> Option<Self> {
        let probe = Command::new("kubectl").args(["version", "--client"]).output().await;
        if !probe.is_ok_and(|output| output.status.success()) {
            announce("SKIPPED: no usable kubectl on PATH; nothing of this test was checked");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        server.write_kubeconfig(&folder.path().join("kubeconfig")).expect("kubeconfig is written");
        Some(Self { folder })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn run(&self, args: &[&str], input: &str) -> Said {
        let mut child = Command::new("kubectl")
            .arg("--kubeconfig")
            .arg(self.file("kubeconfig"))
            .arg("--cache-dir")
            .arg(self.file("cache"))
            .args(args)
            .env("HOME", self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("kubectl starts");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        stdin.write_all(input.as_bytes()).await.expect("kubectl reads");
        drop(stdin);
        let output = tokio::time::timeout(harness::PATIENCE, child.wait_with_output())
            .await
            .expect("kubectl answers in time")
            .expect("kubectl ends");
        Said {
            ok: output.status.success(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a command that must succeed and returns what it printed.
    async fn does(&self, command: &str, input: &str) -> String {
        let args: Vec<&str> = command.split(' ').collect();
        let said = self.run(&args, input).await;
        assert!(said.ok, "kubectl {command}: {}{}", said.out, said.err);
        said.out
    }

    /// Runs a command that must fail and returns its complaint.
    async fn fails(&self, command: &str, input: &str) -> String {
        let args: Vec<&str> = command.split(' ').collect();
        let said = self.run(&args, input).await;
        assert!(!said.ok, "kubectl {command} succeeded: {}", said.out);
        said.err
    }

    async fn json(&self, command: &str) -> Value {
        serde_json::from_str(&self.does(command, "").await).expect("kubectl prints JSON")
    }
}

const WIDGET: &str = "
apiVersion: example.com/v1
kind: Widget
metadata: {name: one, labels: {app: web}}
spec:
  size: 3
  color: red
  ports: [{name: http, port: 80}]
";

#[tokio::test(flavor = "multi_thread")]
async fn a_day_with_custom_objects() {
    let server = Server::start(Options::default()).await.unwrap();
    let Some(kubectl) = Kubectl::new(&server).await else {
        return;
    };
    kubectl.does("apply -f -", harness::WIDGETS).await;
    kubectl
        .does("wait --for=condition=Established crd/widgets.example.com --timeout=10s", "")
        .await;
    assert!(kubectl.does("api-resources --api-group=example.com", "").await.contains("wd"));

    assert_eq!(kubectl.does("apply -f -", WIDGET).await, "widget.example.com/one created\n");
    let table = kubectl.does("get wd", "").await;
    let mut lines = table.lines();
    assert_eq!(
        lines.next().unwrap().split_whitespace().collect::<Vec<_>>(),
        ["NAME", "SIZE", "READY", "AGE"]
    );
    assert_eq!(lines.next().unwrap().split_whitespace().take(2).collect::<Vec<_>>(), ["one", "3"]);
    let object = kubectl.json("get wd one -o json").await;
    assert_eq!(object["status"]["observedGeneration"], -1);
    assert_eq!(object["spec"]["limit"], 10);
    let described = kubectl.does("describe wd one", "").await;
    assert!(described.contains("Observed Generation:  -1"), "{described}");
    assert!(described.contains("Events:"), "{described}");
    let explained = kubectl.does("explain widgets.spec.size", "").await;
    assert!(explained.contains("How big.") && explained.contains("<integer>"), "{explained}");

    let refused = kubectl.fails("apply -f -", &WIDGET.replace("size: 3", "size: 11")).await;
    assert!(refused.contains("size 11 is above limit 10"), "{refused}");
    let refused = kubectl.fails("apply -f -", &WIDGET.replace("color: red", "colour: red")).await;
    assert!(refused.contains("unknown field \"spec.colour\""), "{refused}");
    let said = kubectl
        .run(&["patch", "wd", "one", "--type=merge", "-p", r#"{"spec":{"color":"green"}}"#], "")
        .await;
    assert!(said.err.contains("color is immutable"), "{}", said.err);
    kubectl.does("patch wd one --type=json -p [{\"op\":\"replace\",\"path\":\"/spec/size\",\"value\":4}]", "").await;
    kubectl.does("label wd one tier=gold", "").await;
    kubectl.does("annotate wd one note=hello", "").await;
    let chosen = kubectl.does("get wd -l tier=gold -o name", "").await;
    assert_eq!(chosen, "widget.example.com/one\n");

    let refused = kubectl.fails("apply --server-side -f -", WIDGET).await;
    assert!(
        refused.contains("conflict with \"kubectl-patch\" using example.com/v1: .spec.size"),
        "{refused}"
    );
    kubectl.does("apply --server-side --force-conflicts -f -", WIDGET).await;
    assert_eq!(kubectl.json("get wd one -o json").await["spec"]["size"], 3);

    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_and_deleting_custom_objects() {
    let server = Server::start(Options::default()).await.unwrap();
    let Some(kubectl) = Kubectl::new(&server).await else {
        return;
    };
    kubectl.does("apply -f -", harness::WIDGETS).await;
    kubectl.does("apply -f -", WIDGET).await;
    let waiting =
        async { kubectl.does("wait --for=condition=Ready wd/one --timeout=15s", "").await };
    let patching = async {
        let patch = r#"{"status":{"observedGeneration":3,"conditions":[{"type":"Ready","status":"True"}]}}"#;
        kubectl
            .does(&format!("patch wd one --subresource=status --type=merge -p {patch}"), "")
            .await
    };
    let (waited, _) = tokio::join!(waiting, patching);
    assert!(waited.contains("condition met"), "{waited}");
    assert_eq!(kubectl.does("delete wd one", "").await, "widget.example.com \"one\" deleted\n");
    kubectl.does("delete crd widgets.example.com --timeout=15s", "").await;
    let gone = kubectl.fails("get widgets.v1.example.com", "").await;
    assert!(gone.contains("could not find the requested resource"), "{gone}");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_with_built_in_kinds() {
    let server = Server::start(Options::default()).await.unwrap();
    let Some(kubectl) = Kubectl::new(&server).await else {
        return;
    };
    let manifest = "
apiVersion: v1
kind: Namespace
metadata: {name: work}
---
apiVersion: v1
kind: Secret
metadata: {name: key, namespace: work}
stringData: {token: hunter2}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: work}
data: {a: '1', b: '2'}
";
    kubectl.does("apply -f -", manifest).await;
    let again = kubectl.does("apply -f -", &manifest.replace(", b: '2'", "")).await;
    assert!(again.contains("configmap/settings configured"), "{again}");
    let map = kubectl.json("get cm settings -n work -o json").await;
    assert_eq!(map["data"], serde_json::json!({"a": "1"}));
    let secret = kubectl.does("get secret key -n work -o jsonpath={.data.token}", "").await;
    assert_eq!(secret, "aHVudGVyMg==");
    assert!(kubectl.does("describe secret key -n work", "").await.contains("token:  7 bytes"));
    assert!(kubectl.does("get secrets -A", "").await.contains("Opaque"));
    assert!(kubectl.does("explain configmap.data", "").await.contains("map[string]string"));
    let said = kubectl
        .fails("apply -f -", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndatas: {}\n")
        .await;
    assert!(said.contains("unknown field \"datas\""), "{said}");
    kubectl.does("create ns other", "").await;
    kubectl.does("create secret generic made -n other --from-literal=a=b", "").await;
    kubectl.does("create configmap made -n other --from-literal=a=b", "").await;
    let made = kubectl.does("get cm/made secret/made -n other -o jsonpath={.items[*].data.a}", "");
    assert_eq!(made.await, "b Yg==");
    assert_eq!(kubectl.does("auth can-i create secrets", "").await, "yes\n");
    kubectl.does("delete ns work --timeout=15s", "").await;
    assert!(kubectl.fails("get ns work", "").await.contains("namespaces \"work\" not found"));
    server.shutdown().await;
}
