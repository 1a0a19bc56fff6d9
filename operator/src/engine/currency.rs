//! One currency for comparisons, by a table with a date. Pure.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use rust_decimal::Decimal;

/// The ConfigMap beside the operator whose rates are used instead of the built-in ones.
pub const EXCHANGE_RATES: &str = "infrafabric-exchange-rates";

/// Reference rates of the European Central Bank of 2024-12-31: so much is one euro.
const BUILT_IN: [(&str, &str); 8] = [
    ("EUR", "1"),
    ("USD", "1.0389"),
    ("GBP", "0.82918"),
    ("CHF", "0.9412"),
    ("JPY", "163.06"),
    ("CAD", "1.4948"),
    ("AUD", "1.6772"),
    ("SEK", "11.4590"),
];

/// What currencies are worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Of which day they are.
    pub date: String,
    /// How much of a currency is one of the base; the base itself is 1.
    per_base: BTreeMap<String, Decimal>,
}

impl Default for Rates {
    fn default() -> Self {
        let rate = |(code, rate): &(&str, &str)| {
            let rate = Decimal::from_str(rate).unwrap_or(Decimal::ONE);
            ((*code).to_owned(), rate)
        };
        Self { date: "2024-12-31".to_owned(), per_base: BUILT_IN.iter().map(rate).collect() }
    }
}

impl Rates {
    /// Reads the data of a ConfigMap: `date` (YYYY-MM-DD), `base` (a currency), and for each other currency how much of it
    /// is one of the base.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn read(table: &BTreeMap<String, String>) -> Result<Self, String> {
        let date = table.get("date").ok_or("it has no key date (YYYY-MM-DD)")?;
        chrono::NaiveDate::parse_from_str(date, "%Y-%m-%d")
            .map_err(|_| format!("date: {date:?} is not of the form YYYY-MM-DD"))?;
        let base = table.get("base").ok_or("it has no key base, such as EUR")?;
        if !is_code(base) {
            return Err(format!("base: {base:?} is not a currency such as EUR"));
        }
        let mut per_base = BTreeMap::from([(base.clone(), Decimal::ONE)]);
        for (code, text) in table.iter().filter(|(key, _)| *key != "date" && *key != "base") {
            if !is_code(code) {
                return Err(format!("{code}: is not a currency such as USD"));
            }
            let rate = Decimal::from_str(text.trim()).ok().filter(|rate| *rate > Decimal::ZERO);
            let rate = rate.ok_or_else(|| format!("{code}: {text:?} is not a number above 0"))?;
            per_base.insert(code.clone(), rate);
        }
        if per_base.len() < 2 {
            return Err("it has no rates".to_owned());
        }
        Ok(Self { date: date.clone(), per_base })
    }

    /// An amount in another currency; `None` when one of the two is not in the table.
    pub fn convert(&self, amount: Decimal, from: &str, to: &str) -> Option<Decimal> {
        if from == to {
            return Some(amount);
        }
        let (from, to) = (self.per_base.get(from)?, self.per_base.get(to)?);
        amount.checked_mul(*to)?.checked_div(*from)
    }
}

fn is_code(text: &str) -> bool {
    text.len() == 3 && text.chars().all(|c| c.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn amounts_go_from_one_currency_to_another_and_back() {
        let rates = Rates::default();
        let ten = Decimal::TEN;
        assert_eq!(rates.convert(ten, "EUR", "USD"), Decimal::from_str("10.389").ok());
        let back = rates.convert(Decimal::from_str("10.389").expect("a number"), "USD", "EUR");
        assert_eq!(back.map(|back| back.round_dp(9)), Some(ten));
        assert_eq!(rates.convert(ten, "XTS", "XTS"), Some(ten));
        assert_eq!(rates.convert(ten, "XTS", "USD"), None);
    }

    #[test]
    fn a_table_of_ones_own_is_read_or_refused_with_the_place() {
        let own = [("date", "2026-11-27"), ("base", "USD"), ("EUR", "0.9"), ("INR", "88.1")];
        let rates = Rates::read(&data(&own)).expect("a table");
        assert_eq!(rates.convert(Decimal::from(9), "EUR", "USD"), Some(Decimal::TEN));
        let refused = |change: (&str, &str)| {
            let mut all = data(&own);
            all.insert(change.0.to_owned(), change.1.to_owned());
            Rates::read(&all).expect_err("refused")
        };
        assert!(refused(("date", "27.11.2026")).contains("date"));
        assert!(refused(("base", "euro")).contains("base"));
        assert!(refused(("EUR", "0")).starts_with("EUR"));
        assert!(refused(("EUR", "1,1")).starts_with("EUR"));
        assert!(refused(("eur", "1.1")).starts_with("eur"));
        assert!(Rates::read(&BTreeMap::new()).is_err());
    }
}
