//! Where a device pushes what happens.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Text;

/// What a device speaks when it pushes: one of these. It is always asked at the host of `endpoint`, or
/// of what a Provider has in its place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Events {
    /// Home Assistant's websocket: its path beneath `endpoint`. The token goes there too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home_assistant: Option<Text>,
    /// The lines that vMix speaks over TCP: its port. No credentials go there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub vmix: Option<u16>,
}
