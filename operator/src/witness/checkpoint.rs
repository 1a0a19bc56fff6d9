//! The signed head of the log: <https://c2sp.org/tlog-checkpoint> in a <https://c2sp.org/signed-note>.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use signed_note::{Note, NoteError, Signature, StandardVerifier, VerifierError, VerifierList};
use thiserror::Error;
use tlog_tiles::{Checkpoint, Hash};

use super::keys::Keys;
use super::layout;

/// Why a checkpoint cannot be made or trusted.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The file could not be read.
    #[error("cannot read the checkpoint {file:?}")]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is not a signed checkpoint.
    #[error("{file:?} is not a signed checkpoint")]
    Malformed {
        /// The file.
        file: PathBuf,
    },
    /// Somebody else's key signed it.
    #[error("{file:?} is signed by {signers:?}, not by the key {expected:?}")]
    OtherKey {
        /// The file.
        file: PathBuf,
        /// Who signed, as `name+id`.
        signers: Vec<String>,
        /// Whose signature was expected, as a verifier key.
        expected: String,
    },
    /// The signature says it is by the right key and is not.
    #[error("the signature of {file:?} does not fit its text")]
    Signature {
        /// The file.
        file: PathBuf,
        /// What the verifier said.
        #[source]
        source: NoteError,
    },
    /// The verifier key itself is not one.
    #[error("{vkey:?} is not a verifier key of the form name+hash+base64")]
    Verifier {
        /// As it was given.
        vkey: String,
        /// What is wrong with it.
        #[source]
        source: VerifierError,
    },
    /// The origin cannot be the first line of a checkpoint.
    #[error("{origin:?} cannot be the origin of a log: it is empty or has control characters")]
    Origin {
        /// As it was given.
        origin: String,
    },
    /// Signing failed.
    #[error("cannot sign a checkpoint")]
    Sign {
        /// What the signer said.
        #[source]
        source: NoteError,
    },
}

/// The signed note that says: the log `origin` has `size` entries and the root `root`.
pub(super) fn sign(
    keys: &Keys,
    origin: &str,
    size: u64,
    root: Hash,
) -> Result<Vec<u8>, CheckpointError> {
    let refused = || CheckpointError::Origin { origin: origin.to_owned() };
    if origin.chars().any(char::is_control) {
        return Err(refused());
    }
    let checkpoint = Checkpoint::new(origin, size, root, "").map_err(|_| refused())?;
    let mut note = Note::new(&checkpoint.to_bytes(), &[])
        .map_err(|source| CheckpointError::Sign { source })?;
    note.add_sigs(&[keys]).map_err(|source| CheckpointError::Sign { source })?;
    Ok(note.to_bytes())
}

/// The checkpoint of the log in `dir` as its file says, signed by whomever.
pub(super) fn read(dir: &Path) -> Result<Checkpoint, CheckpointError> {
    let (file, bytes) = load(dir)?;
    parse(&file, &bytes).map(|(checkpoint, _)| checkpoint)
}

/// The checkpoint of the log in `dir`, if the key `vkey` signed it.
pub(super) fn verify(dir: &Path, vkey: &str) -> Result<Checkpoint, CheckpointError> {
    let verifier = StandardVerifier::new(vkey)
        .map_err(|source| CheckpointError::Verifier { vkey: vkey.to_owned(), source })?;
    let (file, bytes) = load(dir)?;
    let (checkpoint, note) = parse(&file, &bytes)?;
    match note.verify(&VerifierList::new(vec![Box::new(verifier)])) {
        Ok(_) => Ok(checkpoint),
        Err(NoteError::UnverifiedNote) => {
            let (signers, expected) = (signers(&bytes), vkey.to_owned());
            Err(CheckpointError::OtherKey { file, signers, expected })
        }
        Err(source) => Err(CheckpointError::Signature { file, source }),
    }
}

fn load(dir: &Path) -> Result<(PathBuf, Vec<u8>), CheckpointError> {
    let file = dir.join(layout::CHECKPOINT);
    match fs::read(&file) {
        Ok(bytes) => Ok((file, bytes)),
        Err(source) => Err(CheckpointError::Read { file, source }),
    }
}

fn parse(file: &Path, bytes: &[u8]) -> Result<(Checkpoint, Note), CheckpointError> {
    let malformed = || CheckpointError::Malformed { file: file.to_owned() };
    let note = Note::from_bytes(bytes).map_err(|_| malformed())?;
    let checkpoint = Checkpoint::from_bytes(note.text()).map_err(|_| malformed())?;
    Ok((checkpoint, note))
}

/// Who signed a well-formed note, as `name+id`.
fn signers(note: &[u8]) -> Vec<String> {
    note.split(|byte| *byte == b'\n')
        .filter_map(|line| Signature::from_bytes(line).ok())
        .map(|signature| format!("{}+{:08x}", signature.name(), signature.id()))
        .collect()
}
