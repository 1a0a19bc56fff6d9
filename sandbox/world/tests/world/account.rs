//! The project's own client against the simulated providers: every definition we ship, end to end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use infrafabric_adapters::account::{Account, AccountOptions, Act};
use infrafabric_adapters::compile::{Compiled, parse};
use infrafabric_adapters::contract::Kept;
use infrafabric_adapters::contract::cloud::{
    Firewall, FirewallWant, FixedAddress, LoadBalancer, MachineState, MachineVerb, MachineWant,
    Network, SshKey,
};
pub(crate) use infrafabric_adapters::journal::Unrecorded as Open;
use infrafabric_adapters::registry::Registry;
use infrafabric_definition::{Class, Domain, Find};
use infrafabric_world::{Effect, FaultSpec, LedgerPage};
use serde_json::{Value, json};

use crate::definitions::{built_in, quay};
use crate::harness::Harness;

fn example(file: &str) -> Arc<Compiled> {
    let path = format!("{}/../../examples/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("an example");
    let (name, spec) = parse(&text, file).expect("a definition");
    Arc::new(Compiled::new(&name, spec).expect("compiles"))
}

fn shipped() -> Vec<Arc<Compiled>> {
    let names = Registry::built_in().names();
    let mut all: Vec<_> = names.iter().map(|(name, _)| built_in(name)).collect();
    all.retain(|one| one.spec().domain == Domain::Cloud);
    all.push(example("provider-definition/hetzner.yaml"));
    all.push(example("bench/bench.yaml"));
    all
}

pub(crate) fn open(world: &Harness, definition: &Arc<Compiled>, region: Option<String>) -> Account {
    open_for(world, definition, region, Duration::from_secs(5))
}

fn open_for(
    world: &Harness,
    definition: &Arc<Compiled>,
    region: Option<String>,
    timeout: Duration,
) -> Account {
    let options = AccountOptions { timeout, ..options(world, definition, region) };
    Account::open(Arc::clone(definition), options).expect("opens")
}

fn options(world: &Harness, definition: &Compiled, region: Option<String>) -> AccountOptions {
    let accepts = &definition.sandbox.as_ref().expect("a sandbox").accepts;
    AccountOptions {
        endpoint: Some(format!("{}/p/{}", world.world.url(), definition.name())),
        region,
        secrets: accepts.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect(),
        parameters: definition.simulated_parameters(),
        timeout: Duration::from_secs(5),
        clock: world.clock.clone(),
        ..AccountOptions::default()
    }
}

/// A machine of the first size, image and region on offer.
async fn want(account: &Account, region: &str) -> MachineWant {
    let sizes = account.sizes(region).await.expect("sizes");
    let here = |regions: &Option<Vec<String>>| {
        regions.as_ref().is_none_or(|regions| regions.iter().any(|r| r == region))
    };
    let size = sizes.iter().find(|size| size.available && here(&size.regions)).expect("a size");
    let images = account.images(region).await.expect("images");
    MachineWant {
        name: "if-web-1".to_owned(),
        region: region.to_owned(),
        size: size.name.clone(),
        size_id: size.id.clone(),
        image: images.iter().find(|image| here(&image.regions)).expect("an image").name.clone(),
        ssh_keys: vec!["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample key".to_owned()],
        user_data: Some("#cloud-config".to_owned()),
        marks: vec!["if-abc".to_owned(), "if-uid-1".to_owned()],
        tags: vec!["team-web".to_owned()],
        labels: [("kind".to_owned(), "CloudMachine".to_owned())].into(),
    }
}

/// What was made and is still there, machines and their parts, last made first removed.
fn left(ledger: &LedgerPage) -> Vec<&str> {
    let mut there: Vec<&str> = Vec::new();
    for entry in &ledger.entries {
        let kind = entry.operation.rsplit_once("create").or(entry.operation.rsplit_once("delete"));
        let kind = kind.map_or("", |(_, kind)| kind);
        match entry.effect {
            Effect::Create => there.push(kind),
            Effect::Change => {}
            Effect::Delete => assert_eq!(there.pop(), Some(kind), "{:?}", ledger.entries),
        }
    }
    there
}

/// Does it while the simulated providers' time goes on: some say only later how it ended.
async fn as_time_goes_by<T>(world: &Harness, deed: impl Future<Output = T>) -> T {
    let time = async {
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            world.advance(Duration::from_secs(10));
        }
    };
    tokio::select! {
        done = deed => done,
        () = time => unreachable!("time has no end"),
    }
}

