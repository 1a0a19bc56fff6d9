//! `--keep`: leaves everything running until a signal comes.

use std::time::Duration;

use crate::board::Board;
use crate::failure::Failure;
use crate::manifests::example;
use crate::stage::{Stage, binary};

/// How often the processes are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Prints how to use what runs, and returns only when it ended by itself.
pub(crate) async fn until_stopped(stage: &mut Stage, board: &Board) -> Result<(), Failure> {
    for line in lines(stage)? {
        board.line(&line);
    }
    loop {
        stage.must_run()?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What to type, one command a line.
fn lines(stage: &Stage) -> Result<Vec<String>, Failure> {
    let folder = stage.sandbox_dir();
    let ifctl = binary("ifctl")?;
    let ifctl = ifctl.display();
    let examples = example("cloud-machine").canonicalize().unwrap_or(example("cloud-machine"));
    Ok(vec![
        format!("\nKept: Kubernetes API {}, providers {}.", stage.api_url, stage.world_url),
        "Ctrl-C here ends all of it. In another shell:\n".to_owned(),
        format!("export KUBECONFIG={}", folder.join("kubeconfig").display()),
        format!("export INFRAFABRIC_SANDBOX={}", folder.display()),
        "kubectl get infrafabric".to_owned(),
        "kubectl describe cloudmachine worker".to_owned(),
        "kubectl get events".to_owned(),
        "kubectl delete cloudmachine web".to_owned(),
        format!("kubectl apply --server-side -f {}", examples.display()),
        "kubectl wait --for=condition=Ready cloudmachine/web --timeout=30s".to_owned(),
        format!("{ifctl} sandbox ledger --things"),
        format!("{ifctl} sandbox fault names"),
        format!(
            "{ifctl} witness verify {} --key '{}'",
            stage.witness_dir().display(),
            stage.verifier
        ),
        String::new(),
    ])
}
