//! Names like one that is not there.

/// How alike a name must be to be offered.
const ALIKE: f64 = 0.7;
/// How many are offered.
const MOST: usize = 3;

/// Those of `all` that may have been meant by `name`, the likest first.
pub fn alike<'a>(name: &str, all: impl Iterator<Item = &'a String>) -> Vec<String> {
    let name = name.to_lowercase();
    let score = |other: &String| strsim::jaro_winkler(&other.to_lowercase(), &name);
    let mut alike: Vec<(f64, &String)> =
        all.map(|other| (score(other), other)).filter(|(score, _)| *score >= ALIKE).collect();
    alike.sort_by(|a, b| b.0.total_cmp(&a.0));
    alike.into_iter().take(MOST).map(|(_, name)| name.clone()).collect()
}
