//! One effect on a machine, with its journal.

use std::sync::{Arc, Mutex, PoisonError};

use infrafabric_crds::engine::{Forgotten, Operation};
use infrafabric_crds::{CloudMachine, CloudMachineStatus};
use kube::runtime::reflector::ObjectRef;
use kube::{Resource, ResourceExt};

use super::act::{Acted, What, owner};
use super::report;
use crate::context::Context;
use crate::engine::accounts::OpenAccount;
use crate::engine::journal::{ObjectJournal, Receipts};
use crate::engine::status::{Intention, Written};
use crate::witness::ObjectId;

/// One effect under way on a machine.
pub(super) struct Effect<'a> {
    /// What is done, as far as it is known before the request is rendered.
    pub(super) operation: Operation,
    forgotten: Option<Forgotten>,
    receipts: Arc<Mutex<Receipts>>,
    writer: Intention<'a, CloudMachine, CloudMachineStatus>,
    context: &'a Context,
    object: ObjectId,
}

impl<'a> Effect<'a> {
    /// Begins it; the account is watched closely from now on.
    pub(super) fn new(
        machine: &'a CloudMachine,
        account: &'a OpenAccount,
        operation: Operation,
        context: &'a Context,
    ) -> Self {
        let owner = owner(machine, context);
        let active = machine.status.as_ref().and_then(|status| status.active.as_ref());
        let id = active.map(|active| active.external_id.as_str());
        let object = ObjectRef::from_obj(machine);
        account.observer.interest(&operation.region, &owner, object, (id, true));
        let object = ObjectId {
            kind: CloudMachine::kind(&()).into_owned(),
            namespace: machine.namespace().unwrap_or_default(),
            name: machine.name_any(),
            uid: owner.uid,
        };
        let writer = Intention::new(machine, context, |operation| {
            report::with_intent(machine, operation, context.now())
        });
        let forgotten = machine.status.as_ref().and_then(|status| status.forgotten.clone());
        Self { operation, forgotten, receipts: Arc::default(), writer, context, object }
    }

    /// Begins one that belongs to an operation whose intent is in the status already; the log has an
    /// entry of it.
    pub(super) fn beneath(
        machine: &'a CloudMachine,
        account: &'a OpenAccount,
        operation: Operation,
        context: &'a Context,
    ) -> Self {
        let open = machine.status.as_ref().and_then(|status| status.operation.clone());
        let effect = Self::new(machine, account, operation, context);
        Self { writer: effect.writer.beneath(open), ..effect }
    }

    /// Begins the same one again: its request must be the same.
    pub(super) fn again(
        machine: &'a CloudMachine,
        account: &'a OpenAccount,
        open: Operation,
        context: &'a Context,
    ) -> Self {
        let forgotten =
            Forgotten { token: open.token.clone(), request_digest: open.request_digest.clone() };
        let effect = Self::new(machine, account, open, context);
        Self { forgotten: Some(forgotten), ..effect }
    }

    /// The journal that the pipeline keeps.
    pub(super) fn journal(&self) -> ObjectJournal<'_> {
        ObjectJournal {
            object: self.object.clone(),
            provider: self.operation.provider.clone(),
            operation: self.operation.clone(),
            writer: &self.writer,
            witness: &self.context.witness,
            clock: &*self.context.clock,
            forgotten: self.forgotten.clone(),
            halt: self.context.halt.clone(),
            stop: self.context.stop.clone(),
            actor: self.context.actor.clone(),
            receipts: Arc::clone(&self.receipts),
        }
    }

    /// Whether a request of it was answered.
    pub(super) fn has_outcome(&self) -> bool {
        self.receipts.lock().unwrap_or_else(PoisonError::into_inner).outcome.is_some()
    }

    /// How long it took so far.
    pub(super) fn elapsed_ms(&self) -> u64 {
        let elapsed = self.context.now() - self.operation.started_at;
        elapsed.num_milliseconds().try_into().unwrap_or_default()
    }

    /// What was done, with what the journal wrote.
    pub(super) fn acted(self, what: What) -> Acted {
        let receipts = self.receipts.lock().unwrap_or_else(PoisonError::into_inner);
        let witness = receipts.newest();
        let Written { operation: mut intent, version } = self.writer.into_written();
        if let Some(operation) =
            intent.as_mut().filter(|intent| intent.token == self.operation.token)
        {
            operation.witness_index = receipts.intent.as_ref().map(|receipt| receipt.index);
        }
        Acted { what, witness, intent, version }
    }
}
