//! A real Home Assistant, told by the CLI what to do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::error::{Error, at};
use crate::http;
use crate::process::{Running, Said, free_port, must, run};
use crate::report::Report;
use crate::tools;

const START: Duration = Duration::from_mins(2);
const ANSWER: Duration = Duration::from_secs(30);
/// Longer than the client lets a device be silent without an answer.
const QUIET: Duration = Duration::from_secs(16);

/// Asks it.
pub(crate) fn ask(report: &mut Report) -> Result<(), Error> {
    let bin = tools::home_assistant()?;
    let temporary = tempfile::tempdir().map_err(at("a temporary folder"))?;
    let home = Home::start(&bin, temporary.path())?;
    home.look(report)?;
    home.stage(report)?;
    home.refusals(report)?;
    home.events(report)
}

struct Home {
    folder: PathBuf,
    port: u16,
    running: Running,
}

impl Home {
    fn start(bin: &Path, folder: &Path) -> Result<Self, Error> {
        let port = free_port()?;
        let configuration = folder.join("configuration.yaml");
        fs::write(&configuration, configured(port)).map_err(at(&configuration))?;
        let mut hass = Command::new(bin.join("hass"));
        hass.args(["--skip-pip", "-c"]).arg(folder);
        let running = Running::start("hass", &mut hass, &folder.join("hass.log"))?;
        let home = Self { folder: folder.to_owned(), port, running };
        let began = Instant::now();
        while home.ask("GET", "/manifest.json", &[], "").map_or(0, |(status, _)| status) != 200 {
            if began.elapsed() > START {
                let log = fs::read_to_string(folder.join("hass.log")).unwrap_or_default();
                return Err(Error::Failed { program: "hass".to_owned(), output: log });
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        home.onboard()?;
        Ok(home)
    }

    fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<(u16, String), Error> {
        http::send(self.port, method, path, headers, body)
    }

    /// Makes the first user, whose access token lives for half an hour.
    fn onboard(&self) -> Result<(), Error> {
        let client = format!("http://127.0.0.1:{}/", self.port);
        let user = json!({"client_id": client, "name": "Judge", "username": "judge",
            "password": "if-test-password", "language": "en"});
        let json = [("content-type", "application/json")];
        let (status, body) = self.ask("POST", "/api/onboarding/users", &json, &user.to_string())?;
        let said: Value = serde_json::from_str(&body).unwrap_or_default();
        let failed = |output: String| Error::Failed { program: "onboarding".to_owned(), output };
        let code = said["auth_code"].as_str().ok_or_else(|| failed(format!("{status} {body}")))?;
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let client = client.replace(':', "%3A").replace('/', "%2F");
        let login = format!("grant_type=authorization_code&code={code}&client_id={client}");
        let (status, body) = self.ask("POST", "/auth/token", &form, &login)?;
        let said: Value = serde_json::from_str(&body).unwrap_or_default();
        let token =
            said["access_token"].as_str().ok_or_else(|| failed(format!("{status} {body}")))?;
        let file = self.folder.join("token");
        fs::write(&file, token).map_err(at(&file))
    }

    fn tell(&self, token: &str, verb: &str, arguments: &[&str]) -> Result<Said, Error> {
        run(&mut self.command(token, verb, arguments)?, ANSWER)
    }

    /// The CLI, on the real device.
    fn command(&self, token: &str, verb: &str, arguments: &[&str]) -> Result<Command, Error> {
        let mut command = Command::new(tools::built("ifctl")?);
        command
            .args(["provider", "try", "home-assistant", verb])
            .args(["--endpoint", &format!("http://127.0.0.1:{}", self.port)])
            .arg(format!("--secret=token={}", self.folder.join(token).display()))
            .arg(format!("--journal={}", self.folder.join("journal.jsonl").display()))
            .args(arguments);
        Ok(command)
    }

    fn state(&self) -> Result<Value, Error> {
        let said = self.tell("token", "look", &[])?;
        Ok(serde_json::from_str(&said.out).unwrap_or_else(|_| json!(said.all)))
    }

    fn look(&self, report: &mut Report) -> Result<(), Error> {
        let said = self.tell("token", "verify", &[])?;
        report.check("a real Home Assistant lets us in", said.success, &said.all);
        let state = self.state()?;
        let off = state["switches"]["light.studio_key"] == "off";
        report.check("its lights are read", off, &state.to_string());
        let scenes =
            state["scenes"].as_array().is_some_and(|scenes| scenes.contains(&json!("scene.intro")));
        report.check("and its scenes", scenes, &state.to_string());
        Ok(())
    }

    fn stage(&self, report: &mut Report) -> Result<(), Error> {
        for on in [true, false] {
            let want = json!({"switches": {"light.studio_key": on}}).to_string();
            let said = self.tell("token", "stage", &["--want", &want])?;
            report.check(&format!("a light is switched: {on}"), said.success, &said.all);
            let state = self.state()?;
            let is = if on { "on" } else { "off" };
            let so = state["switches"]["light.studio_key"] == is;
            report.check("and is so", so, &state.to_string());
            let again = self.tell("token", "stage", &["--want", &want])?;
            let told = again.all.contains("switch {");
            report.check("it is not told again", again.success && !told, &again.all);
        }
        let said = self.tell("token", "show", &["--set", "scene=scene.intro"])?;
        report.check("a scene is shown", said.success, &said.all);
        let state = self.state()?;
        let lit = state["switches"]["light.studio_key"] == "on";
        report.check("and its light is on", lit, &state.to_string());
        Ok(())
    }

    fn refusals(&self, report: &mut Report) -> Result<(), Error> {
        // It answers 200 for what is not there; only its state tells.
        let want = json!({"switches": {"light.studio_kay": true}}).to_string();
        let said = self.tell("token", "stage", &["--want", &want])?;
        let near = !said.success && said.all.contains("did you mean light.studio_key");
        report.check("a light that is not there has names like it", near, &said.all);
        fs::write(self.folder.join("wrong"), "not-it").map_err(at("a file"))?;
        let said = self.tell("wrong", "verify", &[])?;
        let refused = !said.success && said.all.contains("401") && !said.all.contains("not-it");
        report.check("a wrong token is refused and not shown", refused, &said.all);
        let said = self.tell("wrong", "events", &["--seconds", "5"])?;
        let told = said.all.contains("the token is refused");
        let refused = !said.success && told && !said.all.contains("not-it");
        report.check("nor does it listen to anything", refused, &said.all);
        Ok(())
    }

    /// What it pushes; the last question, since it ends with the device.
    fn events(self, report: &mut Report) -> Result<(), Error> {
        let log = self.folder.join("events.log");
        let mut watch = self.command("token", "events", &["--seconds", "120"])?;
        let watching = Running::start("the events", &mut watch, &log)?;
        let text = || fs::read_to_string(&log).unwrap_or_default();
        let pushed = |state: &str| {
            text().lines().filter_map(|line| serde_json::from_str(line).ok()).any(|event: Value| {
                let data = &event["data"];
                let light = data["entity_id"] == "light.studio_key";
                event["kind"] == "state_changed" && light && data["new_state"]["state"] == state
            })
        };
        let both = || pushed("on") && pushed("off");
        let (mut on, began) = (false, Instant::now());
        // It listens at some time after it was started.
        while !both() && began.elapsed() < ANSWER {
            on = !on;
            let want = json!({"entity": "light.studio_key", "on": on}).to_string();
            let said = self.tell("token", "switch", &["--want", &want])?;
            if !said.success {
                report.check("a light is switched while somebody listens", false, &said.all);
                return Ok(());
            }
        }
        report.check("it pushes each state that changed", both(), &text());
        // Its keepalive: longer than a silence may last, and still there.
        std::thread::sleep(QUIET);
        let kept = !text().contains("hung up");
        report.check("a silent device that answers is kept", kept, &text());
        drop(self.running);
        let began = Instant::now();
        while !text().contains("hung up") && began.elapsed() < ANSWER {
            std::thread::sleep(Duration::from_millis(100));
        }
        report.check("who listens learns that it is gone", text().contains("hung up"), &text());
        drop(watching);
        Ok(())
    }
}

fn configured(port: u16) -> String {
    format!(
        "http:\n  server_host: 127.0.0.1\n  server_port: {port}\napi:\nwebsocket_api:\n\
         input_boolean:\n  lamp_backing:\n    name: Lamp\n\
         scene:\n  - id: intro\n    name: Intro\n    entities:\n      input_boolean.lamp_backing: \"on\"\n\
         light:\n  - platform: template\n    lights:\n      studio_key:\n\
         \x20       value_template: \"{{{{ is_state('input_boolean.lamp_backing','on') }}}}\"\n\
         \x20       turn_on: [{{service: input_boolean.turn_on, target: {{entity_id: input_boolean.lamp_backing}}}}]\n\
         \x20       turn_off: [{{service: input_boolean.turn_off, target: {{entity_id: input_boolean.lamp_backing}}}}]\n"
    )
}

/// What it needs besides itself, which `pip` does not know.
pub(crate) fn install(bin: &Path, limit: Duration) -> Result<(), Error> {
    let pip = || {
        let mut pip = Command::new(bin.join("pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check"]);
        pip
    };
    must(pip().arg("homeassistant==2024.3.3"), limit)?;
    let libraries = fs::read_dir(bin.join("../lib")).map_err(at("the libraries"))?;
    let constraints = libraries
        .filter_map(Result::ok)
        .map(|one| one.path().join("site-packages/homeassistant/package_constraints.txt"))
        .find(|file| file.exists())
        .unwrap_or_default();
    must(pip().arg("--constraint").arg(constraints).args(BESIDE), limit)?;
    must(pip().arg("josepy<2"), limit).map(drop)
}

const BESIDE: [&str; 13] = [
    "home-assistant-frontend==20240307.0",
    "aiohttp_cors==0.7.0",
    "aiohttp-fast-url-dispatcher==0.3.0",
    "aiohttp-zlib-ng==0.3.1",
    "ifaddr==0.2.0",
    "janus==1.0.0",
    "Pillow==10.2.0",
    "psutil-home-assistant==0.0.1",
    "securetar==2024.2.1",
    "SQLAlchemy==2.0.27",
    "fnv-hash-fast==0.5.0",
    "numpy",
    "mutagen",
];
