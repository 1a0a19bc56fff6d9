//! What a person needs to understand a failure.

use serde_json::Value;

use crate::harness::Stage;

/// The objects, the providers' books and the end of the log.
pub(crate) async fn shown(stage: &Stage) -> String {
    let machines = stage.try_list("CloudMachine").await.unwrap_or_default();
    let status = |machine: &Value| {
        let (name, status) = (&machine["metadata"]["name"], &machine["status"]);
        format!("{name}: {}", serde_json::to_string_pretty(status).unwrap_or_default())
    };
    let machines: Vec<String> = machines.iter().map(status).collect();
    let ledger = stage.ledger().await.entries;
    let effects: Vec<String> = ledger
        .iter()
        .map(|entry| {
            let time = entry.time.format("%H:%M:%S%.3f");
            format!("{time} {} {} {:?} {:?}", entry.operation, entry.id, entry.name, entry.answer)
        })
        .collect();
    let (machines, effects) = (machines.join("\n"), effects.join("\n"));
    format!("{machines}\nledger:\n{effects}\nlog:\n{}", stage.log_tail())
}
