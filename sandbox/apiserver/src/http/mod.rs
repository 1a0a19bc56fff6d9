//! From HTTP requests to verbs and back.

mod admin;
mod body;
pub(crate) mod negotiate;
mod path;
mod respond;
mod route;

pub(crate) use route::handle;
