//! Scenes: what a device does is read, what differs is commanded in order, and what was accepted is
//! looked at until it is so.

use std::time::Duration;

use infrafabric_definition::Class;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::Account;
use super::actions::Act;
use crate::alike::alike;
use crate::contract::production::{Look, SceneState, SceneWant};
use crate::error::AdapterError;
use crate::pipeline::DeviceEvent;

/// What a device is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// The contract's action.
    pub action: &'static str,
    /// What it wants.
    pub want: Json,
}

/// What was done until a device did what it shall.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Staged {
    /// What it was told, in order; nothing when all was so already.
    pub commands: Vec<Command>,
    /// What it does now.
    pub state: SceneState,
}

/// What is wrong with a wish in the face of what there is.
#[derive(Debug, PartialEq, Eq)]
pub struct Unknown {
    /// `scene` or `switch`.
    pub what: &'static str,
    /// The name that is not there.
    pub name: String,
    /// Names like it, the likest first.
    pub alike: Vec<String>,
}

/// The commands that close the difference: off air before anything, lights, the preview, the program, and
/// on air at last.
///
/// # Errors
/// What names a scene or switch that is not there.
pub fn plan(want: &SceneWant, now: &SceneState) -> Result<Vec<Command>, Unknown> {
    for scene in [&want.program, &want.preview].into_iter().flatten() {
        known("scene", scene, now.scenes.iter())?;
    }
    for entity in want.switches.keys() {
        known("switch", entity, now.switches.keys())?;
    }
    let mut commands = Vec::new();
    let mut add = |action, want| commands.push(Command { action, want });
    if want.streaming == Some(false) && now.streaming != Some(false) {
        add("stopStreaming", json!({}));
    }
    if want.recording == Some(false) && now.recording != Some(false) {
        add("stopRecording", json!({}));
    }
    for (entity, on) in &want.switches {
        if now.switches.get(entity).map(String::as_str) != Some(word(*on)) {
            add("switch", json!({"entity": entity, "on": on}));
        }
    }
    for (action, wanted, is) in
        [("prepare", &want.preview, &now.preview), ("show", &want.program, &now.program)]
    {
        if let Some(scene) = wanted.as_ref().filter(|_| wanted != is) {
            add(action, json!({"scene": scene}));
        }
    }
    if want.recording == Some(true) && now.recording != Some(true) {
        add("startRecording", json!({}));
    }
    if want.streaming == Some(true) && now.streaming != Some(true) {
        add("startStreaming", json!({}));
    }
    Ok(commands)
}

/// Whether a device shows what a command is about.
fn shows(action: &str, now: &SceneState) -> bool {
    match action {
        "show" => now.program.is_some(),
        "prepare" => now.preview.is_some(),
        "startStreaming" | "stopStreaming" => now.streaming.is_some(),
        "startRecording" | "stopRecording" => now.recording.is_some(),
        _ => true,
    }
}

fn word(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn known<'a>(
    what: &'static str,
    name: &str,
    all: impl Iterator<Item = &'a String> + Clone,
) -> Result<(), Unknown> {
    if all.clone().any(|known| known == name) {
        return Ok(());
    }
    Err(Unknown { what, name: name.to_owned(), alike: alike(name, all) })
}

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "there is no {} `{}`", self.what, self.name)?;
        if !self.alike.is_empty() {
            write!(f, "; did you mean {}?", self.alike.join(", "))?;
        }
        Ok(())
    }
}

/// What a device pushes, as it comes.
#[derive(Debug)]
pub struct DeviceEvents(tokio::sync::broadcast::Receiver<Option<DeviceEvent>>);

