//! moto: an AWS that nobody here wrote. It recomputes every signature, and boto3 counts what the
//! operator made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use infrafabric_adapters::account::{Account, AccountOptions};
use infrafabric_adapters::contract::cloud::{
    FixedAddress, FixedAddressWant, MachineVerb, MachineWant, Network, NetworkWant, SshKey,
    SshKeyWant,
};
use infrafabric_adapters::error::AdapterError;
use infrafabric_adapters::journal::Unrecorded;
use infrafabric_crds::provider::reason::UNAUTHORIZED;
use infrafabric_crds::{CloudMachine, Provider};
use serde_json::{Value, json};

use crate::cache::own;
use crate::error::{Error, at};
use crate::http;
use crate::process::{Running, free_port, must};
use crate::recorder::Recorder;
use crate::report::Report;
use crate::simulated::Simulated;
use crate::site::{INSTALLATION, Site, delete, is_not_ready_by, is_ready, until};
use crate::tools::python;

const START: Duration = Duration::from_mins(1);
const SCRIPT: Duration = Duration::from_mins(1);
/// The first look at moto's images takes it ten seconds.
const CONTROLLER: Duration = Duration::from_mins(2);
const PROVIDER: &str = "moto";
const MACHINE: &str = "web";

/// A moto that checks signatures and permissions, with one user who may do what the operator does.
pub(crate) struct Moto {
    python: PathBuf,
    port: u16,
    region: String,
    image: String,
    /// Access key id of that user.
    pub(crate) id: String,
    /// Secret access key of that user.
    pub(crate) secret: String,
    _server: Running,
}

impl Moto {
    /// Starts it, makes the user, then switches enforcement on.
    pub(crate) fn start(folder: &Path) -> Result<Self, Error> {
        let bin = python()?;
        let port = free_port()?;
        let mut server = Running::start(
            "moto",
            Command::new(bin.join("moto_server"))
                .args(["-H", "127.0.0.1", "-p", &port.to_string()])
                // Without these a bogus image, type or key pair is accepted.
                .env("MOTO_ENABLE_AMI_VALIDATION", "true")
                .env("MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION", "true")
                .env("MOTO_ENABLE_KEYPAIR_VALIDATION", "true"),
            &folder.join("moto.log"),
        )?;
        server.until(START, || http::answers(port, "/moto-api/"))?;
        let mut moto = Self {
            python: bin.join("python"),
            port,
            region: String::new(),
            image: String::new(),
            id: String::new(),
            secret: String::new(),
            _server: server,
        };
        let user = moto.script(&["setup"])?;
        moto.id = text(&user, "id");
        moto.secret = text(&user, "secret");
        moto.region = text(&user, "region");
        moto.image = text(&user, "image");
        // From here on, no call is let through unsigned or unasked.
        http::ask(port, "POST", "/moto-api/reset-auth", "0")?;
        Ok(moto)
    }

    /// Every instance that there ever was, by boto3.
    fn instances(&self) -> Result<Vec<Value>, Error> {
        let listed = self.script(&["list", &self.id, &self.secret])?;
        Ok(listed.as_array().cloned().unwrap_or_default())
    }

    /// What carries our mark in a region.
    fn kept(&self, region: &str) -> Result<Kept, Error> {
        let said = self.script(&["kept", &self.id, &self.secret, region])?;
        serde_json::from_value(said.clone()).map_err(|source| Error::Json {
            program: "ec2.py".to_owned(),
            text: said.to_string(),
            source,
        })
    }

    /// What boto3 says.
    fn script(&self, arguments: &[&str]) -> Result<Value, Error> {
        let mut command = Command::new(&self.python);
        command
            .arg(own("scripts/ec2.py"))
            .arg(format!("http://127.0.0.1:{}", self.port))
            .args(arguments);
        let out = must(&mut command, SCRIPT)?;
        serde_json::from_str(&out).map_err(|source| Error::Json {
            program: "ec2.py".to_owned(),
            text: out.clone(),
            source,
        })
    }
}

/// The operator makes one instance, is killed before it knows, finds it again, and terminates it.
pub(crate) fn ask(report: &mut Report) -> Result<(), Error> {
    let temporary = tempfile::tempdir().map_err(at("a temporary folder"))?;
    let moto = Moto::start(temporary.path())?;
    // The first RunInstances is done and never answered: moto ignores ClientToken, so that only
    // finding by mark can keep the second one away.
    let recorder = Recorder::start(moto.port, Some("Action=RunInstances"), temporary.path())?;
    let runtime = tokio::runtime::Runtime::new().map_err(at("the runtime"))?;
    runtime.block_on(judged(report, &moto, &recorder, temporary.path()))
}

