//! What must be so, and what must become so.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use crate::failure::Failure;

/// How often anything is looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long anything may take to become so.
const LIMIT: Duration = Duration::from_secs(20);

/// Looks until there is something; `look` says how it stands while there is not.
pub(crate) async fn until<T>(
    what: impl Into<String>,
    mut look: impl AsyncFnMut() -> Result<Result<T, String>, Failure>,
) -> Result<T, Failure> {
    let deadline = Instant::now() + LIMIT;
    loop {
        match look().await? {
            Ok(found) => return Ok(found),
            Err(stands) if Instant::now() > deadline => {
                let (what, seconds) = (what.into(), LIMIT.as_secs());
                return Err(Failure::Late { what, seconds, stands });
            }
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// Both must be the same.
pub(crate) fn same<T: PartialEq + Debug>(
    what: impl Into<String>,
    expected: &T,
    found: &T,
) -> Result<(), Failure> {
    holds(what, expected == found, &format!("{expected:?}"), &format!("{found:?}"))
}

/// It must hold.
pub(crate) fn holds(
    what: impl Into<String>,
    holds: bool,
    expected: &str,
    found: &str,
) -> Result<(), Failure> {
    if holds {
        return Ok(());
    }
    Err(Failure::Differs {
        what: what.into(),
        expected: expected.to_owned(),
        found: found.to_owned(),
    })
}

/// There must be exactly one.
pub(crate) fn one<T: Debug>(what: impl Into<String>, mut found: Vec<T>) -> Result<T, Failure> {
    match (found.pop(), found.len()) {
        (Some(only), 0) => Ok(only),
        (last, _) => {
            found.extend(last);
            let found = format!("{}: {found:?}", found.len());
            Err(Failure::Differs { what: what.into(), expected: "exactly 1".to_owned(), found })
        }
    }
}

/// There must be something.
pub(crate) fn some<T>(what: impl Into<String>, found: Option<T>) -> Result<T, Failure> {
    found.ok_or_else(|| Failure::Differs {
        what: what.into(),
        expected: "a value".to_owned(),
        found: "nothing".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_neither_none_nor_two() {
        assert_eq!(one("a", vec![1]).ok(), Some(1));
        assert!(one::<u8>("a", vec![]).is_err());
        let two = one("machines", vec![1, 2]).expect_err("two").to_string();
        assert_eq!(two, "machines: expected exactly 1, found 2: [1, 2]");
    }
}
