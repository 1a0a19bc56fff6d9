//! Every definition we ship compiles.

use std::path::{Path, PathBuf};

use infrafabric_adapters::compile::{Compiled, parse};
use infrafabric_adapters::registry::Registry;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn every_built_in_definition_compiles() {
    let registry = Registry::built_in().expect("names are unique");
    if let Err(problems) = registry.compile_all() {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", lines.join("\n"));
    }
    assert!(registry.names().len() >= 3);
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
