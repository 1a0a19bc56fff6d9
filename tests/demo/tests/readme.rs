//! The README: every command in it is run by a test, every file in it is the file.

mod harness;

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use embedded_kube_api::Server;
use harness::{binary, checkout, have_kubectl, sh};
use infrafabric_adapters::registry::Registry;
use infrafabric_world::{World, WorldOptions};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Where a command of the README is run: file and test.
type Where = (&'static str, &'static str);

const DEMO: &str = "tests/demo/tests/demo.rs";
const HERE: Where = ("tests/demo/tests/readme.rs", "its_commands_work_on_a_cluster_as_they_stand");

/// Every command of the README and the test that runs it. `cargo xtask test` runs these tests.
const COMMANDS: [(&str, Where); 19] = [
    ("cargo xtask demo", (DEMO, "all_six_steps_hold_and_nothing_is_left")),
    // It runs this very test.
    ("cargo xtask test", ("xtask/src/test.rs", "--workspace")),
    ("cargo xtask demo --keep", (DEMO, "what_keep_prints_works")),
    ("kubectl apply --server-side -f crds/manifests", HERE),
    ("kubectl create namespace infrafabric-system", HERE),
    (
        r#"kubectl create secret generic digitalocean --from-literal=token="$DIGITALOCEAN_TOKEN""#,
        HERE,
    ),
    ("kubectl apply -f examples/cloud-machine/providers.yaml", HERE),
    (RUN, HERE),
    ("kubectl apply -f examples/cloud-machine/machine.yaml", HERE),
    ("kubectl wait --for=condition=Ready cloudmachine/web --timeout=10m", HERE),
    ("kubectl get infrafabric", HERE),
    ("kubectl describe cloudmachine web", HERE),
    ("kubectl delete cloudmachine web", HERE),
    (VERIFY, HERE),
    ("kubectl apply -f examples/provider-definition/hetzner.yaml", HERE),
    ("kubectl get providerdefinitions", HERE),
    (
        r#"cargo run --package ifctl -- provider try slack send --set text="Doors open in 10 minutes""#,
        HERE,
    ),
    ("cargo run --package ifctl -- provider try anthropic stream", HERE),
    (
        r#"cargo run --package ifctl -- provider try obs-studio stage --want '{"program": "Main", "recording": true}'"#,
        HERE,
    ),
];

const RUN: &str =
    r#"cargo run --package infrafabric -- run --witness-dir "$HOME/infrafabric-witness""#;
const VERIFY: &str =
    r#"cargo run --package ifctl -- witness verify "$HOME/infrafabric-witness" --key "$VERIFIER""#;

fn readme() -> String {
    fs::read_to_string(checkout().join("README.md")).expect("README.md")
}

/// The fenced blocks of a language, each after the line before its fence.
fn blocks(text: &str, language: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    let mut before = "";
    while let Some(line) = lines.next() {
        if let Some(opened) = line.strip_prefix("```") {
            let mut block = String::new();
            for line in lines.by_ref().take_while(|line| *line != "```") {
                block.push_str(line);
                block.push('\n');
            }
            if opened == language {
                found.push((before.to_owned(), block));
            }
        }
        before = line;
    }
    found
}

fn commands() -> Vec<String> {
    let blocks = blocks(&readme(), "sh");
    blocks.iter().flat_map(|(_, block)| block.lines().map(str::to_owned)).collect()
}

#[test]
fn every_command_is_run_by_a_test() {
    let written = commands();
    let known: Vec<&str> = COMMANDS.iter().map(|(command, _)| *command).collect();
    assert_eq!(written, known, "the README and the table in this test");
    for (command, (file, test)) in COMMANDS {
        let text = fs::read_to_string(checkout().join(file)).expect(file);
        assert!(text.contains(test), "{file} has no {test}, which shall run `{command}`");
    }
}

#[test]
fn every_file_in_it_is_the_file() {
    let blocks = blocks(&readme(), "yaml");
    assert!(blocks.len() >= 3, "{} blocks", blocks.len());
    for (before, block) in blocks {
        let path = before.strip_prefix("<!-- file: ").and_then(|rest| rest.strip_suffix(" -->"));
        let path = path.unwrap_or_else(|| panic!("a block without its file:\n{block}"));
        let file = fs::read_to_string(checkout().join(path)).expect(path);
        assert_eq!(block, file, "{path} in the README");
    }
}

