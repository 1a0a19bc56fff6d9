//! Tries every operation of a definition on its own simulator.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use infrafabric_adapters::account::{Account, AccountOptions, Act};
use infrafabric_adapters::compile::Compiled;
use infrafabric_adapters::contract::Kept;
use infrafabric_adapters::contract::cloud::{
    Firewall, FixedAddress, LoadBalancer, MachineVerb, MachineWant, Network, SshKey,
};
use infrafabric_adapters::error::AdapterError;
use infrafabric_adapters::journal::{Intent, Journal, JournalError, Outcome};
use infrafabric_world::{Exchange, Recorder, World, WorldOptions, rehearse};
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

const NAME: &str = "if-checked-1";
const MARK: &str = "if:checked";
/// Only the public half ever existed.
const SSH_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICheckedCheckedCheckedCheckedCheckedCheck0 check";

/// What went over the wire.
pub(super) struct Driven {
    pub(super) exchanges: Vec<Exchange>,
    pub(super) untried: Vec<String>,
}

/// The simulator's ledger is the record here.
pub(crate) struct Permitted;

#[async_trait]
impl Journal for Permitted {
    async fn intent(&self, _: &Intent) -> Result<(), JournalError> {
        Ok(())
    }
    async fn permit(&self) -> Result<(), JournalError> {
        Ok(())
    }
    async fn outcome(&self, _: &Intent, _: &Outcome) -> Result<(), JournalError> {
        Ok(())
    }
}

/// Tries everything that the definition declares.
pub(super) async fn drive(definition: &Arc<Compiled>) -> Result<Driven, Box<dyn Error>> {
    let Some(sandbox) = &definition.sandbox else {
        return Err("the definition has no `sandbox` section: nothing answers its requests".into());
    };
    let recorder = Arc::new(Recorder::default());
    let world = World::start(WorldOptions {
        definitions: vec![Arc::clone(definition)],
        recorder: Some(Arc::clone(&recorder)),
        ..WorldOptions::default()
    })
    .await?;
    let accepts = sandbox.accepts.iter();
    let options = AccountOptions {
        endpoint: Some(format!("{}/p/{}", world.url(), definition.name())),
        secrets: accepts.map(|(key, value)| (key.clone(), value.clone().into())).collect(),
        parameters: definition.simulated_parameters(),
        // Where base URLs are regional, the regions themselves are asked for in one.
        region: Some("us-east-1".to_owned()),
        ..AccountOptions::default()
    };
    let account = Account::open(Arc::clone(definition), options)?;
    let mut tried = Tried { account, untried: Vec::new() };
    tried.everything(definition).await;
    Ok(Driven { exchanges: recorder.exchanges(), untried: tried.untried })
}

/// Where things are made.
struct Place<'a> {
    definition: &'a Compiled,
    region: &'a str,
    made: usize,
}

struct Tried {
    account: Account,
    untried: Vec<String>,
}

impl Tried {
    /// Notes what failed: what follows from it could not be tried.
    fn note<T>(&mut self, result: Result<T, AdapterError>) -> Option<T> {
        result.map_err(|error| self.untried.push(error.to_string())).ok()
    }

