//! Stand-ins of vendors that others wrote, asked by the CLI as its user would: aimock (OpenAI and Anthropic,
//! streams included), emulate (Slack and Twilio), stripe-mock (Stripe's parameters, by Stripe).

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::error::{Error, at};
use crate::process::{Running, Said, free_port, run};
use crate::report::Report;
use crate::tools;

const START: Duration = Duration::from_secs(30);
const ANSWER: Duration = Duration::from_secs(30);
const ACCOUNT: &str = "AC00000000000000000000000000000000";

/// Asks each.
pub(crate) fn ask(report: &mut Report) -> Result<(), Error> {
    let temporary = tempfile::tempdir().map_err(at("a temporary folder"))?;
    models(report, temporary.path())?;
    messages(report, temporary.path())?;
    payments(report, temporary.path())
}

/// A stand-in at its address, as the CLI is told.
pub(crate) struct Double<'a> {
    folder: &'a Path,
    definition: &'static str,
    endpoint: String,
    secrets: Vec<(&'static str, PathBuf)>,
    _running: Option<Running>,
}

impl<'a> Double<'a> {
    pub(crate) fn new(
        folder: &'a Path,
        definition: &'static str,
        endpoint: String,
        secrets: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        let mut files = Vec::new();
        for (key, value) in secrets {
            let file = folder.join(format!("{definition}-{key}"));
            fs::write(&file, value).map_err(at(&file))?;
            files.push((*key, file));
        }
        Ok(Self { folder, definition, endpoint, secrets: files, _running: None })
    }

    pub(crate) fn tell(&self, verb: &str, id: &str, want: &Value) -> Result<Said, Error> {
        let mut command = Command::new(tools::built("ifctl")?);
        command
            .args(["provider", "try", self.definition, verb, "--id", id])
            .args(["--endpoint", &self.endpoint, "--want", &want.to_string()])
            .arg(format!("--journal={}", self.folder.join("journal.jsonl").display()));
        for (key, file) in &self.secrets {
            command.arg(format!("--secret={key}={}", file.display()));
        }
        if self.definition == "twilio" {
            command.arg(format!("--parameter=accountSid={ACCOUNT}"));
        }
        run(&mut command, ANSWER)
    }

    /// Does one thing, which must give this.
    pub(crate) fn gives(
        &self,
        report: &mut Report,
        (verb, id, want): (&str, &str, Value),
        wanted: &[(&str, Value)],
    ) -> Result<Value, Error> {
        let said = self.tell(verb, id, &want)?;
        // A stream prints what it says before the result.
        let json = said.out.find(['{', '[']).map_or("", |at| &said.out[at..]);
        let result: Value = serde_json::from_str(json).unwrap_or(Value::Null);
        let holds = wanted.iter().all(|(key, value)| result[*key] == *value);
        let what = format!("{} {verb}", self.definition);
        report.check(&what, said.success && holds, &said.all);
        Ok(result)
    }

    pub(crate) fn refuses(
        &self,
        report: &mut Report,
        (verb, want): (&str, Value),
        class: &str,
    ) -> Result<(), Error> {
        let said = self.tell(verb, "", &want)?;
        let refused = !said.success && said.all.contains(&format!("error: {class} ("));
        report.check(&format!("{} {verb} refused: {class}", self.definition), refused, &said.all);
        Ok(())
    }
}

pub(crate) fn started(
    name: &str,
    command: &mut Command,
    (port, folder): (u16, &Path),
) -> Result<Running, Error> {
    let mut running = Running::start(name, command, &folder.join(format!("{name}.log")))?;
    running.until(START, || TcpStream::connect(("127.0.0.1", port)).is_ok())?;
    Ok(running)
}

fn models(report: &mut Report, folder: &Path) -> Result<(), Error> {
    let program = tools::aimock()?;
    let fixtures = folder.join("fixtures");
    fs::create_dir_all(&fixtures).map_err(at(&fixtures))?;
    let fixture = json!({"fixtures": [{"match": {"userMessage": "hello"}, "response": {"content": "Hello there!"}}]});
    fs::write(fixtures.join("hello.json"), fixture.to_string()).map_err(at(&fixtures))?;
    let port = free_port()?;
    let mut command = Command::new(program);
    command.args(["-p", &port.to_string(), "-h", "127.0.0.1", "-f"]).arg(&fixtures);
    command.env("AIMOCK_API_KEYS", "sk-good");
    let running = started("aimock", &mut command, (port, folder))?;
    let url = format!("http://127.0.0.1:{port}");
    let want = |model: &str| json!({"model": model, "messages": [{"role": "user", "content": "hello"}], "maxTokens": 32});
    let said = [("text", json!("Hello there!")), ("state", json!("Complete"))];
    let openai = Double::new(folder, "openai", format!("{url}/v1"), &[("token", "sk-good")])?;
    for verb in ["complete", "stream"] {
        openai.gives(report, (verb, "", want("gpt-4o-mini")), &said)?;
    }
    let texts = json!({"model": "text-embedding-3-small", "texts": ["a", "b"]});
    let vectors = openai.gives(report, ("embed", "", texts), &[])?;
    let two = vectors["vectors"].as_array().is_some_and(|vectors| vectors.len() == 2);
    report.check("openai: a vector for each text", two, &vectors.to_string());
    let anthropic = Double::new(folder, "anthropic", url.clone(), &[("token", "sk-good")])?;
    for verb in ["complete", "stream"] {
        anthropic.gives(report, (verb, "", want("claude-3-5-sonnet-20240620")), &said)?;
    }
    let wrong = Double::new(folder, "openai", format!("{url}/v1"), &[("token", "sk-bad")])?;
    wrong.refuses(report, ("complete", want("gpt-4o-mini")), "Auth")?;
    drop(running);
    Ok(())
}

