//! No request leaves except through the pipeline.

use std::fs;
use std::path::{Path, PathBuf};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

fn files(dir: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files(&path, ending, found);
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).expect("a text file")
}

#[test]
fn only_the_pipeline_knows_an_http_client() {
    let root = workspace();
    let mut manifests = Vec::new();
    files(&root, "Cargo.toml", &mut manifests);
    let depends = |path: &PathBuf| {
        text(path).lines().any(|line| line.trim_start().starts_with("reqwest"))
            && **path != root.join("Cargo.toml")
    };
    manifests.retain(depends);
    manifests.sort();
    // The benchmark has the bare client that ours is compared with.
    assert_eq!(manifests, [root.join("adapters/Cargo.toml"), root.join("tests/bench/Cargo.toml")]);

    let mut sources = Vec::new();
    files(&root.join("adapters/src"), ".rs", &mut sources);
    let outside: Vec<_> = sources
        .iter()
        .filter(|path| {
            text(path).contains("reqwest::")
                && !path.starts_with(root.join("adapters/src/pipeline"))
        })
        .collect();
    assert_eq!(outside, Vec::<&PathBuf>::new());
}

#[test]
fn the_pipeline_sends_in_one_place() {
    let mut sources = Vec::new();
    files(&workspace().join("adapters/src"), ".rs", &mut sources);
    let sends = |path: &PathBuf| {
        text(path).contains("clippy::disallowed_methods") && !path.ends_with("clock.rs")
    };
    sources.retain(sends);
    let names: Vec<_> = sources.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    assert_eq!(names, ["send.rs"]);
    assert_eq!(text(&sources[0]).matches("clippy::disallowed_methods").count(), 1);
}

/// Connections that stay are opened beside that place, and nowhere else.
#[test]
fn only_the_pipeline_opens_connections() {
    let source = workspace().join("adapters/src");
    let mut sources = Vec::new();
    files(&source, ".rs", &mut sources);
    let opens = |path: &PathBuf| {
        let text = text(path);
        let tests = path.ends_with("tests.rs");
        !tests
            && ["TcpStream::connect", "connect_async", "client_async"]
                .iter()
                .any(|call| text.contains(call))
    };
    sources.retain(opens);
    sources.sort();
    let socket = source.join("pipeline/socket");
    assert_eq!(sources, [socket.join("vmix.rs"), socket.join("web.rs")]);
}