async fn judged(
    report: &mut Report,
    moto: &Moto,
    recorder: &Recorder,
    folder: &Path,
) -> Result<(), Error> {
    let site = Site::start(folder).await?;
    let allowed = format!("--allowed-endpoints=127.0.0.1:{}", recorder.port);
    let first = site.operator(&[&allowed])?;
    provider(&site, PROVIDER, moto, &recorder.url(), &moto.secret).await?;
    let providers = site.api::<Provider>();
    until(&providers, PROVIDER, "Ready", CONTROLLER, is_ready).await?;
    report.pass("moto accepts the operator's signature: the Provider is Ready");
    refused(report, &site, moto, &recorder.url()).await?;

    machine(&site, moto).await?;
    // Held at moto: the effect has happened, the answer never comes.
    let machines = site.api::<CloudMachine>();
    until(&machines, MACHINE, "held at moto", CONTROLLER, |_| recorder.holds()).await?;
    drop(first);
    let made = moto.instances()?;
    report.check("one instance when the operator is killed", made.len() == 1, &shown(&made));
    let unaware = |machine: &CloudMachine| {
        machine.status.as_ref().is_some_and(|status| status.active.is_none())
    };
    until(&machines, MACHINE, "unaware of it", Duration::ZERO, unaware).await?;
    report.pass("the object does not know it yet");

    let _second = site.operator(&[&allowed])?;
    let found = until(&machines, MACHINE, "Ready", CONTROLLER, is_ready).await?;
    let made = moto.instances()?;
    report.check("exactly one instance after the restart", made.len() == 1, &shown(&made));
    let id = found.status.and_then(|status| status.active).map(|active| active.external_id);
    let same = made.first().is_some_and(|one| one["id"].as_str() == id.as_deref());
    report.check("the object has adopted that instance", same, &format!("{id:?}"));
    let marked = made.iter().all(|one| !one["tags"][format!("if:{INSTALLATION}")].is_null());
    report.check("boto3 sees the installation's mark on it", marked, &shown(&made));

    delete(&machines, MACHINE, CONTROLLER).await?;
    let made = moto.instances()?;
    let over = made.len() == 1 && made.iter().all(|one| one["state"] == "terminated");
    report.check("deleted: boto3 sees that one instance terminated", over, &shown(&made));
    Ok(())
}

/// What a region must hold, as boto3 shows it.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
struct Kept {
    /// State, type and key by id.
    machines: BTreeMap<String, String>,
    /// Ids by name.
    keys: BTreeMap<String, String>,
    /// Ranges by id.
    networks: BTreeMap<String, String>,
    addresses: Vec<String>,
}

/// Machines, keys and networks in two regions, by the library; boto3 says what became of them.
pub(crate) fn regions(report: &mut Report) -> Result<(), Error> {
    let temporary = tempfile::tempdir().map_err(at("a temporary folder"))?;
    let moto = Moto::start(temporary.path())?;
    let secrets = [("accessKeyId", &moto.id), ("secretAccessKey", &moto.secret)];
    let secrets = secrets.map(|(key, value)| (key.to_owned(), value.as_str().into()));
    let options = AccountOptions {
        endpoint: Some(format!("http://127.0.0.1:{}", moto.port)),
        region: Some(moto.region.clone()),
        secrets: secrets.into(),
        ..AccountOptions::default()
    };
    let account = Account::open(Simulated::read("aws")?.compiled()?, options);
    let account = account.map_err(|source| Error::Adapter { source })?;
    let runtime = tokio::runtime::Runtime::new().map_err(at("the runtime"))?;
    let places = ["us-east-1", "eu-central-1"];
    let mut made = Vec::new();
    for region in places {
        let id = runtime.block_on(furnished(&account, region));
        made.push(id.map_err(|source| Error::Adapter { source })?);
    }
    for (region, made) in places.iter().zip(&made) {
        let wanted = Kept {
            machines: [(made.machine.clone(), "stopped t3.small if-ops".to_owned())].into(),
            keys: [("if-ops".to_owned(), String::new())].into(),
            networks: [(made.network.clone(), "10.20.0.0/16".to_owned())].into(),
            addresses: vec![made.address.clone()],
        };
        let mut found = moto.kept(region)?;
        found.keys.values_mut().for_each(String::clear);
        let what =
            format!("boto3 sees machine, key, network and address in {region}, and only its own");
        report.check(&what, found == wanted, &format!("{found:?}, not {wanted:?}"));
    }
    for (region, made) in places.iter().zip(&made) {
        let emptied = runtime.block_on(emptied(&account, region, made));
        emptied.map_err(|source| Error::Adapter { source })?;
        let found = moto.kept(region)?;
        let over = found.machines.values().all(|state| state.starts_with("terminated"));
        let empty = over && found.keys.is_empty() && found.networks.is_empty();
        let empty = empty && found.addresses.is_empty();
        report.check(&format!("nothing is left in {region}"), empty, &format!("{found:?}"));
    }
    Ok(())
}

/// What was made in a region.
struct Furniture {
    machine: String,
    network: String,
    address: String,
}