    async fn everything(&mut self, definition: &Compiled) {
        let verified = self.account.verify().await;
        self.note(verified);
        let has = |name: &str| definition.catalogs.contains_key(name);
        let mut regions = Vec::new();
        if has("regions") {
            let all = self.account.regions().await;
            regions = self.note(all).unwrap_or_default();
        }
        let region = regions.iter().find(|region| region.available);
        let region = region.map(|region| region.name.clone()).unwrap_or_default();
        let (mut sizes, mut images) = (Vec::new(), Vec::new());
        if has("sizes") {
            let all = self.account.sizes(&region).await;
            sizes = self.note(all).unwrap_or_default();
        }
        if has("images") {
            let all = self.account.images(&region).await;
            images = self.note(all).unwrap_or_default();
        }
        let here = |regions: &Option<Vec<String>>| {
            regions.as_ref().is_none_or(|regions| region.is_empty() || regions.contains(&region))
        };
        let mut sizes = sizes.iter().filter(|size| size.available && here(&size.regions));
        let image = images.iter().find(|image| here(&image.regions));
        let labels = BTreeMap::from([("infrafabric-io-mark".to_owned(), "checked".to_owned())]);
        let mut machine = None;
        if definition.objects.contains_key("machine") {
            let size = sizes.next();
            let want = MachineWant {
                name: NAME.to_owned(),
                region: region.clone(),
                size: size.map_or_else(|| "size".to_owned(), |size| size.name.clone()),
                size_id: size.and_then(|size| size.id.clone()),
                image: image.map_or_else(|| "image".to_owned(), |image| image.name.clone()),
                ssh_keys: vec![SSH_KEY.to_owned()],
                user_data: Some("#cloud-config\n".to_owned()),
                marks: vec![MARK.to_owned(), "if:checked-1".to_owned()],
                tags: vec!["team-a".to_owned()],
                labels: labels.clone(),
            };
            let other = sizes.next().map(|size| MachineVerb::Resize {
                size: size.name.clone(),
                size_id: size.id.clone(),
            });
            machine = self.machine(definition, &want, other).await;
        }
        let mut place = Place { definition, region: &region, made: 0 };
        let common = json!({"name": NAME, "region": region, "marks": [MARK], "labels": labels});
        let with = |more: Json| {
            let mut want = common.clone();
            if let (Json::Object(want), Json::Object(more)) = (&mut want, more) {
                want.extend(more);
            }
            want
        };
        self.kept::<SshKey>(&mut place, &with(json!({"publicKey": SSH_KEY}))).await;
        self.kept::<Network>(&mut place, &with(json!({"cidr": "10.20.0.0/16"}))).await;
        let rules = json!([
            {"protocol": "tcp", "ports": "22", "sources": ["192.0.2.0/24"]},
            {"protocol": "udp", "ports": "8000-9000", "sources": ["0.0.0.0/0"]},
            {"protocol": "icmp", "ports": "", "sources": ["0.0.0.0/0"]},
        ]);
        let machines: Vec<&String> = machine.iter().collect();
        let want = with(json!({"rules": rules, "machines": machines}));
        self.kept::<Firewall>(&mut place, &want).await;
        self.kept::<FixedAddress>(&mut place, &common).await;
        let forwards = json!([{"protocol": "tcp", "port": 443, "targetPort": 8443}]);
        let want = with(json!({"forwards": forwards, "machines": machines}));
        self.kept::<LoadBalancer>(&mut place, &want).await;
        if let Some(id) = &machine {
            let gone = self.account.delete_machine(id, &region, "check-2", &Permitted).await;
            self.note(gone);
        }
        if has("models") {
            let all = self.account.models().await;
            self.note(all);
        }
        for done in rehearse(&self.account, &Permitted).await {
            self.note(done.result);
        }
    }

    /// One of a kind from its making to its end.
    async fn kept<T: Kept>(&mut self, place: &mut Place<'_>, want: &Json)
    where
        T::Want: DeserializeOwned,
    {
        let Some(object) = place.definition.objects.get(T::KIND) else { return };
        let mut empty = want.clone();
        for list in
            ["rules", "machines", "forwards"].into_iter().filter(|key| want.get(key).is_some())
        {
            empty[list] = json!([]);
        }
        let read = |want: &Json| serde_json::from_value::<T::Want>(want.clone());
        let (want, empty) = match (read(want), read(&empty)) {
            (Ok(want), Ok(empty)) => (want, empty),
            (Err(error), _) | (_, Err(error)) => {
                return self.untried.push(format!("{}: {error}", T::KIND));
            }
        };
        place.made += 1;
        let tokens = [format!("check-{}-1", place.made), format!("check-{}-2", place.made)];
        let made = self.account.create::<T>(&want, &tokens[0], &Permitted).await;
        let all = self.account.list::<T>(MARK, place.region).await;
        self.note(all);
        let Some(made) = self.note(made) else { return };
        if object.read.is_some() {
            let read = self.account.read::<T>(made.id(), place.region).await;
            self.note(read);
        }
        if self.account.holds::<T>() {
            for (wanted, token) in [(&want, "fill"), (&empty, "empty")] {
                let act = Act::new(token, &Permitted).at(made.id());
                let act = Act { region: place.region, ..act };
                let settled = self.account.settle::<T>(wanted, act).await;
                self.note(settled);
            }
        }
        let gone = self.account.delete::<T>(made.id(), place.region, &tokens[1], &Permitted).await;
        self.note(gone);
    }

    async fn machine(
        &mut self,
        definition: &Compiled,
        want: &MachineWant,
        resize: Option<MachineVerb>,
    ) -> Option<String> {
        let made = self.account.create_machine(want, "check-1", &Permitted).await;
        let all = self.account.list_machines(MARK, &want.region).await;
        self.note(all);
        let made = self.note(made)?;
        let read = self.account.read_machine(&made.id, &want.region).await;
        self.note(read);
        let update = MachineVerb::Update { marks: want.marks.clone(), tags: Vec::new() };
        let verbs = [MachineVerb::Stop, MachineVerb::Start, MachineVerb::Reboot, update];
        for verb in verbs.into_iter().chain(resize) {
            if definition.objects["machine"].verbs.contains_key(verb.as_str()) {
                let token = format!("check-{}", verb.as_str());
                let done = self
                    .account
                    .change_machine(&verb, &made.id, &want.region, &token, &Permitted)
                    .await;
                self.note(done);
            }
        }
        Some(made.id)
    }
}
