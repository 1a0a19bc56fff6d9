//! Machines, SSH keys and networks.

use infrafabric_definition::{Class, ListScope};
use serde_json::json;

use super::Account;
use super::objects::{Deed, Shown, Wish};
use crate::contract::cloud::{
    Machine, MachineVerb, MachineWant, Network, NetworkWant, SshKey, SshKeyWant,
};
use crate::contract::parse::{Outputs, ParseError};
use crate::error::AdapterError;
use crate::journal::Journal;

const MACHINE: &str = "machine";
const SSH_KEY: &str = "sshKey";
const NETWORK: &str = "network";

impl Account {
    /// Every machine that carries the mark (in the region, for providers whose lists are regional).
    ///
    /// # Guarantees
    /// Complete or an error: a machine without an identity is an error and not left out.
    pub async fn list_machines(
        &self,
        mark: &str,
        region: &str,
    ) -> Result<Vec<Machine>, AdapterError> {
        let machines = self.list(MACHINE, (mark, region), Outputs::machine).await?;
        Ok(machines.into_iter().map(|machine| self.placed(machine, region)).collect())
    }

    /// One machine; `None` when it is gone.
    pub async fn read_machine(
        &self,
        id: &str,
        region: &str,
    ) -> Result<Option<Machine>, AdapterError> {
        let machine = self.read(MACHINE, (id, region), Outputs::machine).await?;
        Ok(machine.map(|machine| self.placed(machine, region)))
    }

    /// The machine with its region, where the question had one and the answer has none.
    fn placed(&self, mut machine: Machine, region: &str) -> Machine {
        let regional = self.object(MACHINE).is_some_and(|spec| spec.scope == ListScope::Region);
        if regional && machine.region.is_none() {
            machine.region = Some(self.region_or_default(region)).filter(|r| !r.is_empty());
        }
        machine
    }

    /// Makes a machine. A lost answer is class `Unknown` and is never repeated here unless the
    /// provider honours the token.
    ///
    /// # Errors
    /// When the journal refuses: class `Conflict` (`JournalError::Changed`) or `Policy`, not sent,
    /// with the `JournalError` as source.
    pub async fn create_machine(
        &self,
        want: &MachineWant,
        token: &str,
        journal: &dyn Journal,
    ) -> Result<Machine, AdapterError> {
        let wish = Wish {
            kind: MACHINE,
            name: &want.name,
            region: &want.region,
            want: &want.expressible(),
        };
        self.create(wish, Deed { token, journal }, Outputs::machine).await
    }

    /// Deletes a machine and then its parts, the last one first; what is gone already is a success.
    pub async fn delete_machine(
        &self,
        id: &str,
        region: &str,
        token: &str,
        journal: &dyn Journal,
    ) -> Result<(), AdapterError> {
        self.remove(MACHINE, (id, region), Deed { token, journal }).await
    }

    /// Does something with a machine. It is accepted, not done, when this returns: a read shows what
    /// became of it.
    ///
    /// # Errors
    /// Class `NotFound` when there is no such machine, `Unsupported` when the provider cannot.
    pub async fn change_machine(
        &self,
        verb: &MachineVerb,
        id: &str,
        region: &str,
        token: &str,
        journal: &dyn Journal,
    ) -> Result<(), AdapterError> {
        let operation = self.object(MACHINE).and_then(|spec| spec.verbs.get(verb.as_str()));
        let name = format!("{MACHINE}.{}", verb.as_str());
        let want = Some(verb.expressible());
        self.change(&name, operation, (id, region), want, Deed { token, journal }).await
    }

    /// Whether a read shows what a list does not (addresses that are kept apart).
    pub fn reads_more(&self) -> bool {
        let read = self.object(MACHINE).and_then(|machine| machine.read.as_ref());
        read.is_some_and(|read| !read.steps.is_empty())
    }

    /// Whether a machine here is made of several things. What of them an interrupted creation left
    /// is removed by [`Account::delete_machine`] with the machine's name.
    pub fn has_parts(&self) -> bool {
        self.object(MACHINE).is_some_and(|machine| !machine.parts.is_empty())
    }

