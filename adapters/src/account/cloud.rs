//! Machines, and what else is kept for us: SSH keys, networks, firewalls, addresses, load balancers.

use infrafabric_definition::{Class, ListScope};
use serde_json::json;

use super::Account;
use super::objects::{Deed, Shown, Wish};
use crate::contract::Kept;
use crate::contract::cloud::{Machine, MachineVerb, MachineWant};
use crate::contract::parse::{Outputs, ParseError};
use crate::error::AdapterError;
use crate::journal::Journal;

const MACHINE: &str = "machine";

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
        let machines = self.listed(MACHINE, (mark, region), Outputs::machine).await?;
        Ok(machines.into_iter().map(|machine| self.placed(machine, region)).collect())
    }

    /// One machine; `None` when it is gone.
    pub async fn read_machine(
        &self,
        id: &str,
        region: &str,
    ) -> Result<Option<Machine>, AdapterError> {
        let machine = self.shown(MACHINE, (id, region), Outputs::machine).await?;
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
        self.created(wish, Deed { token, journal }, Outputs::machine).await
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

    /// Makes a thing of another kind: an SSH key, a network, a firewall, an address, a load balancer.
    ///
    /// # Errors
    /// As [`Account::create_machine`].
    pub async fn create<T: Kept>(
        &self,
        want: &T::Want,
        token: &str,
        journal: &dyn Journal,
    ) -> Result<T, AdapterError> {
        let want = json!(want);
        let text = |key: &str| want[key].as_str().unwrap_or_default();
        let wish = Wish { kind: T::KIND, name: text("name"), region: text("region"), want: &want };
        self.created(wish, Deed { token, journal }, Outputs::kept::<T>).await
    }

    /// One of a kind; `None` when it is gone.
    pub async fn read<T: Kept>(&self, id: &str, region: &str) -> Result<Option<T>, AdapterError> {
        self.shown(T::KIND, (id, region), Outputs::kept::<T>).await
    }

    /// Every one of a kind in the account, or what carries the mark where they carry marks.
    pub async fn list<T: Kept>(&self, mark: &str, region: &str) -> Result<Vec<T>, AdapterError> {
        self.listed(T::KIND, (mark, region), Outputs::kept::<T>).await
    }

    /// Deletes one of a kind; what is gone already is a success. A network must be empty.
    pub async fn delete<T: Kept>(
        &self,
        id: &str,
        region: &str,
        token: &str,
        journal: &dyn Journal,
    ) -> Result<(), AdapterError> {
        self.remove(T::KIND, (id, region), Deed { token, journal }).await
    }

    async fn created<T>(
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

    async fn shown<T>(
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

    async fn listed<T>(
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
