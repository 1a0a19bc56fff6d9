//! What programs that nobody here wrote say about this project: a real kube-apiserver of our
//! manifests, moto of our AWS, Prism of our requests and simulated answers.
//!
//! `cargo xtask oracle` runs it. Exit 0: all agreed. 1: one objects. 3: none objects, but something
//! could not be had here; the closing lines name it.

mod cache;
mod error;
mod http;
mod kube;
mod manifests;
mod moto;
mod prism;
mod process;
mod recorder;
mod report;
mod simulated;
mod site;
mod tools;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use crate::report::Report;

/// Ask programs that nobody here wrote.
#[derive(Parser)]
#[command(name = "oracle")]
struct Cli {
    /// Ask these only. The default leaves out `kube`, which builds Kubernetes the first time.
    #[arg(long, value_enum)]
    only: Vec<Part>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The operator's AWS against moto, judged with boto3.
    Moto,
    /// The operator's requests and the sandbox's answers through Prism, by official descriptions.
    Prism,
    /// The CRDs and example manifests on a real kube-apiserver, built from Go modules.
    Kube,
    /// moto's own judgement of a signature, by boto3, without anything of ours: the control.
    Boto,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Moto => "moto",
            Self::Prism => "prism",
            Self::Kube => "kube",
            Self::Boto => "boto",
        }
    }

    fn ask(self, report: &mut Report) -> Result<(), error::Error> {
        match self {
            Self::Moto => moto::ask(report),
            Self::Prism => prism::ask(report),
            Self::Kube => kube::ask(report),
            Self::Boto => moto::control(report),
        }
    }
}

fn main() -> ExitCode {
    // That another provider was chosen before is impossible here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = Cli::parse();
    let parts = if cli.only.is_empty() {
        vec![Part::Boto, Part::Moto, Part::Prism]
    } else {
        cli.only.clone()
    };
    let mut report = Report::default();
    for part in &parts {
        report.begin(part.name());
        if let Err(error) = part.ask(&mut report) {
            report.ended_by(&error);
        }
    }
    if cli.only.is_empty() {
        report.note("kube was NOT asked: the first time it builds Kubernetes (15 minutes of one core); run `cargo xtask oracle --only kube`");
    }
    report.close()
}
