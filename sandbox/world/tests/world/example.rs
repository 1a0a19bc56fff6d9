//! The example is run, not only compiled.

#[path = "../../examples/machine.rs"]
#[allow(dead_code, reason = "the example's own entry is not called")]
mod machine;

#[tokio::test]
async fn a_machine_without_kubernetes() {
    machine::run().await.expect("it ends well");
}
