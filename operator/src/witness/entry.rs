//! What one entry of the log says.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest entry that the bundle format can hold: its length is 16 bits.
const MAX_ENTRY_BYTES: usize = u16::MAX as usize;
/// HMAC-SHA256 in hex.
const DIGEST_CHARS: usize = 64;

/// Which of the moments of an effect an entry records.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The effect is about to be attempted.
    Intent,
    /// What became of the effect whose intent `intent_index` names.
    Outcome,
    /// The operator chose: placement, failover, budget.
    Decision,
}

/// The Kubernetes object an entry is about.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
pub struct ObjectId {
    /// Kind, as in the manifest.
    pub kind: String,
    /// Namespace; empty for a cluster-scoped object.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID that the API server gave it.
    pub uid: String,
}

/// A price or a charge; decimal, never a float.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// Amount in whole units of the currency, written as a decimal string.
    pub amount: Decimal,
    /// ISO 4217 code.
    pub currency: String,
    /// What the amount is paid for each of (`hour`, `minute`); absent for a one-time charge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<String>,
}

/// One entry of the witness log.
///
/// Its JSON has the keys in the order of the fields, and leaves out what is absent. It has no
/// place for a body; what identifies a request or a thing outside the cluster is a keyed digest.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When it happened, by the operator's clock.
    pub at: DateTime<Utc>,
    /// Intent, outcome or decision.
    pub phase: Phase,
    /// The object it was done for.
    pub object: ObjectId,
    /// Name of the `Provider`; absent where no provider is concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// What is done: `machine.create`, `failover`.
    pub verb: String,
    /// Idempotency token of the effect; the same in intent and outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Keyed digest of the request that leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_digest: Option<String>,
    /// Of an outcome: the index of its intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent_index: Option<u64>,
    /// Of an outcome: `Ok` or the class of the error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Keyed digest of the provider's id of the thing: at some providers the id is a phone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id_digest: Option<String>,
    /// Price or charge, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Who acted: the operator's instance, or the user whose request it was.
    pub actor: String,
    /// A sentence for people; never provider text, which may quote personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Why an entry is not acceptable.
#[derive(Debug, Error)]
pub enum EntryError {
    /// The entry could not be written as JSON.
    #[error("cannot encode the witness entry")]
    Encode {
        /// What the encoder said.
        #[source]
        source: serde_json::Error,
    },
    /// The bundle format ends at 65,535 bytes an entry.
    #[error("witness entry of {bytes} bytes is longer than {MAX_ENTRY_BYTES}")]
    TooLong {
        /// Its length as JSON.
        bytes: usize,
    },
    /// A digest field holds something else, which might be the very thing that must stay out.
    #[error("witness entry: {field:?} is not a digest of {DIGEST_CHARS} lower-case hex digits")]
    NotADigest {
        /// The field, as in the JSON.
        field: &'static str,
    },
}

impl Entry {
    /// The bytes that are hashed into the tree.
    pub(super) fn encode(&self) -> Result<Vec<u8>, EntryError> {
        check_digest("requestDigest", self.request_digest.as_deref())?;
        check_digest("externalIdDigest", self.external_id_digest.as_deref())?;
        let bytes = serde_json::to_vec(self).map_err(|source| EntryError::Encode { source })?;
        if bytes.len() > MAX_ENTRY_BYTES {
            return Err(EntryError::TooLong { bytes: bytes.len() });
        }
        Ok(bytes)
    }
}

fn check_digest(field: &'static str, value: Option<&str>) -> Result<(), EntryError> {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    match value {
        Some(text) if text.len() != DIGEST_CHARS || !text.bytes().all(hex) => {
            Err(EntryError::NotADigest { field })
        }
        _ => Ok(()),
    }
}
