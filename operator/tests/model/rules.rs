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
    /// What an effect came to is written only over its own intent.
    OwnIntent,
    /// Asking again is an effect with an intent, a version and a wait of its own.
    RepeatAnew,
    /// What is adopted carries the object's marks.
    OwnMarks,
}

impl Rule {
    /// All of them, each with the scenario that shows what it is for. That a process decides on no copy
    /// older than its own last write is guarded twice: every write is made on the version that was
    /// decided on. It is needed where that is not so.
    pub(crate) const ALL: [(&'static [Self], &'static str); 13] = [
        (&[Self::IntentFirst], "tag"),
        (&[Self::WaitForTheLag], "tag"),
        (&[Self::WaitForTheCall], "tag"),
        (&[Self::OneToken], "keyed"),
        (&[Self::NoGuess], "tag, copied"),
        (&[Self::OwnWrites, Self::OneVersion], "tag"),
        (&[Self::OneVersion], "tag, two operators"),
        (&[Self::UnknownIsNoFailure], "tag"),
        (&[Self::ResolveBeforeRelease], "tag"),
        (&[Self::SameRequest], "keyed, edited"),
        (&[Self::OwnIntent], "tag, two operators"),
        (&[Self::RepeatAnew], "keyed"),
        (&[Self::OwnMarks], "tag"),
    ];
}
