//! Which candidate is better than which, and the sum that says so. Pure.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use infrafabric_crds::engine::{Placed, Placement, Ranked, Score};
use rust_decimal::Decimal;
use sha2::{Digest as _, Sha256};

use super::failover::{Candidate, Choice, Terms};
use super::placement::Offering;

/// What a score is made of, per hour in the currency of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sum {
    price: Decimal,
    failures: Decimal,
    latency: Decimal,
    preference: Decimal,
}

impl Sum {
    fn total(self) -> Decimal {
        self.price + self.failures + self.latency + self.preference
    }
}

/// The candidates by index, the best first.
pub fn order(candidates: &[Candidate], terms: &Terms<'_>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    match terms.policy {
        Placement::Ordered => {}
        Placement::Cheapest => {
            let sums: Vec<Option<Decimal>> = (0..candidates.len())
                .map(|at| sum(candidates, at, terms).map(Sum::total))
                .collect();
            // What nobody knows the price of comes last.
            order.sort_by_key(|at| (sums[*at].is_none(), sums[*at], *at));
        }
        Placement::Spread => order.sort_by_key(|at| (candidates[*at].share, *at)),
        Placement::Weighted => {
            let lots: Vec<f64> =
                candidates.iter().map(|candidate| lot(terms.uid, candidate)).collect();
            order.sort_by(|a, b| {
                lots[*a].partial_cmp(&lots[*b]).unwrap_or(Ordering::Equal).then(a.cmp(b))
            });
        }
    }
    order
}

fn offering(candidate: &Candidate) -> Option<&Offering> {
    candidate.offering.as_ref()?.as_ref().ok()
}

/// Every term is a share of the price, so that of two that differ in nothing else the dearer one never wins.
fn sum(candidates: &[Candidate], at: usize, terms: &Terms<'_>) -> Option<Sum> {
    let candidate = &candidates[at];
    let offering = offering(candidate)?;
    let (price, currency) = (offering.price_per_hour?, offering.currency.as_deref()?);
    let price = terms.rates.convert(price, currency, terms.currency)?;
    let failed = candidate.health.map_or(0, |health| 100 - health.success_percent.min(100));
    // Milliseconds: a hundredth of the price for each second, a tenth at most.
    let latency = candidate.health.map_or(0, |health| health.latency_ms.min(10_000));
    Some(Sum {
        price,
        failures: price * Decimal::new(i64::from(failed), 2),
        latency: price * Decimal::new(i64::from(latency), 5),
        preference: price * Decimal::new(i64::try_from(at).unwrap_or(i64::MAX), 3),
    })
}

/// The lot that an object drew for a candidate: the lowest one wins, and the chance of that is the candidate's
/// share of all weights, whichever others there are.
fn lot(uid: &str, candidate: &Candidate) -> f64 {
    let digest = Sha256::digest(format!("{uid}\0{}", candidate.name).as_bytes());
    let bits = digest.iter().take(6).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    #[expect(clippy::cast_precision_loss, reason = "48 bits are exact in a double")]
    let even = (bits as f64 + 0.5) / (1_u64 << 48) as f64;
    -even.ln() / f64::from(candidate.weight.max(1))
}

/// The comparison as a person can redo it.
pub fn explain(
    candidates: &[Candidate],
    choice: &Choice,
    terms: &Terms<'_>,
    at: DateTime<Utc>,
) -> Placed {
    let ranked = |index: &usize| {
        let candidate = &candidates[*index];
        let offering = offering(candidate);
        let passed = choice.passed.iter().find(|(passed, _)| passed == index);
        let score =
            (terms.policy == Placement::Cheapest).then(|| sum(candidates, *index, terms)).flatten();
        Ranked {
            provider: candidate.name.clone(),
            region: candidate.region.clone().ok(),
            size: offering.map(|offering| offering.size.clone()),
            price_per_hour: offering.and_then(|offering| offering.price_per_hour).map(text),
            currency: offering.and_then(|offering| offering.currency.clone()),
            score: score.map(shown),
            chosen: choice.index == Some(*index),
            reason: passed.map(|(_, why)| why.chars().take(512).collect()),
        }
    };
    Placed {
        at,
        policy: terms.policy,
        currency: terms.currency.to_owned(),
        candidates: choice.order.iter().map(ranked).collect(),
    }
}

fn text(amount: Decimal) -> String {
    amount.normalize().to_string()
}

/// To the millionth; the sum is that of the terms as they are shown.
fn shown(sum: Sum) -> Score {
    let [price, failures, latency, preference] =
        [sum.price, sum.failures, sum.latency, sum.preference].map(|term| term.round_dp(6));
    let total = price + failures + latency + preference;
    Score {
        price: text(price),
        failures: text(failures),
        latency: text(latency),
        preference: text(preference),
        sum: text(total),
    }
}

