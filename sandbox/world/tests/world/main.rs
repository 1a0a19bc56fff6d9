//! The simulated providers as a plain HTTP client sees them.

mod account;
mod actions;
mod admin;
mod aws;
mod credentials;
mod definitions;
mod deliveries;
mod events;
mod example;
mod faults;
mod formats;
mod harness;
mod json;
mod load;
