//! A real kube-apiserver: do the CRDs install, are good manifests taken and bad ones refused with
//! messages that name the field?

use std::path::Path;
use std::time::Duration;

use crate::cache::{checkout, own};
use crate::cluster::Cluster;
use crate::error::{Error, at};
use crate::manifests::{Refused, yaml_files};
use crate::process::{Said, run};
use crate::report::Report;
use crate::tools::kubernetes;

const COMMAND: Duration = Duration::from_mins(1);

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

fn apply(cluster: &Cluster, file: &Path, more: &[&str]) -> Result<Said, Error> {
    let mut command = cluster.kubectl(&["apply", "--validate=strict"]);
    run(command.args(more).arg("-f").arg(file), COMMAND)
}

/// The CRDs install as they are, without a warning, and are served.
fn definitions(cluster: &Cluster, report: &mut Report) -> Result<(), Error> {
    let folder = checkout().join("crds/manifests");
    for file in yaml_files(&folder)? {
        let said = apply(cluster, &file, &["--server-side", "--warnings-as-errors"])?;
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
        let said = apply(cluster, &file, &["--warnings-as-errors"])?;
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
            concat!(
                r#"{"after":"2m","failback":{"after":"10m","policy":"Never"},"#,
                r#""onClasses":["Capacity","Quota","Unavailable","Auth","OutOfCredit"]}"#
            ),
        ),
        ("cloudmachine/by-requirements", "{.spec.deletionPolicy}", "Delete"),
        ("cloudmachine/by-requirements", "{.spec.suspend}", "false"),
        ("cloudmachine/by-requirements", "{.status.observedGeneration}", "-1"),
        ("cloudmachine/with-failover", "{.spec.failover.onClasses}", r#"["Capacity"]"#),
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
        let said = apply(cluster, &file, &[])?;
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
        let said = apply(cluster, &file, &["--dry-run=server", "--warnings-as-errors"])?;
        report.check(&format!("example {} is valid", name(&file)), said.success, &said.all);
    }
    Ok(())
}

fn name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
