//! The demonstration itself: it proves its steps, says what differed, and leaves nothing behind.

mod harness;

use harness::{Demo, have_kubectl, sh};
use infrafabric_world::{FaultSpec, WorldClient};

#[test]
fn all_six_steps_hold_and_nothing_is_left() {
    let mut demo = Demo::start(&["--fast"]);
    let said = demo.until("All six steps hold.");
    for step in 1..=6 {
        assert!(said.iter().any(|line| line.starts_with(&format!("{step}. "))), "{said:#?}");
    }
    assert_eq!(demo.end(), 0);
}

#[test]
fn an_interrupted_demonstration_leaves_nothing() {
    let mut demo = Demo::start(&["--fast"]);
    demo.until("SIGKILL to the operator");
    demo.interrupt();
    assert_eq!(demo.end(), 130);
}

#[test]
fn what_differs_is_said_and_fails() {
    // With pauses: the fault is set while step 1 is there to be read.
    let mut demo = Demo::start(&[]);
    let said = demo.until("(sandbox), operator process");
    let first = said.last().expect("the first line");
    let (_, rest) = first.split_once("providers ").expect("the world's URL");
    let world = WorldClient::from_url(rest.split(' ').next().expect("a word")).expect("a URL");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let capacity = FaultSpec::new("digitalocean", "capacity");
    runtime.block_on(world.set_fault(&capacity)).expect("the fault is set");
    let said = demo.until("FAILED  ");
    let expected = r#"FAILED  provider of web: expected "digitalocean", found "linode""#;
    assert_eq!(said.last().map(String::as_str), Some(expected));
    assert_eq!(demo.end(), 1);
}

#[test]
fn what_keep_prints_works() {
    let mut demo = Demo::start(&["--fast", "--keep"]);
    let said = demo.until(" witness verify ");
    let begin =
        said.iter().position(|line| line.starts_with("export KUBECONFIG=")).expect("export");
    let mut commands = said[begin..].to_vec();
    let all = commands.len();
    if !have_kubectl() {
        commands.retain(|line| !line.starts_with("kubectl "));
    }
    assert!(commands.len() >= 5 && all >= 10, "{commands:#?}");
    let (succeeded, output) = sh(&format!("set -ex\n{}", commands.join("\n")), demo.home(), &[]);
    assert!(succeeded, "{output}");
    assert!(output.contains("entries verify"), "{output}");
    demo.interrupt();
    assert_eq!(demo.end(), 0);
}
