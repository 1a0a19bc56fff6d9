//! Every action of a definition once, on behalf of who judges what went over the wire.

use std::collections::BTreeMap;

use infrafabric_adapters::account::{Account, Act};
use infrafabric_adapters::compile::CompiledObject;
use infrafabric_adapters::contract::ai::{Collection, CollectionWant, Metric};
use infrafabric_adapters::contract::cloud::{
    Firewall, FixedAddress, LoadBalancer, Network, SshKey,
};
use infrafabric_adapters::contract::payments::Customer;
use infrafabric_adapters::contract::sip::{AccessList, CredentialList, Trunk};
use infrafabric_adapters::contract::{self, ActionContract, Does, Kept};
use infrafabric_adapters::error::AdapterError;
use infrafabric_adapters::journal::Journal;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

/// What objects are called and marked by.
const NAME: &str = "if-rehearsal";
/// Only the public half ever existed.
const SSH_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIRehearsalRehearsalRehearsalRehearsalRe0 rehearsal";

/// What an action gave.
#[derive(Debug)]
pub struct Rehearsed {
    /// The contract's name of the action.
    pub action: &'static str,
    /// What the contract makes of the answer, or why there is nothing.
    pub result: Result<Json, AdapterError>,
}

/// Does everything that the definition can do but with machines, by its own examples, in an order in which
/// it can be done. What an action is aimed at is made for it.
pub async fn rehearse(account: &Account, journal: &dyn Journal) -> Vec<Rehearsed> {
    rehearse_at(account, journal, "", &[]).await
}

/// The same in a region, with machines that are there.
pub async fn rehearse_at(
    account: &Account,
    journal: &dyn Journal,
    region: &str,
    machines: &[String],
) -> Vec<Rehearsed> {
    let definition = account.definition();
    let all = contract::of(definition.spec().domain).actions;
    let declared = |action: &&ActionContract| definition.actions.contains_key(action.name);
    let mut stage = Stage {
        account,
        journal,
        region,
        count: 0,
        done: Vec::new(),
        ids: BTreeMap::new(),
        collection: None,
    };
    stage.objects().await;
    stage.belongings(machines).await;
    for action in all.iter().filter(declared) {
        stage.play(action).await;
    }
    stage.clear().await;
    stage.done
}

/// What an object is made from.
fn wish(region: &str, common: Json, more: Json) -> Json {
    let mut wish = json!({"name": NAME, "region": region, "marks": [NAME]});
    for part in [common, more] {
        if let (Json::Object(wish), Json::Object(part)) = (&mut wish, part) {
            wish.extend(part);
        }
    }
    wish
}

struct Stage<'a> {
    account: &'a Account,
    journal: &'a dyn Journal,
    region: &'a str,
    count: usize,
    done: Vec<Rehearsed>,
    /// By action: what it made and nobody used, or what it was aimed at.
    ids: BTreeMap<&'static str, String>,
    /// The collection that actions are aimed at.
    collection: Option<String>,
}

