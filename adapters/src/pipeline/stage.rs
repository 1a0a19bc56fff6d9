//! The order of the pipeline, written once.

/// A step of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Is the operation declared, and can its request be rendered?
    Capability,
    /// The span and the metrics begin.
    Observe,
    /// May it cost what it costs?
    Budget,
    /// Is the provider serving at all?
    Breaker,
    /// Does the account's rate allow a request now?
    Rate,
    /// Effects: the intent is written down (and witnessed by the caller's journal).
    Intent,
    /// Effects: the right to act still stands.
    Permit,
    /// The credentials are applied.
    Sign,
    /// The request leaves.
    Send,
    /// The answer gets its class.
    Classify,
    /// Once more, from the breaker on?
    Retry,
    /// Effects: the outcome is written down.
    Outcome,
    /// What it costs from now on.
    Cost,
}

/// Every stage in its order. An access token, where the scheme has one, is fetched between
/// [`Stage::Rate`] and [`Stage::Intent`] when it is due. A retry goes back to [`Stage::Breaker`] and finds the intent written
/// down already.
pub const ORDER: [Stage; 13] = [
    Stage::Capability,
    Stage::Observe,
    Stage::Budget,
    Stage::Breaker,
    Stage::Rate,
    Stage::Intent,
    Stage::Permit,
    Stage::Sign,
    Stage::Send,
    Stage::Classify,
    Stage::Retry,
    Stage::Outcome,
    Stage::Cost,
];

/// The way of one call through the pipeline.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    /// The stages entered, in order.
    pub(crate) stages: Vec<Stage>,
    /// How many requests left.
    pub(crate) sends: u32,
}

impl Trail {
    pub(crate) fn enter(&mut self, stage: Stage) {
        self.stages.push(stage);
        self.sends += u32::from(stage == Stage::Send);
    }
}
