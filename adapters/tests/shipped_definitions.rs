//! Every definition we ship compiles.

use std::path::{Path, PathBuf};

use infrafabric_adapters::compile::{Compiled, parse};
use infrafabric_adapters::registry::Registry;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn every_built_in_definition_compiles() {
    let registry = Registry::built_in();
    if let Err(problems) = registry.compile_all() {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", lines.join("\n"));
    }
    assert!(registry.names().len() >= 3);
}

/// What the build embeds is what the file says, and the file says the same to every reader of YAML.
#[test]
fn every_file_is_embedded_as_it_reads() {
    let registry = Registry::built_in();
    for (name, _) in registry.names() {
        let domain = registry.get(&name).expect("built in").0.spec().domain;
        let file = format!("adapters/providers/{}/{name}.yaml", domain.as_str());
        let path = repository().join(file);
        let text = std::fs::read_to_string(&path).expect("a file");
        let (_, spec) = registry.read(&text, &name).unwrap_or_else(|error| panic!("{error:?}"));
        let embedded = registry.simulated(&name).expect("built in");
        assert_eq!(*embedded.spec(), spec, "{name}");
        assert_eq!(embedded.digest(), spec.digest(), "{name}");
        let in_use = registry.get(&name).expect("built in").0;
        assert_eq!(in_use.digest(), spec.digest(), "{name}");
        assert!(in_use.sandbox.is_none(), "{name}: only simulators need it");
    }
}

#[test]
fn every_example_definition_compiles() {
    for file in ["provider-definition/hetzner.yaml", "bench/bench.yaml"] {
        let text = std::fs::read_to_string(repository().join("examples").join(file)).expect(file);
        let (name, spec) = parse(&text, file).unwrap_or_else(|error| panic!("{error}"));
        if let Err(problems) = Compiled::new(&name, spec) {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            panic!("{file}:\n{}", lines.join("\n"));
        }
    }
}

/// How long a file may be without its `sandbox` section, blank lines and comments.
const CEILING: usize = 250;
const MEDIAN: usize = 90;

#[test]
fn definitions_stay_readable_in_one_sitting() {
    let domains = std::fs::read_dir(repository().join("adapters/providers")).expect("a folder");
    let domains = domains.map(|domain| domain.expect("a folder").path());
    let files = domains.flat_map(|domain| std::fs::read_dir(domain).expect("a folder"));
    let mut lengths: Vec<(usize, PathBuf)> = files
        .map(|file| file.expect("a file").path())
        .map(|file| {
            let text = std::fs::read_to_string(&file).expect("a text");
            let before = text.split("\n  sandbox:\n").next().unwrap_or_default();
            let says = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with('#');
            (before.lines().filter(says).count(), file)
        })
        .collect();
    lengths.sort();
    let middle = lengths.len() / 2;
    let median = usize::midpoint(lengths[(lengths.len() - 1) / 2].0, lengths[middle].0);
    assert!(median <= MEDIAN, "the median is {median}: {lengths:?}");
    let longest = lengths.last().expect("one");
    assert!(longest.0 <= CEILING, "{longest:?}");
}
