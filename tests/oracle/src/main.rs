//! What programs that nobody here wrote say about this project: a real kube-apiserver of our
//! manifests, moto of our AWS, Prism of our requests and simulated answers.
//!
//! `cargo xtask oracle` runs it. Exit 0: all agreed. 1: one objects. 3: none objects, but something
//! could not be had here; the closing lines name it.

mod cache;
mod cluster;
mod day;
mod described;
mod diff;
mod doubles;
mod error;
mod home_assistant;
mod http;
mod kube;
mod litellm;
mod manifests;
mod moto;
mod obs;
mod prism;
mod process;
mod recorder;
mod report;
mod sdks;
mod simulated;
mod site;
mod suites;
mod tools;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};

use crate::report::Report;

/// Ask programs that nobody here wrote.
#[derive(Parser)]
#[command(name = "oracle")]
struct Cli {
    /// Ask these only. The first time, those about Kubernetes build it from Go modules: minutes.
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// Of the requests that both servers answer: those cases only whose name contains this.
    #[arg(long)]
    case: Option<String>,
    /// Of the random sequences of operations that both servers run: their seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Ask nothing; serve a real control plane, its kubeconfig in this folder, until input ends.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["only", "case"])]
    serve: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The operator's AWS against moto, judged with boto3.
    Moto,
    /// The operator's requests and the sandbox's answers through Prism, by official descriptions.
    Prism,
    /// The definitions that Prism cannot be asked about, by the vendors' descriptions.
    Described,
    /// Stand-ins of vendors that others wrote, asked by the CLI.
    Doubles,
    /// A real Home Assistant, told by the CLI what to do; minutes to install.
    HomeAssistant,
    /// A real LiteLLM proxy before aimock, asked by the CLI; minutes to install.
    Litellm,
    /// The vendors' own verifiers, of what the simulated providers deliver.
    Sdks,
    /// A real OBS Studio, headless, told by the CLI what to do.
    Obs,
    /// The CRDs and example manifests on a real kube-apiserver, built from Go modules.
    Kube,
    /// The embedded API against a real kube-apiserver: the same requests, answer by answer.
    ApiDiff,
    /// A day's work with kubectl on a real server and on the embedded one.
    Day,
    /// The end-to-end tests and those of kube-rs on a real server.
    Suites,
    /// moto's own judgement of a signature, by boto3, without anything of ours: the control.
    Boto,
}

impl Part {
    const ALL: [Self; 13] = [
        Self::Boto,
        Self::Moto,
        Self::Described,
        Self::Doubles,
        Self::Sdks,
        Self::Litellm,
        Self::Obs,
        Self::HomeAssistant,
        Self::Prism,
        Self::Kube,
        Self::ApiDiff,
        Self::Day,
        Self::Suites,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Moto => "moto",
            Self::Described => "described",
            Self::Doubles => "doubles",
            Self::HomeAssistant => "home-assistant",
            Self::Litellm => "litellm",
            Self::Sdks => "sdks",
            Self::Obs => "obs",
            Self::Prism => "prism",
            Self::Kube => "kube",
            Self::ApiDiff => "api-diff",
            Self::Day => "day",
            Self::Suites => "suites",
            Self::Boto => "boto",
        }
    }

    fn ask(self, report: &mut Report, cli: &Cli) -> Result<(), error::Error> {
        match self {
            Self::Moto => moto::ask(report).and_then(|()| moto::regions(report)),
            Self::Described => described::ask(report),
            Self::Doubles => doubles::ask(report),
            Self::HomeAssistant => home_assistant::ask(report),
            Self::Litellm => litellm::ask(report),
            Self::Sdks => sdks::ask(report),
            Self::Obs => obs::ask(report),
            Self::Prism => prism::ask(report),
            Self::Kube => kube::ask(report),
            Self::ApiDiff => diff::ask(report, cli.case.as_deref(), cli.seed),
            Self::Day => day::ask(report),
            Self::Suites => suites::ask(report),
            Self::Boto => moto::control(report),
        }
    }
}

fn main() -> ExitCode {
    // That another provider was chosen before is impossible here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = Cli::parse();
    if let Some(folder) = &cli.serve {
        return match serve(folder) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                say(&error::chain(&error));
                ExitCode::FAILURE
            }
        };
    }
    let parts = if cli.only.is_empty() { Part::ALL.to_vec() } else { cli.only.clone() };
    let mut report = Report::default();
    for part in &parts {
        report.begin(part.name());
        let began = Instant::now();
        if let Err(error) = part.ask(&mut report, &cli) {
            report.ended_by(&error);
        }
        say(&format!("   ..  {} took {} s", part.name(), began.elapsed().as_secs()));
    }
    report.close()
}

/// A real control plane for as long as somebody holds the other end of standard input.
fn serve(folder: &Path) -> Result<(), error::Error> {
    let programs = tools::kubernetes()?;
    let cluster = cluster::Cluster::start(&programs, folder)?;
    // Complete when it appears: whoever waits for it reads it at once.
    let (pids, draft) = (folder.join("pids"), folder.join("pids.draft"));
    std::fs::write(&draft, cluster.pids()).map_err(error::at(&draft))?;
    std::fs::rename(&draft, &pids).map_err(error::at(&pids))?;
    say(&format!("export KUBECONFIG={}", cluster.kubeconfig().display()));
    let ended = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    ended.map(drop).map_err(error::at("standard input"))
}

#[expect(clippy::print_stdout, reason = "a person waits for it")]
fn say(line: &str) {
    println!("{line}");
}
