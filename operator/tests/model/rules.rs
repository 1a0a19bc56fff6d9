//! The rules that keep effects from happening twice. Each can be switched off, in the model only.

/// A rule of the journal or of recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The intent stands in the stored status before the request leaves.
    IntentFirst,
    /// An empty list counts only once it must show what was made.
    WaitForTheLag,
    /// An empty list counts only once no request can be under way.
    WaitForTheCall,
    /// An attempt has one token, however often it is asked for.
    OneToken,
    /// Several things found are nobody's guess.
    NoGuess,
    /// No decision is made on a copy that is older than the process's own last write.
    OwnWrites,
    /// An intent is written on the very version that was decided on.
    OneVersion,
    /// An unknown outcome is no failure.
    UnknownIsNoFailure,
    /// A deleted object goes only after its open create is resolved.
    ResolveBeforeRelease,
    /// A token is used again for the same request only.
    SameRequest,
    /// What is adopted carries the object's marks.
    OwnMarks,
}

impl Rule {
    /// All of them.
    pub(crate) const ALL: [Self; 11] = [
        Self::IntentFirst,
        Self::WaitForTheLag,
        Self::WaitForTheCall,
        Self::OneToken,
        Self::NoGuess,
        Self::OwnWrites,
        Self::OneVersion,
        Self::UnknownIsNoFailure,
        Self::ResolveBeforeRelease,
        Self::SameRequest,
        Self::OwnMarks,
    ];
}
