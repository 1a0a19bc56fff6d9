//! Reads a definition from a manifest: strict keys, bounded input, one meaning for every reader.

use std::collections::BTreeMap;
use std::fmt;

use infrafabric_definition::{Definition, Given};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_saphyr::{DuplicateKeyPolicy, MergeKeyPolicy, Options};
use thiserror::Error;

use super::dialect::{self, Outline};

/// The largest manifest that is read, in bytes.
const MAX_BYTES: usize = 512 * 1024;

const API_VERSION: &str = "infrafabric.io/v1alpha1";
const KIND: &str = "ProviderDefinition";

/// A place in a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file's name as the caller gave it.
    pub file: String,
    /// Line and column from 1, when known.
    pub at: Option<(usize, usize)>,
    /// The path of the value, `spec.objects.machine.create`, when known.
    pub path: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some((line, column)) = self.at {
            write!(f, ":{line}:{column}")?;
        }
        match &self.path {
            Some(path) => write!(f, " {path}"),
            None => Ok(()),
        }
    }
}

/// Why a manifest gives no definition.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LoadError {
    /// Larger than any honest definition.
    #[error("read {file}: {size} bytes, at most {MAX_BYTES} are read")]
    TooLarge {
        /// The file.
        file: String,
        /// Its size in bytes.
        size: usize,
    },
    /// No YAML at all.
    #[error("parse {place}: {reason}")]
    Syntax {
        /// Where.
        place: Place,
        /// What the parser says.
        reason: String,
    },
    /// A YAML 1.1 and a YAML 1.2 reader would read different values.
    #[error("read {place}: {reason}")]
    Ambiguous {
        /// Where.
        place: Place,
        /// Both meanings, and what to write.
        reason: String,
    },
    /// Not exactly one document.
    #[error("read {file}: {count} documents, give one definition a file")]
    Documents {
        /// The file.
        file: String,
        /// How many there are.
        count: usize,
    },
    /// A key or a value that a definition does not have.
    #[error("read {place}: {reason}")]
    Shape {
        /// Where.
        place: Place,
        /// What is wrong and what is expected.
        reason: String,
    },
    /// A manifest of something else.
    #[error("read {place}: {reason}")]
    Manifest {
        /// Where.
        place: Place,
        /// What is wrong and what is expected.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Manifest<S> {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: S,
}

/// What a manifest holds.
pub(crate) enum Loaded {
    /// A definition by itself.
    Whole(String, Box<Definition>),
    /// What it changes of another one.
    Extension(String, Given),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    name: String,
    #[serde(default, rename = "labels")]
    _labels: BTreeMap<String, String>,
    #[serde(default, rename = "annotations")]
    _annotations: BTreeMap<String, String>,
}

/// The name and the definition in a manifest that extends no other; `file` is for messages only.
pub fn parse(text: &str, file: &str) -> Result<(String, Definition), LoadError> {
    match read(text, file)? {
        Loaded::Whole(name, spec) => Ok((name, *spec)),
        Loaded::Extension(name, given) => {
            let base = given.extends().unwrap_or_default();
            let place =
                Place { file: file.to_owned(), at: None, path: Some("spec.extends".to_owned()) };
            let reason = format!("`{name}` extends `{base}`, which is not at hand here");
            Err(LoadError::Manifest { place, reason })
        }
    }
}

/// What a manifest holds; `file` is for messages only.
pub(crate) fn read(text: &str, file: &str) -> Result<Loaded, LoadError> {
    if text.len() > MAX_BYTES {
        return Err(LoadError::TooLarge { file: file.to_owned(), size: text.len() });
    }
    let outline = dialect::read(text, file)?;
    if outline.documents != 1 {
        return Err(LoadError::Documents { file: file.to_owned(), count: outline.documents });
    }
    if outline.position("spec.extends").is_some() {
        let (name, spec) = manifest(text, file, &outline)?;
        return Ok(Loaded::Extension(name, spec));
    }
    let (name, spec) = manifest(text, file, &outline)?;
    Ok(Loaded::Whole(name, Box::new(spec)))
}

/// The manifest's name and spec.
fn manifest<S: DeserializeOwned>(
    text: &str,
    file: &str,
    outline: &Outline,
) -> Result<(String, S), LoadError> {
    let manifest: Manifest<S> = serde_saphyr::from_str_with_options(text, options())
        .map_err(|error| shape(&error, outline, file))?;
    let wrong = |path: &str, reason: String| LoadError::Manifest {
        place: Place {
            file: file.to_owned(),
            at: outline.position(path),
            path: Some(path.to_owned()),
        },
        reason,
    };
    if manifest.api_version != API_VERSION {
        let reason = format!("`{}`, expected `{API_VERSION}`", manifest.api_version);
        return Err(wrong("apiVersion", reason));
    }
    if manifest.kind != KIND {
        return Err(wrong("kind", format!("`{}`, expected `{KIND}`", manifest.kind)));
    }
    if !is_dns_label(&manifest.metadata.name) {
        let reason = format!(
            "`{}` is no name: lower-case letters, digits and -, at most 63",
            manifest.metadata.name
        );
        return Err(wrong("metadata.name", reason));
    }
    Ok((manifest.metadata.name, manifest.spec))
}

/// Far above what a definition needs, far below what hurts.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 64,
            max_documents: 1,
            max_nodes: 50_000,
            max_total_scalar_bytes: MAX_BYTES,
            max_anchors: 64,
            max_aliases: 256,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        no_schema: true,
        reject_unsupported_tags: true,
        reject_tagged_field_names: true,
        with_snippet: false,
    }
}

fn shape(error: &serde_saphyr::Error, outline: &Outline, file: &str) -> LoadError {
    let at = error.location().and_then(|location| {
        Some((usize::try_from(location.line()).ok()?, usize::try_from(location.column()).ok()?))
    });
    // The place stands in front; the library repeats it at the end of its message.
    let mut reason = error.without_snippet().to_string();
    if let Some((line, column)) = at {
        for suffix in [
            format!(" at line {line}, column {column}"),
            format!(" at line {line} column {column}"),
            format!(" (line {line}, column {column})"),
        ] {
            reason = reason.replace(&suffix, "");
        }
    }
    let path = at.and_then(|(line, column)| outline.path(line, column));
    LoadError::Shape { place: Place { file: file.to_owned(), at, path }, reason }
}

fn is_dns_label(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&name.len())
        && name.chars().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}
