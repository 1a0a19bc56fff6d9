//! What an account got before.

use std::collections::{HashSet, VecDeque};

use sha2::{Digest as _, Sha256};

/// How many deliveries are remembered; the oldest are forgotten first.
const DELIVERIES: usize = 4096;

/// What a delivery is known by, in a fixed size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Mark([u8; 32]);

impl Mark {
    pub(super) fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

/// The newest deliveries.
#[derive(Default)]
pub(super) struct Memory {
    known: HashSet<Mark>,
    order: VecDeque<Mark>,
}

impl Memory {
    /// Notes a delivery; whether it came before.
    pub(super) fn note(&mut self, mark: Mark) -> bool {
        if !self.known.insert(mark) {
            return true;
        }
        self.order.push_back(mark);
        if self.order.len() > DELIVERIES
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        false
    }

    /// Forgets a delivery: whoever brings it again is heard.
    pub(super) fn forget(&mut self, mark: Mark) {
        if self.known.remove(&mark) {
            self.order.retain(|known| *known != mark);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_is_known_until_too_much_came_since() {
        let mark = |n: usize| Mark::of(&[&n.to_be_bytes()]);
        let mut memory = Memory::default();
        assert!(!memory.note(mark(0)) && memory.note(mark(0)));
        memory.forget(mark(0));
        assert!(!memory.note(mark(0)));
        for n in 1..DELIVERIES {
            assert!(!memory.note(mark(n)));
        }
        assert!(memory.note(mark(0)), "it is among the newest");
        assert!(!memory.note(mark(DELIVERIES)));
        assert!(!memory.note(mark(0)), "the oldest is forgotten");
        assert_eq!(memory.known.len(), DELIVERIES);
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(Mark::of(&[b"ab", b"c"]), Mark::of(&[b"a", b"bc"]));
    }
}