impl DeviceEvents {
    /// The next event; `None` when the connection has ended: what happened since is seen by looking, and
    /// [`Account::events`] connects again. What came too fast to be kept is left out.
    pub async fn next(&mut self) -> Option<DeviceEvent> {
        use tokio::sync::broadcast::error::RecvError;
        loop {
            match self.0.recv().await {
                Ok(event) => return event,
                Err(RecvError::Lagged(lost)) => {
                    tracing::warn!(lost, "events of a device came too fast");
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

impl Account {
    /// What the device pushes from now on. The account must be kept: with it the connection ends.
    ///
    /// # Errors
    /// Class `Unsupported` where the provider pushes nothing, `Auth` when it refuses the credentials,
    /// `Unavailable` when it cannot be reached.
    pub async fn events(&self) -> Result<DeviceEvents, AdapterError> {
        self.pipeline.events().await.map(DeviceEvents)
    }

    /// Makes a device do what it shall. What it does is read first, so that nothing is told twice, and
    /// looked at again after the last command: a device that accepts does not yet do.
    ///
    /// # Errors
    /// Class `Invalid` for a scene or switch that is not there, before any command; `Unavailable` when it
    /// accepted all and does not do so within `settle`.
    pub async fn stage(
        &self,
        want: &SceneWant,
        settle: Duration,
        act: Act<'_>,
    ) -> Result<Staged, AdapterError> {
        let state = self.act(&Look {}, act).await?;
        let fail = |class, message: String| {
            AdapterError::new(class, self.definition.name(), "stage", message)
        };
        let commands =
            plan(want, &state).map_err(|unknown| fail(Class::Invalid, unknown.to_string()))?;
        if commands.is_empty() {
            return Ok(Staged { commands, state });
        }
        for command in &commands {
            let token = format!("{} {} {}", act.token, command.action, command.want);
            let act = Act { token: &token, ..act };
            self.perform(command.action, &command.want, act).await?;
        }
        let until = Instant::now() + settle;
        let mut pause = Duration::from_millis(20);
        loop {
            let state = self.act(&Look {}, act).await?;
            let mut left =
                plan(want, &state).map_err(|gone| fail(Class::NotFound, gone.to_string()))?;
            // What the device does not show cannot be looked at.
            left.retain(|command| shows(command.action, &state));
            if left.is_empty() {
                return Ok(Staged { commands, state });
            }
            if Instant::now() >= until {
                let names: Vec<&str> = left.iter().map(|command| command.action).collect();
                let message = format!("accepted, and not so yet: {}", names.join(", "));
                let mut error = fail(Class::Unavailable, message);
                error.sent = true;
                return Err(error);
            }
            tokio::time::sleep_until(until.min(Instant::now() + pause)).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> SceneState {
        SceneState {
            program: Some("Intro".to_owned()),
            scenes: vec!["Intro".to_owned(), "Main Stage".to_owned(), "Outro".to_owned()],
            streaming: Some(false),
            recording: Some(true),
            switches: [("light.stage".to_owned(), "off".to_owned())].into(),
            ..SceneState::default()
        }
    }

    #[test]
    fn what_is_so_already_is_not_told() {
        let want = SceneWant {
            program: Some("Intro".to_owned()),
            streaming: Some(false),
            recording: Some(true),
            switches: [("light.stage".to_owned(), false)].into(),
            ..SceneWant::default()
        };
        assert_eq!(plan(&want, &now()), Ok(Vec::new()));
        assert_eq!(plan(&SceneWant::default(), &now()), Ok(Vec::new()));
    }

    #[test]
    fn going_on_air_comes_last_and_going_off_first() {
        let actions = |want: &SceneWant, now: &SceneState| {
            let commands = plan(want, now).expect("known");
            commands.iter().map(|command| command.action).collect::<Vec<_>>()
        };
        let on = SceneWant {
            program: Some("Main Stage".to_owned()),
            streaming: Some(true),
            recording: Some(false),
            switches: [("light.stage".to_owned(), true)].into(),
            ..SceneWant::default()
        };
        let order = ["stopRecording", "switch", "show", "startStreaming"];
        assert_eq!(actions(&on, &now()), order);
        let off = SceneWant {
            streaming: Some(false),
            program: on.program.clone(),
            ..SceneWant::default()
        };
        let live = SceneState { streaming: Some(true), ..now() };
        assert_eq!(actions(&off, &live), ["stopStreaming", "show"]);
    }

    #[test]
    fn a_name_that_is_not_there_has_names_like_it() {
        let want = SceneWant { program: Some("main stag".to_owned()), ..SceneWant::default() };
        let unknown = plan(&want, &now()).expect_err("unknown");
        assert_eq!(unknown.to_string(), "there is no scene `main stag`; did you mean Main Stage?");
    }
}