#[tokio::test]
async fn every_shipped_definition_creates_finds_reads_and_deletes() {
    for definition in shipped() {
        let name = definition.name().to_owned();
        let world = Harness::start(vec![Arc::clone(&definition)]).await;
        let first = open(&world, &definition, Some("us-east-1".to_owned()));
        first.verify().await.unwrap_or_else(|e| panic!("{name}: {e}"));
        let region = first.regions().await.expect("regions")[0].name.clone();
        let account = open(&world, &definition, Some(region.clone()));
        let want = want(&account, &region).await;
        let made = account.create_machine(&want, "token-1", &Open);
        let made = as_time_goes_by(&world, made).await;
        let made = made.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(made.state, MachineState::Creating, "{name}");
        world.advance(Duration::from_secs(20));
        let read = account.read_machine(&made.id, &region).await.expect("read").expect("there");
        assert_eq!((read.state, &read.id), (MachineState::Running, &made.id), "{name}");
        assert_eq!(read.name.as_deref(), Some("if-web-1"), "{name}");
        assert!(!read.addresses.is_empty(), "{name}");
        assert_eq!(read.region.as_deref(), Some(region.as_str()), "{name}");
        let listed = account.list_machines("if-abc", &region).await.expect("listed");
        assert_eq!(listed.iter().map(|m| m.id.as_str()).collect::<Vec<_>>(), [made.id.as_str()]);
        let has_marks = definition.objects["machine"].find == Find::Tag;
        if has_marks {
            assert!(listed[0].marks.contains(&"if-uid-1".to_owned()), "{name}");
            assert!(account.list_machines("if-other", &region).await.expect("listed").is_empty());
        } else {
            assert_eq!(listed[0].name.as_deref(), Some("if-web-1"), "{name}");
        }
        for _ in 0..2 {
            let delete = account.delete_machine(&made.id, &region, "token-2", &Open);
            let deleted = as_time_goes_by(&world, delete).await;
            deleted.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        world.advance(Duration::from_hours(1));
        assert!(account.read_machine(&made.id, &region).await.expect("read").is_none(), "{name}");
        let ledger = world.ledger().await;
        let of_machine =
            |operation: &str| operation == "machine.create" || operation == "machine.delete";
        let machine = ledger.entries.iter().filter(|entry| of_machine(&entry.operation));
        let effects: Vec<Effect> = machine.map(|entry| entry.effect).collect();
        assert_eq!(effects, [Effect::Create, Effect::Delete], "{name}");
        assert_eq!(left(&ledger), [""; 0], "{name}");
        assert_eq!(ledger.unmatched, 0, "{name}: {:?}", ledger.unmatched_requests);
        let marked = ledger.entries[0].marks.iter().any(|mark| mark == "if-abc");
        assert!(marked || !has_marks, "{name}");
    }
}

#[tokio::test]
async fn every_page_of_a_list_arrives() {
    // Quay shows two to a page.
    let world = Harness::start(vec![quay()]).await;
    let account = open(&world, &quay(), Some("north".to_owned()));
    let mut want = MachineWant {
        name: String::new(),
        region: "north".to_owned(),
        size: "s1".to_owned(),
        size_id: None,
        image: "none".to_owned(),
        ssh_keys: Vec::new(),
        user_data: None,
        marks: vec!["if-abc".to_owned()],
        tags: Vec::new(),
        labels: BTreeMap::new(),
    };
    for n in 0..5 {
        want.name = format!("box-{n}");
        account.create_machine(&want, &format!("t{n}"), &Open).await.expect("made");
    }
    let listed = account.list_machines("if-abc", "north").await.expect("listed");
    assert_eq!(listed.len(), 5);
    assert_eq!(world.ledger().await.requests["quay"]["machine.list"], 3);
}

#[tokio::test]
async fn a_lost_answer_is_unknown_or_one_machine_and_never_two() {
    for definition in shipped() {
        let name = definition.name().to_owned();
        let world = Harness::start(vec![Arc::clone(&definition)]).await;
        let first = open(&world, &definition, Some("us-east-1".to_owned()));
        let region = first.regions().await.expect("regions")[0].name.clone();
        let account = open(&world, &definition, Some(region.clone()));
        let want = want(&account, &region).await;
        let lost = FaultSpec::new(&name, "lost").on("machine.create").times(1);
        world.client.set_fault(&lost).await.expect("set");
        let made = account.create_machine(&want, "token-1", &Open);
        let made = as_time_goes_by(&world, made).await;
        if let Err(error) = made {
            assert_eq!(error.class, Class::Unknown, "{name}: {error}");
        }
        let ledger = world.ledger().await;
        let machines = ledger.entries.iter().filter(|entry| entry.operation == "machine.create");
        assert_eq!(machines.count(), 1, "{name}");
        assert_eq!(account.list_machines("if-abc", &region).await.expect("listed").len(), 1);
    }
}

#[tokio::test]
async fn failures_have_the_class_that_the_fault_is_about() {
    for definition in shipped() {
        let name = definition.name().to_owned();
        let world = Harness::start(vec![Arc::clone(&definition)]).await;
        let first = open(&world, &definition, Some("us-east-1".to_owned()));
        let region = first.regions().await.expect("regions")[0].name.clone();
        let account = open(&world, &definition, Some(region.clone()));
        let want = want(&account, &region).await;
        for (fault, class) in [
            (FaultSpec::new(&name, "capacity"), Class::Capacity),
            (FaultSpec { n: Some(0), ..FaultSpec::new(&name, "quota") }, Class::Quota),
            (FaultSpec::new(&name, "revoked"), Class::Auth),
            (FaultSpec::new(&name, "402"), Class::OutOfCredit),
        ] {
            if name == "bench" && class != Class::Auth && class != Class::OutOfCredit {
                continue;
            }
            world.client.set_fault(&fault).await.expect("set");
            let refused = account.create_machine(&want, "token-1", &Open).await;
            let error = refused.expect_err("refused");
            assert_eq!(error.class, class, "{name}: {error}");
            world.client.clear_faults().await.expect("cleared");
        }
        assert_eq!(left(&world.ledger().await), [""; 0], "{name}");
    }
}

/// Thirteen ways in which a call goes wrong: what a read and a creation then are.
fn wrongs() -> [(&'static str, FaultSpec, &'static [Class], &'static [Class]); 13] {
    use Class::{Auth, OutOfCredit, Policy, RateLimited, Unavailable, Unknown};
    let fault = |name: &str| FaultSpec::new("", name);
    let slow = |name: &str| FaultSpec {
        delay: Some(infrafabric_definition::Span("2s".to_owned())),
        ..FaultSpec::new("", name)
    };
    let later = FaultSpec { retry_after: Some(7), ..fault("429") };
    let doubt = &[Unknown][..];
    [
        ("credentials refused", fault("revoked"), &[Auth], &[Auth]),
        ("402", fault("402"), &[OutOfCredit], &[OutOfCredit]),
        ("429", fault("429"), &[RateLimited], &[RateLimited]),
        ("429 with Retry-After", later, &[RateLimited], &[RateLimited]),
        ("500", fault("500"), &[Unavailable], doubt),
        ("503", fault("503"), &[Unavailable], &[Unknown, Unavailable]),
        ("connection closed", fault("outage"), &[Unavailable], doubt),
        ("answer lost after the effect", fault("lost"), &[Unavailable], doubt),
        ("malformed", fault("garbage"), &[Unavailable], doubt),
        ("truncated", fault("truncated"), &[Unavailable], doubt),
        ("wrong type", fault("noid"), &[Unavailable], doubt),
        ("redirect to another host", fault("redirect"), &[Policy], doubt),
        ("slow drip", slow("drip"), &[Unavailable], doubt),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_thirteen_faults_has_its_class_at_every_provider() {
    let all: Vec<_> = shipped().into_iter().map(|one| tokio::spawn(thirteen(one))).collect();
    for one in all {
        one.await.expect("every fault has its class");
    }
}

async fn thirteen(definition: Arc<Compiled>) {
    let name = definition.name().to_owned();
    let world = Harness::start(vec![Arc::clone(&definition)]).await;
    let first = open(&world, &definition, Some("us-east-1".to_owned()));
    let region = first.regions().await.expect("regions")[0].name.clone();
    let account = || open_for(&world, &definition, Some(region.clone()), Duration::from_secs(3));
    let want = want(&first, &region).await;
    let mut tried = 0;
    for (i, (what, fault, reads, creates)) in wrongs().into_iter().enumerate() {
        let fault = FaultSpec { definition: name.clone(), ..fault };
        let on = |operation: &str| fault.clone().on(operation);
        let id = world.client.set_fault(&on("machine.list")).await.expect("set");
        // An account of its own: one that failed several times in a row is not asked for a while.
        let listed = account().list_machines("if-abc", &region).await;
        let error = listed.err().unwrap_or_else(|| panic!("{name}, {what}: a list"));
        assert!(reads.contains(&error.class), "{name}, {what}, a list: {error}");
        world.client.clear_fault(id).await.expect("cleared");
        let id = world.client.set_fault(&on("machine.create")).await.expect("set");
        let want = MachineWant { name: format!("if-web-{i}"), ..want.clone() };
        let (one, token) = (account(), format!("token-{i}"));
        let made = as_time_goes_by(&world, one.create_machine(&want, &token, &Open)).await;
        let error = made.err().unwrap_or_else(|| panic!("{name}, {what}: a creation"));
        // What has a `503` of its own for a want of capacity says that.
        let own = what == "503" && error.class == Class::Capacity;
        // What is made of parts may not be rid of them under the same limit.
        let left = error.class == Class::Unknown && error.message.contains("what it left is not");
        let own = own || left;
        assert!(creates.contains(&error.class) || own, "{name}, {what}, a creation: {error}");
        if what.contains("Retry-After") {
            let pause = error.retry_after.expect("a pause");
            assert!(pause >= Duration::from_secs(5), "{name}: {pause:?}");
        }
        world.client.clear_fault(id).await.expect("cleared");
        tried += 1;
        let ledger = world.ledger().await;
        let made = ledger.entries.iter().filter(|entry| entry.operation == "machine.create");
        assert!(made.count() <= tried, "{name}, {what}: {:?}", ledger.entries);
    }
    // Nobody listens there.
    let closed = AccountOptions {
        endpoint: Some("http://127.0.0.1:9".to_owned()),
        ..options(&world, &definition, Some(region.clone()))
    };
    let closed = Account::open(Arc::clone(&definition), closed).expect("opens");
    let refused = closed.list_machines("if-abc", &region).await.expect_err("refused");
    assert_eq!((refused.class, refused.sent), (Class::Unavailable, false), "{name}: {refused}");
    // Twenty megabytes are not read.
    let huge = FaultSpec { definition: name.clone(), ..FaultSpec::new("", "huge") };
    world.client.set_fault(&huge.on("machine.list")).await.expect("set");
    let huge = account().list_machines("if-abc", &region).await.expect_err("too large");
    assert_eq!(huge.class, Class::Unavailable, "{name}: {huge}");
}

/// Public price lists are another service, which gets no credentials; without it there are sizes all
/// the same.
#[tokio::test]
async fn prices_that_are_kept_apart_come_to_their_sizes() {
    let apart = shipped().into_iter().filter(|one| one.catalogs.contains_key("prices"));
    let apart: Vec<_> = apart.collect();
    assert_eq!(apart.len(), 4);
    for definition in apart {
        let name = definition.name().to_owned();
        let world = Harness::start(vec![Arc::clone(&definition)]).await;
        let first = open(&world, &definition, Some("us-east-1".to_owned()));
        let region = first.regions().await.expect("regions")[0].name.clone();
        let account = open(&world, &definition, Some(region.clone()));
        let priced = |sizes: &[infrafabric_adapters::contract::cloud::Size]| {
            sizes
                .iter()
                .filter(|size| size.price_per_hour.is_some() && size.currency.is_some())
                .count()
        };
        let sizes = account.sizes(&region).await.expect("sizes");
        let (count, wanted) = match name.as_str() {
            "aws" => (2, "0.0208"),
            "azure" => (2, "0.048"),
            "oracle-cloud" => (6, "0.046"),
            _ => (2, "0.0508"),
        };
        assert_eq!(priced(&sizes), count, "{name}: {sizes:?}");
        let cheapest = sizes.iter().filter_map(|size| size.price_per_hour).min().expect("a price");
        assert_eq!(cheapest.normalize().to_string(), wanted, "{name}");
        let down = FaultSpec::new(&name, "503").on("prices.list");
        world.client.set_fault(&down).await.expect("set");
        let sizes = account.sizes(&region).await.expect("sizes");
        assert_eq!((priced(&sizes), sizes.is_empty()), (0, false), "{name}");
    }
}

#[tokio::test]
async fn every_verb_of_a_machine_does_what_it_says() {
    let (mut counted, mut updated) = (0, 0);
    for definition in shipped() {
        let name = definition.name().to_owned();
        let world = Harness::start(vec![Arc::clone(&definition)]).await;
        let first = open(&world, &definition, Some("us-east-1".to_owned()));
        let region = first.regions().await.expect("regions")[0].name.clone();
        let account = open(&world, &definition, Some(region.clone()));
        let want = want(&account, &region).await;
        let here = |regions: &Option<Vec<String>>| {
            regions.as_ref().is_none_or(|regions| regions.contains(&region))
        };
        let sizes = account.sizes(&region).await.expect("sizes");
        let mut others = sizes
            .iter()
            .filter(|size| size.available && here(&size.regions) && size.name != want.size);
        let other = others.next().expect("another size").clone();
        let made = account.create_machine(&want, "token-1", &Open);
        let made = as_time_goes_by(&world, made).await;
        let id = made.unwrap_or_else(|error| panic!("{name}: {error}")).id;
        world.advance(Duration::from_secs(20));
        let resize = MachineVerb::Resize { size: other.name.clone(), size_id: other.id.clone() };
        let object = &definition.spec().objects["machine"];
        if object.when_stopped.iter().any(|verb| verb.as_str() == "resize") {
            let early = account.change_machine(&resize, &id, &region, "token-2", &Open);
            let early = as_time_goes_by(&world, early).await.expect_err("it runs");
            assert_eq!(early.class, Class::Conflict, "{name}: {early}");
        }
        for (verb, state) in [
            (MachineVerb::Stop, MachineState::Stopped),
            (resize, MachineState::Stopped),
            (MachineVerb::Start, MachineState::Running),
            (MachineVerb::Reboot, MachineState::Running),
        ] {
            let change = account.change_machine(&verb, &id, &region, "token-2", &Open);
            let changed = as_time_goes_by(&world, change).await;
            if !account.capabilities().contains(&format!("machine.{}", verb.as_str())) {
                assert_eq!(changed.expect_err("not declared").class, Class::Unsupported, "{name}");
                continue;
            }
            changed.unwrap_or_else(|error| panic!("{name} {verb:?}: {error}"));
            let read = account.read_machine(&id, &region).await.expect("read").expect("there");
            assert_eq!(read.state, state, "{name} {verb:?}");
            if let MachineVerb::Resize { .. } = verb {
                assert_eq!(read.size.as_deref(), Some(other.name.as_str()), "{name}");
            }
            counted += 1;
        }
        let tags = vec!["team-b".to_owned()];
        let update = MachineVerb::Update { marks: want.marks.clone(), tags };
        if account.capabilities().contains(&"machine.update".to_owned()) {
            let change = account.change_machine(&update, &id, &region, "token-4", &Open);
            let changed = as_time_goes_by(&world, change).await;
            changed.unwrap_or_else(|error| panic!("{name}: {error}"));
            let read = account.read_machine(&id, &region).await.expect("read").expect("there");
            if !read.marks.is_empty() {
                assert!(read.marks.contains(&"team-b".to_owned()), "{name}: {:?}", read.marks);
                assert!(want.marks.iter().all(|mark| read.marks.contains(mark)), "{name}");
            }
            updated += 1;
        }
        // Nobody is there to be switched.
        let absent = account.change_machine(&MachineVerb::Stop, "999", &region, "token-3", &Open);
        if let Err(error) = as_time_goes_by(&world, absent).await {
            assert!(
                matches!(error.class, Class::NotFound | Class::Unsupported | Class::Invalid),
                "{error}"
            );
        } else {
            panic!("{name}: an absent machine was switched off");
        }
        assert_eq!(world.ledger().await.unmatched, 0, "{name}");
    }
    assert_eq!(counted, 8 * 4, "all built-in clouds do all four");
    assert_eq!(updated, 5, "those whose tags are changed all at once");
}

#[tokio::test]
async fn whatever_else_is_kept_comes_and_goes() {
    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample ops@example.com";
    let mut counted = BTreeMap::new();
    for definition in shipped() {
        let world = Harness::start(vec![Arc::clone(&definition)]).await;
        let first = open(&world, &definition, Some("us-east-1".to_owned()));
        let region = first.regions().await.expect("regions")[0].name.clone();
        let account = open(&world, &definition, Some(region.clone()));
        let common =
            json!({"name": "if-stage", "region": region, "marks": ["if-abc"], "labels": {}});
        let with = |more: Value| {
            let mut want = common.clone();
            want.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
            want
        };
        let mut bench =
            Bench { world: &world, definition: &definition, account: &account, region: &region };
        let made: Option<SshKey> = bench.comes_and_goes(&with(json!({"publicKey": KEY}))).await;
        *counted.entry(SshKey::KIND).or_insert(0) += usize::from(made.is_some());
        let made: Option<Network> =
            bench.comes_and_goes(&with(json!({"cidr": "10.20.0.0/16"}))).await;
        // OVHcloud shows a range with the subnets of one network alone.
        let cidr = made.as_ref().and_then(|made| made.cidr.as_deref());
        let silent = made.is_none() || definition.name() == "ovhcloud";
        assert!(cidr == Some("10.20.0.0/16") || silent, "{}: {cidr:?}", definition.name());
        *counted.entry(Network::KIND).or_insert(0) += usize::from(made.is_some());
        let rules = json!([{"protocol": "tcp", "ports": "22", "sources": ["192.0.2.0/24"]},
            {"protocol": "icmp", "ports": "", "sources": ["0.0.0.0/0"]}]);
        let want = with(json!({"rules": rules, "machines": []}));
        let made: Option<Firewall> = bench.comes_and_goes(&want).await;
        *counted.entry(Firewall::KIND).or_insert(0) += usize::from(made.is_some());
        let made: Option<FixedAddress> = bench.comes_and_goes(&common).await;
        let public = |made: &FixedAddress| {
            made.ip.as_ref().is_some_and(|ip| ip.parse::<std::net::Ipv4Addr>().is_ok())
        };
        assert!(made.as_ref().is_none_or(public), "{}: {made:?}", definition.name());
        *counted.entry(FixedAddress::KIND).or_insert(0) += usize::from(made.is_some());
        let forwards = json!([{"protocol": "http", "port": 80, "targetPort": 8080}]);
        let want = with(json!({"forwards": forwards, "machines": []}));
        let made: Option<LoadBalancer> = bench.comes_and_goes(&want).await;
        *counted.entry(LoadBalancer::KIND).or_insert(0) += usize::from(made.is_some());
        let ledger = world.ledger().await;
        assert_eq!(ledger.unmatched, 0, "{}: {:?}", definition.name(), ledger.unmatched_requests);
        if definition.objects.contains_key("sshKey") {
            let want =
                serde_json::from_value(with(json!({"publicKey": "hunter2"}))).expect("a wish");
            let refused = account.create::<SshKey>(&want, "token-3", &Open).await;
            let class = refused.err().map(|error| error.class);
            let silent = ["aws", "azure", "ovhcloud"].contains(&definition.name());
            assert!(class == Some(Class::Invalid) || silent, "{}", definition.name());
        }
    }
    let wanted =
        [("sshKey", 6), ("network", 8), ("firewall", 7), ("address", 5), ("loadBalancer", 2)];
    assert_eq!(counted, wanted.into());
}

/// What a firewall lets in, and the machines that it stands before, are made and removed one by one where
/// the provider has it so: asked again, nothing is done, and nothing stays when it goes.
#[tokio::test]
async fn a_firewall_holds_what_is_wanted_and_nothing_else() {
    let mut counted = 0;
    for definition in shipped() {
        let name = definition.name().to_owned();
        let world = Harness::start(vec![Arc::clone(&definition)]).await;
        let first = open(&world, &definition, Some("us-east-1".to_owned()));
        if !first.holds::<Firewall>() {
            continue;
        }
        counted += 1;
        let region = first.regions().await.expect("regions")[0].name.clone();
        let account = open(&world, &definition, Some(region.clone()));
        let want = want(&account, &region).await;
        let machine = account.create_machine(&want, "token-1", &Open);
        let machine = as_time_goes_by(&world, machine).await.expect("a machine");
        world.advance(Duration::from_mins(1));
        let rule =
            |ports: &str| json!({"protocol": "tcp", "ports": ports, "sources": ["192.0.2.0/24"]});
        let wish = |rules: Value, machines: Value| -> FirewallWant {
            let want = json!({"name": "if-wall", "region": region, "marks": ["if-abc"],
                "labels": {}, "rules": rules, "machines": machines});
            serde_json::from_value(want).expect("a wish")
        };
        let behind = definition.objects["firewall"].takes_machines();
        let machines = if behind { json!([machine.id]) } else { json!([]) };
        let full = wish(json!([rule("22"), rule("8000-9000")]), machines.clone());
        let wall = account.create::<Firewall>(&full, "token-2", &Open);
        let wall = as_time_goes_by(&world, wall).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        world.advance(Duration::from_mins(1));
        let settle = async |want: &FirewallWant, token: &str| {
            let act = Act { region: &region, ..Act::new(token, &Open).at(&wall.id) };
            let settled = as_time_goes_by(&world, account.settle::<Firewall>(want, act)).await;
            world.advance(Duration::from_mins(1));
            let settled = settled.unwrap_or_else(|e| panic!("{name} {token}: {e}: {:?}", e.source));
            (settled.made, settled.removed)
        };
        let (made, removed) = settle(&full, "t-1").await;
        assert!(made >= 2 && removed == 0, "{name}: {made} made, {removed} removed");
        assert_eq!(settle(&full, "t-2").await, (0, 0), "{name}: asked again");
        let other = wish(json!([rule("22"), rule("443")]), machines);
        if !behind {
            // Who asked for it believes them safe.
            let unsafe_ = wish(json!([rule("22")]), json!([machine.id]));
            let act = Act { region: &region, ..Act::new("t-9", &Open).at(&wall.id) };
            let refused = account.settle::<Firewall>(&unsafe_, act).await.expect_err("refused");
            assert_eq!((refused.class, refused.sent), (Class::Unsupported, false), "{refused}");
        }
        assert_eq!(settle(&other, "t-3").await, (1, 1), "{name}: one rule is another");
        let read = account.read_machine(&machine.id, &region).await;
        assert!(read.expect("read").is_some(), "{name}: the machine stays");
        let gone = account.delete::<Firewall>(&wall.id, &region, "t-4", &Open);
        as_time_goes_by(&world, gone).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        let ledger = world.ledger().await;
        assert_eq!(ledger.unmatched, 0, "{name}: {:?}", ledger.unmatched_requests);
    }
    assert_eq!(counted, 4);
}

/// An account under test.
struct Bench<'a> {
    world: &'a Harness,
    definition: &'a Compiled,
    account: &'a Account,
    region: &'a str,
}

impl Bench<'_> {
    /// A thing from its making to its end, if the definition has such things; as a read showed it.
    async fn comes_and_goes<T: Kept + PartialEq + std::fmt::Debug>(
        &mut self,
        want: &Value,
    ) -> Option<T>
    where
        T::Want: serde::de::DeserializeOwned,
    {
        let (name, kind) = (self.definition.name(), T::KIND);
        self.definition.objects.get(kind)?;
        let want: T::Want = serde_json::from_value(want.clone()).expect("a wish");
        let made = self.account.create::<T>(&want, "token-1", &Open);
        let made = as_time_goes_by(self.world, made).await;
        let made = made.unwrap_or_else(|error| panic!("{name} {kind}: {error}"));
        self.world.advance(Duration::from_mins(1));
        let listed = self.account.list::<T>("if-abc", self.region).await;
        let listed = listed.unwrap_or_else(|error| panic!("{name} {kind}: {error}"));
        assert_eq!(listed.len(), 1, "{name} {kind}");
        assert_eq!(listed[0].id(), made.id(), "{name} {kind}");
        let mut shown = listed.into_iter().next();
        if self.definition.objects[kind].read.is_some() {
            let read = self.account.read::<T>(made.id(), self.region).await.expect("read");
            assert_eq!(read, shown, "{name} {kind}: a list and a read show the same");
            shown = read;
        }
        for _ in 0..2 {
            let delete = self.account.delete::<T>(made.id(), self.region, "token-2", &Open);
            let deleted = as_time_goes_by(self.world, delete).await;
            deleted.unwrap_or_else(|error| panic!("{name} {kind}: {error}"));
        }
        let left = self.account.list::<T>("if-abc", self.region).await.expect("listed");
        assert_eq!(left, [], "{name} {kind}");
        shown
    }
}
