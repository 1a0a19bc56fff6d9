//! Serves an empty API until Ctrl-C: `cargo run --example serve -- kubeconfig`.

use std::path::PathBuf;

use embedded_kube_api::{Options, Server};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example tells its user what to type")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path =
        std::env::args_os().nth(1).map_or_else(|| PathBuf::from("kubeconfig"), PathBuf::from);
    let server = Server::start(Options::default()).await?;
    server.write_kubeconfig(&path)?;
    println!("export KUBECONFIG={}", path.display());
    println!("# serving {} until Ctrl-C", server.url());
    tokio::signal::ctrl_c().await?;
    server.shutdown().await;
    std::fs::remove_file(&path)?;
    Ok(())
}