fn messages(report: &mut Report, folder: &Path) -> Result<(), Error> {
    let (node, script) = tools::emulate()?;
    // It takes the port after this one too.
    let port = free_port()?;
    let mut command = Command::new(node);
    command.arg(script).args(["start", "--service", "slack,twilio", "--port", &port.to_string()]);
    let running = started("emulate", command.current_dir(folder), (port, folder))?;
    let slack = Double::new(
        folder,
        "slack",
        format!("http://127.0.0.1:{port}/api"),
        &[("token", "xoxb-test")],
    )?;
    let message_to = |target: &str| json!({"target": target, "text": "Doors open in 10 minutes"});
    let sent = [("state", json!("Accepted")), ("target", json!("C000000001"))];
    let message = slack.gives(report, ("send", "", message_to("C000000001")), &sent)?;
    let id = message["id"].as_str().unwrap_or_default();
    slack.gives(report, ("edit", id, message_to("C000000001")), &[])?;
    slack.gives(report, ("delete", id, json!({"target": "C000000001"})), &[])?;
    slack.refuses(report, ("send", message_to("C999999999")), "NotFound")?;
    let endpoint = format!("http://127.0.0.1:{}/2010-04-01/Accounts/{ACCOUNT}", port + 1);
    let secrets = [("apiKey", ACCOUNT), ("apiSecret", "twilio_test_auth_token")];
    let twilio = Double::new(folder, "twilio", endpoint.clone(), &secrets)?;
    let text =
        |from: &str| json!({"from": from, "to": "+15557654321", "text": "Call time is 18:00"});
    twilio.gives(report, ("text", "", text("+15551234567")), &[("state", json!("Accepted"))])?;
    twilio.refuses(report, ("text", text("+15550009999")), "Invalid")?;
    let call =
        json!({"from": "+15551234567", "to": "+15557654321", "say": "You & <all> are on air"});
    let call = twilio.gives(report, ("dial", "", call), &[])?;
    let id = call["id"].as_str().unwrap_or_default();
    twilio.gives(report, ("listen", id, json!({})), &[("id", json!(id))])?;
    let number = json!({"number": "+15550001111", "name": "stage-line"});
    twilio.gives(report, ("buy", "", number), &[("state", json!("Active"))])?;
    let owned = twilio.tell("owned", "", &json!({"number": "+15550001111"}))?;
    let ours = owned.success && owned.out.contains("+15550001111");
    report.check("twilio: the number is ours", ours, &owned.all);
    let secrets = [("apiKey", ACCOUNT), ("apiSecret", "wrong")];
    let wrong = Double::new(folder, "twilio", endpoint, &secrets)?;
    wrong.refuses(report, ("text", text("+15551234567")), "Auth")?;
    drop(running);
    Ok(())
}

/// It keeps nothing: what it judges is that every parameter is one.
fn payments(report: &mut Report, folder: &Path) -> Result<(), Error> {
    let port = free_port()?;
    let mut command = Command::new(tools::stripe_mock()?);
    command.args(["-http-addr", &format!("127.0.0.1:{port}")]);
    let running = started("stripe-mock", &mut command, (port, folder))?;
    let url = format!("http://127.0.0.1:{port}");
    let stripe = Double::new(folder, "stripe", url, &[("token", "sk_test_123")])?;
    let money = json!({"amount": 1250, "currency": "EUR", "description": "Ticket 7", "reference": "order-7",
        "method": "pm_card_visa", "returnUrl": "https://example.com/back"});
    for verb in ["charge", "authorize"] {
        stripe.gives(report, (verb, "", money.clone()), &[("amount", json!(1250))])?;
    }
    let some = json!({"amount": 500, "currency": "EUR"});
    for (verb, want) in
        [("capture", some.clone()), ("void", json!({})), ("refund", some), ("sync", json!({}))]
    {
        stripe.gives(report, (verb, "pi_123", want), &[])?;
    }
    let customer = json!({"customer": "cus_123"});
    let setup = json!({"customer": "cus_123", "reference": "seat-7", "currency": "EUR", "returnUrl": "https://example.com/back"});
    let pass = json!({"customer": "cus_123", "method": "pm_123", "amount": 900, "currency": "EUR", "every": "1 month",
        "description": "Season pass", "reference": "season-7", "product": "prod_123"});
    let bank = json!({"amount": 5000, "currency": "EUR", "description": "Box office", "reference": "payout-7"});
    for (verb, id, want) in [
        ("saveMethod", "", setup),
        ("methods", "", json!({"customer": "cus_123", "limit": 10})),
        ("forgetMethod", "pm_123", customer.clone()),
        ("subscribe", "", pass),
        ("syncSubscription", "sub_123", customer.clone()),
        ("cancel", "sub_123", customer),
        ("payout", "", bank),
        ("syncPayout", "po_123", json!({})),
    ] {
        stripe.gives(report, (verb, id, want), &[])?;
    }
    drop(running);
    Ok(())
}