/// Makes a key, a network, an address and a machine with the key, which is then stopped and made larger.
async fn furnished(account: &Account, region: &str) -> Result<Furniture, AdapterError> {
    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZm oracle";
    let marks = || vec!["if:oracle".to_owned()];
    let key = SshKeyWant {
        name: "if-ops".to_owned(),
        region: region.to_owned(),
        public_key: KEY.to_owned(),
        marks: marks(),
        labels: BTreeMap::new(),
    };
    let key = account.create::<SshKey>(&key, "t-1", &Unrecorded).await?;
    let network = NetworkWant {
        name: "if-stage".to_owned(),
        region: region.to_owned(),
        cidr: "10.20.0.0/16".to_owned(),
        marks: marks(),
        labels: BTreeMap::new(),
    };
    let network = account.create::<Network>(&network, "t-2", &Unrecorded).await?;
    let address = FixedAddressWant {
        name: "if-front".to_owned(),
        region: region.to_owned(),
        marks: marks(),
        labels: BTreeMap::new(),
    };
    let address = account.create::<FixedAddress>(&address, "t-9", &Unrecorded).await?;
    let images = account.images(region).await?;
    let machine = MachineWant {
        name: "if-web".to_owned(),
        region: region.to_owned(),
        size: "t3.micro".to_owned(),
        size_id: None,
        image: images.first().map(|image| image.name.clone()).unwrap_or_default(),
        ssh_keys: vec![key.id],
        user_data: None,
        marks: marks(),
        tags: Vec::new(),
        labels: BTreeMap::new(),
    };
    let machine = account.create_machine(&machine, "t-3", &Unrecorded).await?;
    let larger = MachineVerb::Resize { size: "t3.small".to_owned(), size_id: None };
    for verb in [MachineVerb::Reboot, MachineVerb::Stop, larger] {
        account.change_machine(&verb, &machine.id, region, "t-4", &Unrecorded).await?;
    }
    Ok(Furniture { machine: machine.id, network: network.id, address: address.id })
}

async fn emptied(account: &Account, region: &str, made: &Furniture) -> Result<(), AdapterError> {
    let Furniture { machine, network, address } = made;
    account.change_machine(&MachineVerb::Start, machine, region, "t-5", &Unrecorded).await?;
    for _ in 0..2 {
        account.delete_machine(machine, region, "t-6", &Unrecorded).await?;
        account.delete::<FixedAddress>(address, region, "t-10", &Unrecorded).await?;
        account.delete::<Network>(network, region, "t-7", &Unrecorded).await?;
        account.delete::<SshKey>("if-ops", region, "t-8", &Unrecorded).await?;
    }
    Ok(())
}

/// A Provider with a wrong secret is told apart, which the consent to the right one rests on.
async fn refused(
    report: &mut Report,
    site: &Site,
    moto: &Moto,
    endpoint: &str,
) -> Result<(), Error> {
    provider(site, "wrong", moto, endpoint, "not-the-secret").await?;
    let is_refused = |provider: &Provider| is_not_ready_by(provider, UNAUTHORIZED);
    until(&site.api::<Provider>(), "wrong", "Unauthorized", CONTROLLER, is_refused).await?;
    report.pass("a wrong secret makes a Provider Unauthorized");
    Ok(())
}

async fn provider(
    site: &Site,
    name: &str,
    moto: &Moto,
    endpoint: &str,
    secret: &str,
) -> Result<(), Error> {
    site.secret(name, json!({"accessKeyId": moto.id, "secretAccessKey": secret})).await?;
    site.make::<Provider>(json!({
        "apiVersion": "infrafabric.io/v1alpha1", "kind": "Provider", "metadata": {"name": name},
        "spec": {
            "type": "aws", "endpoint": endpoint, "region": moto.region,
            "credentials": {"secretRef": {"name": name}},
        },
    }))
    .await
}

async fn machine(site: &Site, moto: &Moto) -> Result<(), Error> {
    site.make::<CloudMachine>(json!({
        "apiVersion": "infrafabric.io/v1alpha1", "kind": "CloudMachine", "metadata": {"name": MACHINE},
        "spec": {"providers": [{"name": PROVIDER}], "size": "t3.micro", "image": moto.image},
    }))
    .await
}

fn shown(instances: &[Value]) -> String {
    instances.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The judge itself: does it tell a good signature from a bad one? Without this its consent to ours
/// would say nothing.
pub(crate) fn control(report: &mut Report) -> Result<(), Error> {
    let temporary = tempfile::tempdir().map_err(at("a temporary folder"))?;
    let moto = Moto::start(temporary.path())?;
    let said = moto.script(&["control", &moto.id, &moto.secret])?;
    for (key, wanted) in [
        ("good", "OK"),
        ("wrong secret", "AuthFailure"),
        ("unknown key", "AuthFailure"),
        ("not allowed", "AccessDenied"),
    ] {
        let found = text(&said, key);
        report.check(&format!("moto answers {wanted} to: {key}"), found == wanted, &found);
    }
    Ok(())
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}