    /// Makes an SSH key known to the provider.
    pub async fn create_ssh_key(
        &self,
        want: &SshKeyWant,
        token: &str,
        journal: &dyn Journal,
    ) -> Result<SshKey, AdapterError> {
        let (name, region) = (want.name.as_str(), want.region.as_str());
        let wish = Wish { kind: SSH_KEY, name, region, want: &json!(want) };
        self.create(wish, Deed { token, journal }, Outputs::ssh_key).await
    }

    /// One SSH key; `None` when the provider does not know it.
    pub async fn read_ssh_key(
        &self,
        id: &str,
        region: &str,
    ) -> Result<Option<SshKey>, AdapterError> {
        self.read(SSH_KEY, (id, region), Outputs::ssh_key).await
    }

    /// Every SSH key of the account, or what carries the mark where keys carry marks.
    pub async fn list_ssh_keys(
        &self,
        mark: &str,
        region: &str,
    ) -> Result<Vec<SshKey>, AdapterError> {
        self.list(SSH_KEY, (mark, region), Outputs::ssh_key).await
    }

    /// Makes the provider forget an SSH key; machines keep what they have.
    pub async fn delete_ssh_key(
        &self,
        id: &str,
        region: &str,
        token: &str,
        journal: &dyn Journal,
    ) -> Result<(), AdapterError> {
        self.remove(SSH_KEY, (id, region), Deed { token, journal }).await
    }

    /// Makes a private network.
    pub async fn create_network(
        &self,
        want: &NetworkWant,
        token: &str,
        journal: &dyn Journal,
    ) -> Result<Network, AdapterError> {
        let (name, region) = (want.name.as_str(), want.region.as_str());
        let wish = Wish { kind: NETWORK, name, region, want: &json!(want) };
        self.create(wish, Deed { token, journal }, Outputs::network).await
    }

    /// One network; `None` when it is gone.
    pub async fn read_network(
        &self,
        id: &str,
        region: &str,
    ) -> Result<Option<Network>, AdapterError> {
        self.read(NETWORK, (id, region), Outputs::network).await
    }

    /// Every network of the account, or what carries the mark where networks carry marks.
    pub async fn list_networks(
        &self,
        mark: &str,
        region: &str,
    ) -> Result<Vec<Network>, AdapterError> {
        self.list(NETWORK, (mark, region), Outputs::network).await
    }

    /// Deletes a network, which must be empty; one that is gone already is a success.
    pub async fn delete_network(
        &self,
        id: &str,
        region: &str,
        token: &str,
        journal: &dyn Journal,
    ) -> Result<(), AdapterError> {
        self.remove(NETWORK, (id, region), Deed { token, journal }).await
    }

    async fn create<T>(
        &self,
        wish: Wish<'_>,
        deed: Deed<'_>,
        parse: fn(&Outputs) -> Result<T, ParseError>,
    ) -> Result<T, AdapterError> {
        let shown = self.make(wish, deed).await?;
        self.parsed(wish.kind, &shown, parse).map_err(|error| {
            let name = format!("{}.create", wish.kind);
            let mut unknown = self.pipeline.odd(&name, "success without an identity");
            unknown.class = Class::Unknown;
            unknown.because(error)
        })
    }

    async fn read<T>(
        &self,
        kind: &str,
        place: (&str, &str),
        parse: fn(&Outputs) -> Result<T, ParseError>,
    ) -> Result<Option<T>, AdapterError> {
        let Some(shown) = self.show(kind, place).await? else { return Ok(None) };
        self.parsed(kind, &shown, parse).map(Some).map_err(|error| {
            let odd = format!("success without the {kind}");
            self.pipeline.odd(&format!("{kind}.read"), &odd).because(error)
        })
    }

    async fn list<T>(
        &self,
        kind: &str,
        place: (&str, &str),
        parse: fn(&Outputs) -> Result<T, ParseError>,
    ) -> Result<Vec<T>, AdapterError> {
        let all = self.all(kind, place).await?;
        let each = all.iter().map(|shown| self.parsed(kind, shown, parse));
        each.collect::<Result<_, _>>().map_err(|error| {
            let odd = format!("a list with a {kind} that cannot be read");
            self.pipeline.odd(&format!("{kind}.list"), &odd).because(error)
        })
    }

    fn parsed<T>(
        &self,
        kind: &str,
        shown: &Shown,
        parse: fn(&Outputs) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        parse(&self.outputs(kind, shown)?)
    }
}
