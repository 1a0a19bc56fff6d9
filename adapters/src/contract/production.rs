//! Contract `production`: what a mixer, a recorder, lights and switches do now, and what they shall do.
//!
//! An account is one device, so that nothing here has an identity. Every command says what shall be, never
//! that something shall change: given twice, it is the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ACTION, ActionContract, Does, DomainContract, Kind, needed, optional};
use crate::account::Action;

/// What a device does now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SceneState {
    /// The scene on air.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// The scene that is prepared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<String>,
    /// Every scene that there is.
    #[serde(default)]
    pub scenes: Vec<String>,
    /// Every source of picture or sound.
    #[serde(default)]
    pub inputs: Vec<String>,
    /// Whether it sends to the world.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streaming: Option<bool>,
    /// Whether it records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<bool>,
    /// Lights, switches and the like, by their identity: `on`, `off`, or the device's word for neither.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub switches: BTreeMap<String, String>,
    /// The device's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// What a device shall do; what is not said stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SceneWant {
    /// The scene on air.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// The scene that is prepared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<String>,
    /// Whether it sends to the world.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streaming: Option<bool>,
    /// Whether it records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<bool>,
    /// Lights and switches by their identity: whether each is on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub switches: BTreeMap<String, bool>,
}

/// Asks what the device does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {}

/// Takes a picture of a scene.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Screenshot {
    /// The scene.
    pub scene: String,
}

/// A picture.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// PNG in base64, perhaps as a `data:` address.
    pub image: String,
}

impl Action for Look {
    const NAME: &'static str = "look";
    type Given = SceneState;
}
impl Action for Screenshot {
    const NAME: &'static str = "screenshot";
    type Given = Picture;
}

const STAGE: Does = Does::Set("stage");
const SCENE: &str = r#"{"scene": "Intro"}"#;

const fn command(name: &'static str, about: &'static str) -> ActionContract {
    ActionContract { name, about, does: STAGE, ..ACTION }
}

/// The contract as data.
pub const CONTRACT: DomainContract = DomainContract {
    events: None,
    objects: &[],
    catalogs: &[],
    actions: &[
        ActionContract {
            name: "look",
            about: "says what the device does now",
            does: Does::See("stage"),
            outputs: &[
                optional("program", Kind::Text, "the scene on air"),
                optional("preview", Kind::Text, "the scene that is prepared"),
                optional("scenes", Kind::Texts, "every scene"),
                optional("inputs", Kind::Texts, "every source of picture or sound"),
                optional("streaming", Kind::Bool, "whether it sends to the world"),
                optional("recording", Kind::Bool, "whether it records"),
                optional("switches", Kind::Labels, "on, off, or the device's word, by identity"),
                optional("version", Kind::Text, "the device's version"),
            ],
            ..ACTION
        },
        ActionContract {
            inputs: &[needed("scene", Kind::Text, "the scene")],
            example: SCENE,
            ..command("show", "puts a scene on air")
        },
        ActionContract {
            inputs: &[needed("scene", Kind::Text, "the scene")],
            example: SCENE,
            ..command("prepare", "puts a scene into the preview")
        },
        command("startStreaming", "begins to send to the world"),
        command("stopStreaming", "ends sending"),
        command("startRecording", "begins to record"),
        command("stopRecording", "ends recording"),
        ActionContract {
            inputs: &[
                needed("entity", Kind::Text, "the light or switch"),
                needed("on", Kind::Bool, "whether it shall be on"),
            ],
            example: r#"{"entity": "light.stage", "on": true}"#,
            ..command("switch", "switches a light or something else on or off")
        },
        ActionContract {
            name: "screenshot",
            about: "takes a picture of a scene",
            does: Does::See("stage"),
            inputs: &[needed("scene", Kind::Text, "the scene")],
            outputs: &[needed("image", Kind::Text, "PNG in base64")],
            example: SCENE,
            ..ACTION
        },
    ],
};
