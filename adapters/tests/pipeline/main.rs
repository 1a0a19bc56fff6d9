//! The pipeline against a provider on loopback that answers as each test tells it.

mod answers;
mod aws;
mod beside;
mod credentials;
mod definitions;
mod effects;
mod hostile;
mod limits;
mod machines;
