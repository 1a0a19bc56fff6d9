//! The simulated providers as a plain HTTP client sees them.

mod admin;
mod aws;
mod definitions;
mod faults;
mod harness;
mod json;
mod load;
