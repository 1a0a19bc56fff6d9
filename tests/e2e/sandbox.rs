//! `ifctl sandbox up --data-dir` and `ifctl sandbox fault api`, as a person uses them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;

const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) fn ifctl() -> Command {
    let own = std::env::current_exe().expect("the test's own path");
    let beside = own.ancestors().nth(2).expect("a target folder").join("ifctl");
    Command::new(std::env::var_os("INFRAFABRIC_IFCTL").map_or(beside, PathBuf::from))
}

/// Starts a sandbox that keeps its objects; the process.
fn up(folder: &Path) -> Child {
    let mut child = ifctl()
        .args(["sandbox", "up", "--dir"])
        .arg(folder.join("run"))
        .arg("--data-dir")
        .arg(folder.join("data"))
        .stdout(Stdio::null())
        .spawn()
        .expect("ifctl is built beside the tests");
    let end = Instant::now() + PATIENCE;
    let marker = folder.join("run/sandbox.json");
    let ours = format!("\"pid\":{}", child.id());
    while !std::fs::read_to_string(&marker).is_ok_and(|text| text.replace(' ', "").contains(&ours))
    {
        assert!(Instant::now() < end, "the sandbox did not start");
        assert!(child.try_wait().expect("a status").is_none(), "the sandbox ended");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

async fn maps(folder: &Path) -> Api<ConfigMap> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let file = Kubeconfig::read_from(folder.join("run/kubeconfig")).expect("a kubeconfig");
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
    let client = Client::try_from(config.expect("a configuration")).expect("a client");
    Api::default_namespaced(client)
}

fn map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name, "labels": {"kept": "yes"}}}))
        .expect("a map")
}

#[tokio::test]
async fn a_killed_sandbox_loses_nothing_that_it_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let mut sandbox = up(folder.path());
        let maps = maps(folder.path()).await;
        let kept = ListParams::default().labels("kept=yes");
        let found = maps.list(&kept).await.expect("a list").items.len();
        // One write more may have been done than could be answered.
        let missing = acknowledged.len().saturating_sub(found);
        assert_eq!(missing, 0, "round {round}: {found} of {acknowledged:?}");
        let writer = tokio::spawn(async move {
            let mut done = Vec::new();
            for number in 0.. {
                let name = format!("m-{round}-{number}");
                match maps.create(&PostParams::default(), &map(&name)).await {
                    Ok(_) => done.push(name),
                    Err(_) => break,
                }
            }
            done
        });
        tokio::time::sleep(Duration::from_millis(150 + 100 * round)).await;
        sandbox.kill().expect("it is killed");
        sandbox.wait().expect("it is gone");
        acknowledged.extend(writer.await.expect("the writer ends"));
    }
    assert!(acknowledged.len() > 10, "{}", acknowledged.len());
    let mut sandbox = up(folder.path());
    let maps = maps(folder.path()).await;
    for name in &acknowledged {
        maps.get(name).await.expect("what was acknowledged is there");
    }
    sandbox.kill().expect("it is killed");
    sandbox.wait().expect("it is gone");
}

#[tokio::test]
async fn the_api_is_disturbed_by_hand() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut sandbox = up(folder.path());
    let fault = |arguments: &[&str]| {
        let said = ifctl()
            .args(["sandbox", "fault", "--dir"])
            .arg(folder.path().join("run"))
            .arg("api")
            .args(arguments)
            .output()
            .expect("ifctl runs");
        (
            said.status.success(),
            String::from_utf8_lossy(&said.stdout).into_owned()
                + &String::from_utf8_lossy(&said.stderr),
        )
    };
    let (ok, said) = fault(&["set", "conflict", "resource=configmaps", "verb=create"]);
    assert!(ok && said.contains("fault 1 set"), "{said}");
    let maps = maps(folder.path()).await;
    let refused = maps.create(&PostParams::default(), &map("a")).await.expect_err("a conflict");
    assert!(matches!(&refused, kube::Error::Api(status) if status.code == 409), "{refused}");
    let (_, said) = fault(&["list"]);
    assert!(said.contains("\"hits\":1"), "{said}");
    assert!(fault(&["clear"]).0);
    maps.create(&PostParams::default(), &map("a")).await.expect("it is quiet again");
    let (ok, said) = fault(&["set", "gremlin"]);
    assert!(!ok && said.contains("drop-watches"), "{said}");
    let (ok, said) = fault(&["set", "drop-watches"]);
    assert!(ok && said.contains("done"), "{said}");
    sandbox.kill().expect("it is killed");
    sandbox.wait().expect("it is gone");
}
