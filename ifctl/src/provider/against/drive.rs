//! Tries every operation of a definition on its own simulator.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use infrafabric_adapters::account::{Account, AccountOptions};
use infrafabric_adapters::compile::Compiled;
use infrafabric_adapters::contract::cloud::{MachineVerb, MachineWant};
use infrafabric_adapters::error::AdapterError;
use infrafabric_adapters::journal::Unrecorded;
use infrafabric_world::{Exchange, Recorder, World, WorldOptions, rehearse_at};

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
        let machines: Vec<String> = machine.iter().cloned().collect();
        for done in rehearse_at(&self.account, &Unrecorded, &region, &machines).await {
            self.note(done.result);
        }
        if let Some(id) = &machine {
            let gone = self.account.delete_machine(id, &region, "check-2", &Unrecorded).await;
            self.note(gone);
        }
        if has("models") {
            let all = self.account.models().await;
            self.note(all);
        }
    }

    async fn machine(
        &mut self,
        definition: &Compiled,
        want: &MachineWant,
        resize: Option<MachineVerb>,
    ) -> Option<String> {
        let made = self.account.create_machine(want, "check-1", &Unrecorded).await;
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
                    .change_machine(&verb, &made.id, &want.region, &token, &Unrecorded)
                    .await;
                self.note(done);
            }
        }
        Some(made.id)
    }
}
