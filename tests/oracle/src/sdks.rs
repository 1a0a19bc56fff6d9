//! The vendors' own verifiers, of what our simulated providers deliver, and of the deliveries that are kept
//! as data.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::cache::checkout;
use crate::error::{Error, at};
use crate::process::{run, run_on};
use crate::report::Report;
use crate::tools;

const LIMIT: Duration = Duration::from_mins(2);
/// Those whose vendors have something that verifies, and Meta.
const VENDORS: [&str; 8] =
    ["twilio", "slack", "stripe", "line", "openai", "telnyx", "discord", "whatsapp-cloud"];

/// Asks them.
pub(crate) fn ask(report: &mut Report) -> Result<(), Error> {
    let python = tools::sdks()?.join("python");
    let scripts = checkout().join("adapters/tests/webhooks");
    let temporary = tempfile::tempdir().map_err(at("a temporary folder"))?;
    let file = temporary.path().join("deliveries.jsonl");
    let judge = || {
        let lines = fs::File::open(&file).map_err(at(&file))?;
        let mut command = Command::new(&python);
        run_on(command.arg(scripts.join("verify.py")), lines.into(), LIMIT)
    };
    let mut all = String::new();
    for vendor in VENDORS {
        let mut command = Command::new(tools::built("ifctl")?);
        let said = run(command.args(["provider", "deliveries", vendor]), LIMIT)?;
        let signed: Vec<&str> = said.out.lines().filter(|line| is_signed(line)).collect();
        let what = format!("{vendor}: its simulated deliveries are signed");
        report.check(&what, said.success && !signed.is_empty(), &said.all);
        all.extend(signed.iter().flat_map(|line| [*line, "\n"]));
    }
    fs::write(&file, &all).map_err(at(&file))?;
    let said = judge()?;
    for vendor in VENDORS {
        let count = |word: &str| {
            let line = format!("{word} {vendor}");
            said.out.lines().filter(|told| told.starts_with(&line)).count()
        };
        let believed = count("ok") > 0 && count("no") == 0;
        let what = format!("{vendor}: the vendor's verifier believes what its simulator signs");
        report.check(&what, believed, &said.all);
    }
    let changed: Vec<String> = all.lines().map(longer).collect();
    fs::write(&file, changed.join("\n")).map_err(at(&file))?;
    let said = judge()?;
    let refused = !said.out.lines().any(|line| line.starts_with("ok "));
    report.check("control: they refuse what was changed", refused, &said.all);
    let kept = scripts.join("webhooks.json");
    fs::copy(&kept, &file).map_err(at(&kept))?;
    let said = judge()?;
    report.check("the deliveries that are kept as data are believed", said.success, &said.all);
    Ok(())
}

/// The same delivery with something more in its body.
fn longer(line: &str) -> String {
    let mut delivery: Value = serde_json::from_str(line).unwrap_or_default();
    let body = delivery["body"].as_str().unwrap_or_default();
    let more = if body.starts_with('{') { " " } else { "&Body=x" };
    delivery["body"] = Value::from(format!("{body}{more}"));
    delivery.to_string()
}

/// A handshake that is a GET has no signature.
fn is_signed(line: &str) -> bool {
    line.contains("\"method\":\"POST\"")
}
