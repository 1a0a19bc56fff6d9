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
const PRISM: &str = "@stoplight/prism-cli@5.14.2";
const KUBERNETES: &str = "1.36.3";
const INSTALL: Duration = Duration::from_mins(10);
const BUILD: Duration = Duration::from_mins(40);

/// A Python environment with moto and boto3; the path of its `bin`.
pub(crate) fn python() -> Result<PathBuf, Error> {
    let folder = folder("python-moto-5.2.5")?;
    let bin = folder.join("bin");
    if marked(&folder) {
        return Ok(bin);
    }
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(&folder);
    obtain("a Python environment", &mut venv, INSTALL)?;
    let mut pip = Command::new(bin.join("pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check"]).args(MOTO);
    obtain("moto and boto3 (pip)", &mut pip, INSTALL)?;
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
    let folder = folder("npm-prism-5.14.2")?;
    let program = folder.join("node_modules/.bin/prism");
    if marked(&folder) {
        return Ok(program);
    }
    let mut npm = Command::new("npm");
    npm.args(["install", "--silent", "--no-fund", "--no-audit", "--prefix"])
        .arg(&folder)
        .arg(PRISM);
    obtain("Prism (npm)", &mut npm, INSTALL)?;
    mark(&folder)?;
    Ok(program)
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
