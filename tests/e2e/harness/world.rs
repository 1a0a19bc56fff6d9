//! The simulated providers: their faults, and their own books.

use infrafabric_world::{Effect, FaultSpec, LedgerEntry, LedgerPage, ThingShown};

use super::stage::Stage;
use super::{SOON, poll};

impl Stage {
    /// Sets a fault; gives its id.
    pub(crate) async fn fault(&self, fault: FaultSpec) -> u64 {
        self.world.set_fault(&fault).await.expect("the fault is known")
    }

    /// Waits until a fault holds an answer.
    pub(crate) async fn held(&self, fault: u64) {
        let held = async || {
            let faults = self.world.faults().await.expect("faults");
            faults.iter().any(|shown| shown.id == fault && shown.held > 0).then_some(())
        };
        let held = poll(SOON, held).await;
        assert!(held.is_some(), "no answer is held\n{}", self.log_tail());
    }

    /// Waits until a fault met that many requests.
    pub(crate) async fn met(&self, fault: u64, times: u64) {
        let met = async || {
            let faults = self.world.faults().await.expect("faults");
            faults.iter().any(|shown| shown.id == fault && shown.met >= times).then_some(())
        };
        let met = poll(SOON, met).await;
        assert!(met.is_some(), "fault {fault} met no {times} requests\n{}", self.log_tail());
    }

    /// What the simulated providers did.
    pub(crate) async fn ledger(&self) -> LedgerPage {
        self.world.ledger(None, 0).await.expect("the ledger")
    }

    /// Creations by the providers' own books.
    pub(crate) async fn creations(&self) -> Vec<LedgerEntry> {
        let entries = self.ledger().await.entries.into_iter();
        entries.filter(|entry| entry.effect == Effect::Create).collect()
    }

    /// How often a definition's operation was asked for.
    pub(crate) async fn asked(&self, definition: &str, operation: &str) -> u64 {
        let page = self.ledger().await;
        let operations = page.requests.get(definition);
        operations.and_then(|all| all.get(operation)).copied().unwrap_or(0)
    }

    /// All requests to a definition.
    pub(crate) async fn asked_in_all(&self, definition: &str) -> u64 {
        let page = self.ledger().await;
        page.requests.get(definition).map_or(0, |all| all.values().sum())
    }

    /// Living things at all providers.
    pub(crate) async fn things(&self) -> Vec<ThingShown> {
        self.world.things(None).await.expect("things")
    }
}