/// Every command from the first `kubectl` on, in the README's order and as it stands there; in the
/// place of `cargo run` stand the binaries of this build. The cluster is an empty API, and by
/// `INFRAFABRIC_WORLD` the operator sends to simulated providers.
#[test]
fn its_commands_work_on_a_cluster_as_they_stand() {
    if !have_kubectl() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let cluster = runtime.block_on(Cluster::start());
    let mut operator = None;
    for command in commands().iter().skip_while(|command| !command.starts_with("kubectl ")) {
        if command == RUN {
            operator = Some(cluster.operator());
        } else {
            let verifier = operator.as_ref().map(|operator: &Operator| operator.verifier.as_str());
            cluster.run(command, verifier.unwrap_or_default());
        }
        if command.starts_with("kubectl wait ") {
            assert_eq!(runtime.block_on(cluster.living()), 1, "the machine at the provider");
        }
    }
    assert_eq!(runtime.block_on(cluster.living()), 0, "machines at the provider at the end");
}

/// An empty Kubernetes API, simulated providers, and a home folder.
struct Cluster {
    home: TempDir,
    world: World,
    _server: Server,
}

impl Cluster {
    async fn start() -> Self {
        // kube asks for the process's provider; ring is the one that is linked.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let home = TempDir::new().expect("a folder");
        let server = Server::start(embedded_kube_api::Options::default()).await.expect("it serves");
        server.write_kubeconfig(&home.path().join("kubeconfig")).expect("written");
        let registry = Registry::built_in();
        let names = registry.names().into_iter();
        let definitions = names.filter_map(|(name, _)| registry.simulated(&name)).collect();
        let phase = Duration::from_millis(300);
        let options = WorldOptions { definitions, phase, ..WorldOptions::default() };
        let world = World::start(options).await.expect("it serves");
        Self { home, world, _server: server }
    }

    async fn living(&self) -> usize {
        self.world.client().things(None).await.expect("the world answers").len()
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("KUBECONFIG", self.home.path().join("kubeconfig").display().to_string()),
            ("DIGITALOCEAN_TOKEN", "dop_v1_sandbox".to_owned()),
            ("INFRAFABRIC_WORLD", self.world.url()),
            // Another program may have the port that is the default.
            ("INFRAFABRIC_LISTEN", "127.0.0.1:0".to_owned()),
        ]
    }

    /// Runs a command, which must succeed.
    fn run(&self, command: &str, verifier: &str) {
        let mut variables = self.variables();
        variables.push(("VERIFIER", verifier.to_owned()));
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (succeeded, output) = sh(&built(command), self.home.path(), &variables);
        assert!(succeeded, "`{command}` of the README fails:\n{output}");
    }

    /// Runs the operator beside the other commands, and waits until it serves.
    fn operator(&self) -> Operator {
        let log = self.home.path().join("operator.log");
        let file = fs::File::create(&log).expect("a log");
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec {}", built(RUN))]).current_dir(checkout());
        command.env("HOME", self.home.path()).envs(self.variables());
        let child = command.stdin(Stdio::null()).stderr(file).spawn().expect("the operator starts");
        let mut operator = Operator { child, verifier: String::new() };
        let deadline = Instant::now() + Duration::from_secs(30);
        while operator.verifier.is_empty() {
            let text = fs::read_to_string(&log).expect("the log");
            let after = text.split_once("verifier=\"").map(|(_, after)| after);
            let key = after.and_then(|after| after.split_once('"')).map(|(key, _)| key);
            key.unwrap_or_default().clone_into(&mut operator.verifier);
            assert!(Instant::now() < deadline, "the operator does not serve:\n{text}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        operator
    }
}

/// The command with this build's binaries.
fn built(command: &str) -> String {
    let replace = |command: String, name: &str| {
        let binary = binary(name).display().to_string();
        command.replace(&format!("cargo run --package {name} -- "), &format!("{binary} "))
    };
    replace(replace(command.to_owned(), "infrafabric"), "ifctl")
}

/// A running operator; dropping it ends it.
struct Operator {
    child: Child,
    verifier: String,
}

impl Drop for Operator {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

#[test]
fn the_architecture_names_every_room() {
    let text = fs::read_to_string(checkout().join("docs/architecture.md")).expect("it is there");
    let mut folders = vec![checkout()];
    let mut missing = Vec::new();
    while let Some(folder) = folders.pop() {
        let mut has_code = false;
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && name != "target" {
                folders.push(path);
            } else if path.extension().is_some_and(|is| is == "rs") && name != "build.rs" {
                has_code = true;
            }
        }
        let folder = folder.strip_prefix(checkout()).expect("beneath it").display().to_string();
        if has_code && !text.contains(&format!("`{folder}/`")) {
            missing.push(folder);
        }
    }
    assert!(missing.is_empty(), "docs/architecture.md does not name {missing:?}");
}
