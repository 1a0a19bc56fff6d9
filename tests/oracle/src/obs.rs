//! A real OBS Studio, headless, told by the CLI what to do: as its user would.
//!
//! Its socket listens on every address and has no option for that, so that it runs in a network namespace of
//! its own, and the CLI enters there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::error::{Error, at};
use crate::process::{Running, Said, run};
use crate::report::Report;
use crate::tools;

const START: Duration = Duration::from_mins(1);
const ANSWER: Duration = Duration::from_secs(30);
const PASSWORD: &str = "if-test-password";
const SOURCES: usize = 50;

/// Asks it.
pub(crate) fn ask(report: &mut Report) -> Result<(), Error> {
    tools::obs()?;
    let temporary = tempfile::tempdir().map_err(at("a temporary folder"))?;
    let stage = Stage::start(temporary.path())?;
    stage.verify(report)?;
    stage.scenes(report)?;
    stage.recording(report)?;
    stage.refusals(report)
}

struct Stage {
    folder: PathBuf,
    namespace: u32,
    /// Ended in this order.
    running: Vec<Running>,
}

impl Stage {
    fn start(folder: &Path) -> Result<Self, Error> {
        configure(folder)?;
        let holder = Running::start(
            "the network namespace",
            Command::new("unshare").args([
                "--net",
                "sh",
                "-c",
                "ip link set lo up && exec sleep 600",
            ]),
            &folder.join("namespace.log"),
        )?;
        let mut stage =
            Self { folder: folder.to_owned(), namespace: holder.pid(), running: vec![holder] };
        let up = || run(stage.inside("ip").args(["link", "show", "lo", "up"]), ANSWER);
        let began = Instant::now();
        while !up().is_ok_and(|said| said.out.contains("UP")) && began.elapsed() < ANSWER {
            std::thread::sleep(Duration::from_millis(20));
        }
        let screen = Running::start(
            "Xvfb",
            stage.inside("Xvfb").args([":77", "-screen", "0", "1280x720x24", "-nolisten", "tcp"]),
            &folder.join("xvfb.log"),
        )?;
        let home = folder.join("home");
        let mut obs = stage.inside("obs");
        obs.args(["--multi", "--minimize-to-tray", "--websocket_ipv4_only"])
            .args(["--websocket_port", "4455", "--websocket_password", PASSWORD])
            .env("HOME", &home)
            .env("XDG_CONFIG_HOME", home.join(".config"))
            .env("XDG_RUNTIME_DIR", folder.join("run"))
            .env("LIBGL_ALWAYS_SOFTWARE", "1")
            .env("QT_QPA_PLATFORM", "xcb")
            .env("DISPLAY", ":77");
        let obs = Running::start("obs", &mut obs, &folder.join("obs.log"))?;
        stage.running.extend([obs, screen]);
        stage.running.rotate_left(1);
        let began = Instant::now();
        loop {
            let said = stage.tell("verify", &[])?;
            if said.success {
                return Ok(stage);
            }
            if began.elapsed() > START {
                let output = fs::read_to_string(folder.join("obs.log")).unwrap_or_default();
                let output = format!("{}\n{output}", said.all);
                return Err(Error::Failed { program: "obs".to_owned(), output });
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// A program in the namespace.
    fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--net", "--target", &self.namespace.to_string(), "--"]).arg(program);
        command
    }

    /// The CLI, on the real device.
    fn tell(&self, verb: &str, arguments: &[&str]) -> Result<Said, Error> {
        self.tell_with(&self.folder.join("password"), verb, arguments)
    }

    fn tell_with(&self, password: &Path, verb: &str, arguments: &[&str]) -> Result<Said, Error> {
        let program = tools::built("ifctl")?;
        let mut command = self.inside(&program.display().to_string());
        command
            .args(["provider", "try", "obs-studio", verb, "--endpoint", "http://127.0.0.1:4455"])
            .arg(format!("--secret=password={}", password.display()))
            .arg(format!("--journal={}", self.folder.join("journal.jsonl").display()))
            .args(arguments);
        run(&mut command, ANSWER)
    }

    fn look(&self) -> Result<Value, Error> {
        let said = self.tell("look", &[])?;
        Ok(serde_json::from_str(&said.out).unwrap_or_else(|_| json!(said.all)))
    }

    fn verify(&self, report: &mut Report) -> Result<(), Error> {
        report.check("a real OBS lets us in", self.tell("verify", &[])?.success, "refused");
        let wrong = self.folder.join("wrong");
        fs::write(&wrong, "not-it").map_err(at(&wrong))?;
        let said = self.tell_with(&wrong, "verify", &[])?;
        let refused = !said.success && said.all.contains("password is refused");
        report.check("a wrong password is told as one", refused, &said.all);
        let shown = said.all.contains("not-it");
        report.check("and is not shown", !shown, &said.all);
        Ok(())
    }

    fn scenes(&self, report: &mut Report) -> Result<(), Error> {
        let state = self.look()?;
        report.check("its scenes are read", state["program"] == "Intro", &state.to_string());
        let inputs = state["inputs"].as_array().map_or(0, Vec::len);
        report.check("and its inputs", inputs == SOURCES, &format!("{inputs} of {SOURCES}"));
        let off = state["streaming"] == false && state["recording"] == false;
        report.check("and that it rests", off, &state.to_string());
        let mut watch = self.inside(&tools::built("ifctl")?.display().to_string());
        watch
            .args(["provider", "try", "obs-studio", "events", "--seconds", "6"])
            .args(["--endpoint", "http://127.0.0.1:4455"])
            .arg(format!("--secret=password={}", self.folder.join("password").display()));
        let log = self.folder.join("events.log");
        let watching = Running::start("the events", &mut watch, &log)?;
        std::thread::sleep(Duration::from_secs(1));
        let said = self.tell("stage", &["--want", r#"{"program": "Main"}"#])?;
        report.check("a scene is put on air", said.success, &said.all);
        let state = self.look()?;
        report.check("and is on air", state["program"] == "Main", &state.to_string());
        let again = self.tell("stage", &["--want", r#"{"program": "Main"}"#])?;
        let told = again.all.contains("show");
        report.check("it is not told what it does already", again.success && !told, &again.all);
        let began = Instant::now();
        let pushed = || fs::read_to_string(&log).unwrap_or_default();
        while !pushed().contains("CurrentProgramSceneChanged") && began.elapsed() < ANSWER {
            std::thread::sleep(Duration::from_millis(100));
        }
        let event = pushed().contains("CurrentProgramSceneChanged");
        report.check("it pushes what changed", event, &pushed());
        drop(watching);
        let said = self.tell("look", &["--times", "50"])?;
        let figure = said.all.lines().find(|line| line.contains("median")).unwrap_or_default();
        report.note(&format!("obs: a state of {SOURCES} sources: {figure}"));
        report.check("fifty questions on one connection", said.success, &said.all);
        Ok(())
    }

    fn recording(&self, report: &mut Report) -> Result<(), Error> {
        for (want, is) in [(true, "it records"), (false, "and stops")] {
            let wanted = json!({"recording": want}).to_string();
            let said = self.tell("stage", &["--want", &wanted])?;
            report.check(is, said.success, &said.all);
            let state = self.look()?;
            report.check("as it says itself", state["recording"] == want, &state.to_string());
            // So that there is something to record.
            std::thread::sleep(Duration::from_secs(1));
        }
        let recorded = fs::read_dir(self.folder.join("rec")).map_err(at("the recordings"))?;
        let sizes: Vec<u64> = recorded
            .filter_map(|file| file.ok()?.metadata().ok())
            .map(|metadata| metadata.len())
            .collect();
        let one = sizes.len() == 1 && sizes[0] > 0;
        report.check("one recording is on the disk", one, &format!("{sizes:?}"));
        let said = self.tell("screenshot", &["--set", "scene=Main"])?;
        let picture = said.out.contains("data:image/png;base64,");
        report.check("a picture of a scene is taken", picture, &crate::process::tail(&said.all));
        Ok(())
    }

    fn refusals(&self, report: &mut Report) -> Result<(), Error> {
        let said = self.tell("stage", &["--want", r#"{"program": "Mian"}"#])?;
        let near = !said.success && said.all.contains("did you mean Main");
        report.check("a scene that is not there has names like it", near, &said.all);
        let said = self.tell("show", &["--set", "scene=Nowhere"])?;
        let refused = !said.success && said.all.contains("NotFound");
        report.check("the device's own refusal has its class", refused, &said.all);
        // No service is configured: it accepts, and never streams.
        let said = self.tell("stage", &["--want", r#"{"streaming": true}"#])?;
        let honest = !said.success && said.all.contains("accepted, and not so yet");
        report.check("what it accepts and does not do is told", honest, &said.all);
        let said = self.tell("stopStreaming", &[])?;
        report.check("what rests already is stopped", said.success, &said.all);
        let journal = self.folder.join("journal.jsonl");
        let journal = fs::read_to_string(&journal).map_err(at(&journal))?;
        let lines: Vec<Value> =
            journal.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let count = |record: &str| lines.iter().filter(|line| line["record"] == record).count();
        let (intents, outcomes) = (count("intent"), count("outcome"));
        let whole = intents > 4 && intents == outcomes;
        let found = format!("{intents} intents, {outcomes} outcomes");
        report.check("every effect stands in the journal, with its outcome", whole, &found);
        Ok(())
    }
}

/// A small picture, two scenes, and fifty sources.
fn configure(folder: &Path) -> Result<(), Error> {
    let obs = folder.join("home/.config/obs-studio");
    let profile = obs.join("basic/profiles/Untitled");
    let scenes = obs.join("basic/scenes");
    let recordings = folder.join("rec");
    for folder in [&profile, &scenes, &recordings, &folder.join("run")] {
        fs::create_dir_all(folder).map_err(at(folder))?;
    }
    let write = |file: PathBuf, text: String| fs::write(&file, text).map_err(at(&file));
    write(folder.join("password"), PASSWORD.to_owned())?;
    write(
        obs.join("global.ini"),
        format!(
            "[General]\nFirstRun=true\nLastVersion=486539266\nEnableAutoUpdates=false\nConfirmOnExit=false\n\n\
             [Basic]\nProfile=Untitled\nProfileDir=Untitled\nSceneCollection=Untitled\nSceneCollectionFile=Untitled\n\n\
             [OBSWebSocket]\nFirstLoad=false\nServerEnabled=true\nServerPort=4455\nAuthRequired=true\nAlertsEnabled=false\nServerPassword={PASSWORD}\n"
        ),
    )?;
    write(
        profile.join("basic.ini"),
        format!(
            "[General]\nName=Untitled\n\n[Output]\nMode=Simple\n\n\
             [SimpleOutput]\nFilePath={}\nRecFormat=mkv\nRecQuality=Stream\nStreamEncoder=x264\nVBitrate=500\n\n\
             [Video]\nBaseCX=640\nBaseCY=360\nOutputCX=640\nOutputCY=360\nFPSType=1\nFPSInt=10\n",
            recordings.display()
        ),
    )?;
    let name = |n: usize| format!("Source {n}");
    let color = |n: usize| json!({"id": "color_source_v3", "versioned_id": "color_source_v3", "name": name(n), "settings": {"width": 64, "height": 36}});
    let items: Vec<Value> = (1..=SOURCES)
        .map(|n| json!({"name": name(n), "id": n, "visible": true, "scale": {"x": 1.0, "y": 1.0}, "pos": {"x": 0.0, "y": 0.0}}))
        .collect();
    let scene = |name: &str, items: &[Value]| {
        json!({"id": "scene", "versioned_id": "scene", "name": name,
               "settings": {"id_counter": items.len(), "custom_size": false, "items": items}})
    };
    let mut sources: Vec<Value> = (1..=SOURCES).map(color).collect();
    sources.extend([scene("Intro", &items), scene("Main", &[])]);
    let collection = json!({
        "name": "Untitled", "current_scene": "Intro", "current_program_scene": "Intro",
        "scene_order": [{"name": "Intro"}, {"name": "Main"}], "sources": sources,
    });
    write(scenes.join("Untitled.json"), collection.to_string())
}