#[cfg(test)]
mod tests {
    use infrafabric_crds::engine::Failover;
    use infrafabric_crds::provider::Health;

    use super::super::currency::Rates;
    use super::super::failover::{Standing, choose};
    use super::*;

    fn terms<'a>(policy: Placement, uid: &'a str, fixed: &'a (Failover, Rates)) -> Terms<'a> {
        Terms {
            policy,
            failover: &fixed.0,
            attempts: &[],
            uid,
            currency: "USD",
            rates: &fixed.1,
            now: DateTime::from_timestamp(1_800_000_000, 0).expect("a time"),
        }
    }

    fn fixed() -> (Failover, Rates) {
        (Failover::default(), Rates::default())
    }

    fn priced(name: &str, millis: i64, currency: &str) -> Candidate {
        let offering = Offering {
            region: "r".into(),
            size: "s".into(),
            size_id: None,
            image: "i".into(),
            price_per_hour: Some(Decimal::new(millis, 3)),
            currency: Some(currency.into()),
        };
        let region = Ok("r".to_owned());
        Candidate { offering: Some(Ok(offering)), ..Candidate::new(name, region, Standing::Ready) }
    }

    fn names(candidates: &[Candidate], order: &[usize]) -> Vec<String> {
        order.iter().map(|at| candidates[*at].name.clone()).collect()
    }

    #[test]
    fn the_cheapest_wins_in_one_currency_and_unknown_prices_are_last() {
        let fixed = fixed();
        let mut unknown = priced("unknown", 1, "USD");
        if let Some(Ok(offering)) = &mut unknown.offering {
            offering.price_per_hour = None;
        }
        // 0.070 EUR is 0.0727 USD.
        let all = [
            unknown,
            priced("other", 1, "XTS"),
            priced("euro", 70, "EUR"),
            priced("dollar", 72, "USD"),
        ];
        let order = order(&all, &terms(Placement::Cheapest, "u", &fixed));
        assert_eq!(names(&all, &order), ["dollar", "euro", "unknown", "other"]);
    }

    #[test]
    fn a_person_can_redo_the_sum() {
        let fixed = fixed();
        let health = Some(Health { success_percent: 90, latency_ms: 500 });
        let all = [priced("a", 100, "USD"), Candidate { health, ..priced("b", 90, "USD") }];
        let terms = terms(Placement::Cheapest, "u", &fixed);
        let placed = explain(&all, &choose(&all, &terms), &terms, terms.now);
        let b = placed.candidates.iter().find(|row| row.provider == "b").expect("listed");
        let score = b.score.as_ref().expect("scored");
        let said = [&score.price, &score.failures, &score.latency, &score.preference];
        assert_eq!(said.map(String::as_str), ["0.09", "0.009", "0.00045", "0.00009"]);
        assert_eq!(score.sum, "0.09954");
        assert!(b.chosen && placed.candidates[0].provider == "b");
    }

    #[test]
    fn the_score_is_monotone_in_the_price() {
        let fixed = fixed();
        let terms = terms(Placement::Cheapest, "u", &fixed);
        for percent in [0, 1, 50, 99, 100] {
            for latency_ms in [0, 1, 999, 9_999, 60_000] {
                let health = Some(Health { success_percent: percent, latency_ms });
                let total = |millis| {
                    let one = [Candidate { health, ..priced("a", millis, "USD") }];
                    sum(&one, 0, &terms).expect("a sum").total()
                };
                for millis in [0, 1, 7, 100, 12_345] {
                    assert!(total(millis) < total(millis + 1));
                }
            }
        }
    }

    #[test]
    fn weights_are_fair() {
        let fixed = fixed();
        let all = [
            Candidate { weight: 1, ..priced("a", 1, "USD") },
            Candidate { weight: 2, ..priced("b", 1, "USD") },
        ];
        let first = |uid: &String| choose(&all, &terms(Placement::Weighted, uid, &fixed)).index;
        let uids: Vec<String> = (0..6_000).map(|i| format!("uid-{i}")).collect();
        let ones = uids.iter().filter(|uid| first(uid) == Some(0)).count();
        assert!((1_850..2_150).contains(&ones), "{ones} of 6000, and a third is 2000");
        assert_eq!(first(&uids[0]), first(&uids[0]), "the same object draws the same");
    }

    #[test]
    fn objects_are_spread() {
        let fixed = fixed();
        let all = [
            Candidate { share: 2, ..priced("a", 1, "USD") },
            Candidate { share: 1, ..priced("b", 9, "USD") },
            Candidate { share: 1, ..priced("c", 1, "USD") },
        ];
        let order = order(&all, &terms(Placement::Spread, "u", &fixed));
        assert_eq!(names(&all, &order), ["b", "c", "a"]);
    }
}
