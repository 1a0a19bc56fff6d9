//! One stored object: its bytes, and the few facts that lists and controllers filter by.

use bytes::Bytes;
use serde_json::Value;

use super::Change;

/// How much text an object is expected to be.
const USUAL: usize = 1024;

/// An object as it was written at one revision.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) revision: u64,
    /// The JSON text, with this revision as its resourceVersion.
    pub(crate) bytes: Bytes,
    /// The line that tells watchers of the write, which shares its memory with the text.
    line: Option<(Change, Bytes)>,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) uid: String,
    /// The uids of its owners.
    pub(crate) owners: Vec<String>,
    /// Whether its deletion has begun.
    pub(crate) deleting: bool,
    /// Whether it has defaults that the next write of it writes down, whatever else it changes.
    pub(crate) fresh: bool,
    /// The generation of the schema it was admitted under; other schemas re-default it on read.
    pub(crate) epoch: u64,
}

impl Stored {
    pub(super) fn encode(mut object: Value, revision: u64, epoch: u64, change: Change) -> Self {
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("resourceVersion".to_owned(), Value::String(revision.to_string()));
        }
        let mut line = Vec::with_capacity(USUAL);
        line.extend_from_slice(head(change.name()).as_bytes());
        let start = line.len();
        // Writing a JSON value into memory cannot fail.
        let _ = serde_json::to_writer(&mut line, &object);
        let end = line.len();
        line.extend_from_slice(TAIL);
        line.shrink_to_fit();
        let line = Bytes::from(line);
        let mut stored = Self::with(&object, line.slice(start..end), revision, epoch);
        stored.line = Some((change, line));
        stored
    }

    /// An object that was encoded before; `Null` inside when it was not by us.
    pub(super) fn read(bytes: Bytes, revision: u64, epoch: u64) -> Self {
        let object: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        Self::with(&object, bytes, revision, epoch)
    }

    fn with(object: &Value, bytes: Bytes, revision: u64, epoch: u64) -> Self {
        let metadata = &object["metadata"];
        let labels = metadata["labels"].as_object().map_or_else(Vec::new, |labels| {
            labels
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                .collect()
        });
        let owners = metadata["ownerReferences"].as_array().map_or_else(Vec::new, |owners| {
            owners.iter().filter_map(|owner| Some(owner["uid"].as_str()?.to_owned())).collect()
        });
        let deleting = !metadata["deletionTimestamp"].is_null();
        let uid = metadata["uid"].as_str().unwrap_or_default().to_owned();
        Self { revision, bytes, line: None, labels, uid, owners, deleting, fresh: false, epoch }
    }

    /// The text as a line of a watch; the one that was written with it is not made again.
    pub(crate) fn line(&self, change: Change) -> Bytes {
        match &self.line {
            Some((own, line)) if *own == change => line.clone(),
            _ => line(change.name(), &self.bytes),
        }
    }

    /// The object, parsed anew.
    pub(crate) fn value(&self) -> Value {
        // The bytes were written by `encode`, so this cannot fail; null would be refused later.
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }
}

/// A line of a watch.
pub(crate) fn line(kind: &str, object: &[u8]) -> Bytes {
    [head(kind).as_bytes(), object, TAIL].concat().into()
}

fn head(kind: &str) -> String {
    format!("{{\"type\":\"{kind}\",\"object\":")
}

const TAIL: &[u8] = b"}\n";
