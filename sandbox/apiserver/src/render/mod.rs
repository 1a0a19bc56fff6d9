//! Objects as clients ask to see them: in a version, as metadata only, as table rows.

pub(crate) mod columns;
pub(crate) mod jsonpath;
pub(crate) mod list;
pub(crate) mod table;
pub(crate) mod view;