impl Stage<'_> {
    /// Each kind of object from its making to its end, with all that it can hold, and then nothing.
    async fn objects(&mut self) {
        let want = |more: Json| wish(self.region, json!({}), more);
        let full = json!({"dimensions": 3, "metric": "cosine"});
        self.keep::<Collection>(&want(full.clone()), &want(full)).await;
        let full = want(json!({"title": "Ada Example", "email": "ada@example.com"}));
        self.keep::<Customer>(&full, &full).await;
        let full = want(json!({"username": "studio"}));
        self.keep::<CredentialList>(&full, &full).await;
        let full = json!({"addresses": ["192.0.2.10"]});
        self.keep::<AccessList>(&want(full), &want(json!({}))).await;
        let lists = ["AL00000000000000000000000000000001"];
        let uri = |n: u8| json!({"uri": format!("sip:pbx-{n}.example.com:5060"), "priority": n, "weight": 10});
        let full = json!({
            "access": ["192.0.2.10"], "accessLists": lists, "origination": [uri(1), uri(2)],
            "credentialLists": ["CL00000000000000000000000000000001"],
        });
        self.keep::<Trunk>(&want(full), &want(json!({}))).await;
    }

    /// What a cloud keeps beside machines.
    async fn belongings(&mut self, machines: &[String]) {
        let labels = json!({"labels": {"infrafabric-io-mark": "rehearsal"}});
        let region = self.region;
        let want = |more: Json| wish(region, labels.clone(), more);
        let key = want(json!({"publicKey": SSH_KEY}));
        self.keep::<SshKey>(&key, &key).await;
        let network = want(json!({"cidr": "10.20.0.0/16"}));
        self.keep::<Network>(&network, &network).await;
        let rules = json!([
            {"protocol": "tcp", "ports": "22", "sources": ["192.0.2.0/24"]},
            {"protocol": "udp", "ports": "8000-9000", "sources": ["0.0.0.0/0"]},
            {"protocol": "icmp", "ports": "", "sources": ["0.0.0.0/0"]},
        ]);
        let definition = self.account.definition();
        let takes = |kind: &str| {
            let object = definition.objects.get(kind);
            object.is_some_and(CompiledObject::takes_machines)
        };
        let some = |kind: &str| if takes(kind) { machines } else { &[] };
        let full = want(json!({"rules": rules, "machines": some("firewall")}));
        self.keep::<Firewall>(&full, &want(json!({"rules": [], "machines": []}))).await;
        let address = want(json!({}));
        self.keep::<FixedAddress>(&address, &address).await;
        let forwards = json!([{"protocol": "tcp", "port": 443, "targetPort": 8443}]);
        let full = want(json!({"forwards": forwards, "machines": some("loadBalancer")}));
        self.keep::<LoadBalancer>(&full, &want(json!({"forwards": [], "machines": []}))).await;
    }

    async fn keep<T: Kept>(&mut self, full: &Json, empty: &Json)
    where
        T::Want: DeserializeOwned,
    {
        let Some(object) = self.account.definition().objects.get(T::KIND) else { return };
        let (account, region) = (self.account, self.region);
        let token = |verb: &str| format!("rehearsal-{}-{verb}", T::KIND);
        let wish = |json: &Json| serde_json::from_value::<T::Want>(json.clone()).ok();
        let Some((full, empty)) = wish(full).zip(wish(empty)) else { return };
        let made = account.create::<T>(&full, &token("make"), self.journal).await;
        let Some(made) = self.note(T::KIND, made) else { return };
        let all = account.list::<T>(NAME, region).await;
        self.note(T::KIND, all);
        if object.read.is_some() {
            let read = account.read::<T>(made.id(), region).await;
            self.note(T::KIND, read);
        }
        if account.holds::<T>() {
            for (wanted, token) in [(&full, token("fill")), (&empty, token("empty"))] {
                let act = Act { region, ..Act::new(&token, self.journal).at(made.id()) };
                let settled = account.settle::<T>(wanted, act).await;
                self.note(T::KIND, settled);
            }
        }
        let gone = account.delete::<T>(made.id(), region, &token("end"), self.journal).await;
        self.note(T::KIND, gone);
    }

    /// Notes what failed.
    fn note<T>(&mut self, action: &'static str, result: Result<T, AdapterError>) -> Option<T> {
        result.map_err(|error| self.done.push(Rehearsed { action, result: Err(error) })).ok()
    }

    async fn play(&mut self, action: &'static ActionContract) {
        let id = match action.does.aim() {
            None => Some(String::new()),
            Some(kind) => match action.after {
                Some(before) => self.aim(kind, before).await,
                None => self.collection().await,
            },
        };
        let Some(id) = id else { return };
        let result = self.perform(action.name, &id).await;
        match (&result, action.does) {
            (Ok(made), Does::Make(_)) => {
                let id = made["id"].as_str().unwrap_or_default();
                self.ids.insert(action.name, id.to_owned());
            }
            _ if !id.is_empty() => {
                self.ids.insert(action.name, id);
            }
            _ => {}
        }
        self.done.push(Rehearsed { action: action.name, result });
    }

    async fn perform(&mut self, name: &'static str, id: &str) -> Result<Json, AdapterError> {
        self.count += 1;
        let want = self.account.definition().example(name);
        let token = format!("rehearsal-{}", self.count);
        let silent = |_: &str| {};
        let act = Act::new(&token, self.journal).at(id).piecewise(&silent);
        self.account.perform(name, &want, act).await
    }

    /// What the action before it was aimed at, or what it made, or another one of the kind.
    async fn aim(&mut self, kind: &'static str, before: &'static str) -> Option<String> {
        let declared = &self.account.definition().actions;
        let all = contract::of(self.account.definition().spec().domain).actions;
        let finds = |action: &&ActionContract| {
            action.does == Does::Find(kind) && declared.contains_key(action.name)
        };
        if let Some(finder) = all.iter().find(finds) {
            let found = self.perform(finder.name, "").await.ok()?;
            return Some(found[0]["id"].as_str()?.to_owned());
        }
        let creates = |action: &&ActionContract| {
            action.does == Does::Make(kind) && declared.contains_key(action.name)
        };
        let maker = all.iter().find(|action| action.name == before).filter(creates);
        let maker = maker.or_else(|| all.iter().find(creates))?.name;
        if maker != before
            && let Some(id) = self.ids.get(before)
        {
            return Some(id.clone());
        }
        if let Some(id) = self.ids.remove(maker) {
            return Some(id);
        }
        match self.perform(maker, "").await {
            Ok(made) => Some(made["id"].as_str().unwrap_or_default().to_owned()),
            Err(error) => {
                self.done.push(Rehearsed { action: maker, result: Err(error) });
                None
            }
        }
    }

    /// The collection that actions are aimed at; the first asks for it.
    async fn collection(&mut self) -> Option<String> {
        if self.collection.is_none() {
            let want = CollectionWant {
                name: NAME.to_owned(),
                region: String::new(),
                dimensions: 3,
                metric: Metric::Cosine,
                marks: vec![NAME.to_owned()],
            };
            let made = self.account.create::<Collection>(&want, "rehearsal-0", self.journal).await;
            match made {
                Ok(made) => self.collection = Some(made.id),
                Err(error) => {
                    self.done.push(Rehearsed { action: "collection", result: Err(error) });
                }
            }
        }
        self.collection.clone()
    }

    async fn clear(&mut self) {
        if let Some(id) = self.collection.take() {
            let token = "rehearsal-end";
            let gone = self.account.delete::<Collection>(&id, "", token, self.journal).await;
            if let Err(error) = gone {
                self.done.push(Rehearsed { action: "collection", result: Err(error) });
            }
        }
    }
}
