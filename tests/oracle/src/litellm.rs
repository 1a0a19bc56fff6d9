//! A real LiteLLM proxy before aimock, asked by the CLI as its user would: the dialect of OpenAI, its prices,
//! its refusals, and a budget that is used up.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::doubles::{Double, started};
use crate::error::{Error, at};
use crate::http;
use crate::process::{Running, free_port};
use crate::report::Report;
use crate::tools;

const START: Duration = Duration::from_mins(3);
const KEY: &str = "sk-if-master";

/// Asks it.
pub(crate) fn ask(report: &mut Report) -> Result<(), Error> {
    let (aimock, bin) = (tools::aimock()?, tools::litellm()?);
    let temporary = tempfile::tempdir().map_err(at("a temporary folder"))?;
    let folder = temporary.path();
    let fixtures = folder.join("fixtures");
    fs::create_dir_all(&fixtures).map_err(at(&fixtures))?;
    let fixture = json!({"fixtures": [{"match": {"userMessage": "hello"}, "response": {"content": "Hello there!"}}]});
    fs::write(fixtures.join("hello.json"), fixture.to_string()).map_err(at(&fixtures))?;
    let upstream = free_port()?;
    let mut command = Command::new(aimock);
    command.args(["-p", &upstream.to_string(), "-h", "127.0.0.1", "-f"]).arg(&fixtures);
    let _upstream = started("aimock", &mut command, (upstream, folder))?;
    let configuration = folder.join("config.yaml");
    fs::write(&configuration, configured(upstream).to_string()).map_err(at(&configuration))?;
    let port = free_port()?;
    let mut command = Command::new(bin.join("litellm"));
    command.arg("--config").arg(&configuration);
    command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
    command.env("LITELLM_LOCAL_MODEL_COST_MAP", "True").current_dir(folder);
    let mut proxy = Running::start("litellm", &mut command, &folder.join("litellm.log"))?;
    proxy.until(START, || {
        http::send(port, "GET", "/health/liveliness", &[], "")
            .is_ok_and(|(status, _)| status == 200)
    })?;
    let endpoint = format!("http://127.0.0.1:{port}/v1");
    let litellm = Double::new(folder, "litellm", endpoint.clone(), &[("token", KEY)])?;
    talk(report, &litellm)?;
    refusals(report, &litellm)?;
    budget(report, &litellm)?;
    // It has the same files: nobody else is asked after it.
    let nobody = Double::new(folder, "litellm", endpoint, &[("token", "sk-nobody")])?;
    let said = nobody.tell("complete", "", &want("gpt-4o-mini"))?;
    // Without a database it cannot tell a wrong key from one that it cannot look up, and says so by 400.
    let refused = !said.success && !said.all.contains("Unknown (");
    report.check("litellm: an unknown key is refused, and nothing is in doubt", refused, &said.all);
    Ok(())
}

/// JSON is YAML too.
fn configured(upstream: u16) -> Value {
    let model = |name: &str, model: &str, base: String| {
        json!({"model_name": name,
            "litellm_params": {"model": model, "api_key": "sk-x", "api_base": base}})
    };
    let url = format!("http://127.0.0.1:{upstream}");
    json!({
        "model_list": [
            model("gpt-4o-mini", "openai/gpt-4o-mini", format!("{url}/v1")),
            model("metered", "mistral/mistral-small-latest", format!("{url}/v1")),
            model("emb", "openai/text-embedding-3-small", format!("{url}/v1")),
            {"model_name": "limited", "litellm_params": {"model": "openai/gpt-4o-mini",
                "api_key": "sk-x", "mock_response": "litellm.RateLimitError"}},
            {"model_name": "broken", "litellm_params": {"model": "openai/gpt-4o-mini",
                "api_key": "sk-x", "mock_response": "litellm.InternalServerError"}},
        ],
        "general_settings": {"master_key": KEY},
        "router_settings": {"provider_budget_config":
            {"mistral": {"budget_limit": 0.000_000_001, "time_period": "1d"}}},
        "litellm_settings": {"telemetry": false, "num_retries": 0},
    })
}

fn want(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "hello"}], "maxTokens": 32})
}

fn talk(report: &mut Report, litellm: &Double<'_>) -> Result<(), Error> {
    let said = [("text", json!("Hello there!")), ("state", json!("Complete"))];
    for verb in ["complete", "stream"] {
        litellm.gives(report, (verb, "", want("gpt-4o-mini")), &said)?;
    }
    let texts = json!({"model": "emb", "texts": ["a", "b"]});
    let vectors = litellm.gives(report, ("embed", "", texts), &[])?;
    let two = vectors["vectors"].as_array().is_some_and(|vectors| vectors.len() == 2);
    report.check("litellm: a vector for each text", two, &vectors.to_string());
    let models = litellm.tell("models", "", &json!({}))?;
    let all: Value = serde_json::from_str(&models.out).unwrap_or_default();
    let priced = |one: &Value| {
        let price = one["inputPrice"].as_str().and_then(|price| price.parse::<f64>().ok());
        one["name"] == "gpt-4o-mini" && price.is_some_and(|price| (0.01..10.0).contains(&price))
    };
    let priced = all.as_array().is_some_and(|all| all.iter().any(priced));
    report.check("litellm: a model has its price for a million tokens", priced, &models.all);
    Ok(())
}

fn refusals(report: &mut Report, litellm: &Double<'_>) -> Result<(), Error> {
    litellm.refuses(report, ("complete", want("limited")), "RateLimited")?;
    // What may have been paid for is in doubt.
    litellm.refuses(report, ("complete", want("broken")), "Unknown")?;
    let said = litellm.tell("complete", "", &want("nobody-has-it"))?;
    let refused = ["Invalid (", "NotFound ("].iter().any(|class| said.all.contains(class));
    report.check("litellm: a model that is not there is refused", refused, &said.all);
    Ok(())
}

/// The first answer of that provider uses its budget up; the next one is refused.
fn budget(report: &mut Report, litellm: &Double<'_>) -> Result<(), Error> {
    let said = [("text", json!("Hello there!"))];
    litellm.gives(report, ("complete", "", want("metered")), &said)?;
    let mut last = String::new();
    for _ in 0..10 {
        // It counts a while after it answered.
        std::thread::sleep(Duration::from_secs(1));
        let said = litellm.tell("complete", "", &want("metered"))?;
        last = said.all;
        if !said.success {
            break;
        }
    }
    let refused = last.contains("RateLimited (") || last.contains("OutOfCredit (");
    report.check("litellm: a budget that is used up refuses", refused, &last);
    Ok(())
}
