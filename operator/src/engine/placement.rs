//! Requirements × catalogs → the offering to ask for. Pure.

use infrafabric_adapters::contract::cloud::{Image, Size};
use infrafabric_crds::CloudMachineSpec;
use infrafabric_crds::cloud_machine::Requirements;
use rust_decimal::Decimal;

use super::currency::Rates;

/// A size in a region with its price, and the image to start from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offering {
    /// The provider's region.
    pub region: String,
    /// The provider's size.
    pub size: String,
    /// The size's identity, where the provider takes that and not the name.
    pub size_id: Option<String>,
    /// The provider's image.
    pub image: String,
    /// Price per hour; `None` is unknown.
    pub price_per_hour: Option<Decimal>,
    /// ISO 4217.
    pub currency: Option<String>,
}

impl Offering {
    /// What it costs an hour, and in which currency, when both are known.
    pub fn price(&self) -> Option<(String, String)> {
        Some((self.price_per_hour?.normalize().to_string(), self.currency.clone()?))
    }
}

/// Takes the cheapest size that fits; an unknown price sorts last, ties go to the smaller size and
/// then to the name. `None` for a catalog means that the provider has none of it: then the spec's
/// own words are used as they are.
///
/// # Errors
/// A sentence that says what does not fit and what would.
pub fn choose(
    spec: &CloudMachineSpec,
    region: &str,
    sizes: Option<&[Size]>,
    images: Option<&[Image]>,
    rates: &Rates,
) -> Result<Offering, String> {
    let size = choose_size(spec, region, sizes)?;
    within_limit(spec, &size, rates)?;
    let image = match images {
        Some(images) => choose_image(&spec.image, region, images)?,
        None => spec.image.clone(),
    };
    Ok(Offering {
        region: region.to_owned(),
        size: size.name,
        size_id: size.id,
        image,
        price_per_hour: size.price_per_hour,
        currency: size.currency,
    })
}

fn choose_size(
    spec: &CloudMachineSpec,
    region: &str,
    sizes: Option<&[Size]>,
) -> Result<Size, String> {
    if let Some(name) = &spec.size {
        return named(name, region, sizes);
    }
    let sizes = sizes.ok_or("the provider lists no sizes: give spec.size")?;
    let wanted = spec.requirements.as_ref().ok_or("neither size nor requirements are given")?;
    let needs = Needs::of(wanted)?;
    let fits = |size: &&Size| needs.lacks(size).next().is_none();
    let best = sizes.iter().filter(fits).filter(|size| offered(size, region)).min_by(|a, b| {
        let key = |size: &Size| {
            (size.price_per_hour.is_none(), size.price_per_hour, size.cpus, size.memory_mib)
        };
        key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
    });
    best.cloned().ok_or_else(|| {
        let elsewhere = sizes.iter().filter(fits).count();
        let here = sizes.iter().filter(|size| offered(size, region));
        let nearest = here.min_by(|a, b| {
            needs.distance(a).total_cmp(&needs.distance(b)).then_with(|| a.name.cmp(&b.name))
        });
        let nearest = nearest.map_or_else(String::new, |size| {
            let lacks: Vec<String> = needs.lacks(size).map(|lack| lack.said()).collect();
            format!("; the nearest is {}, which has {}", size.name, lacks.join(" and "))
        });
        format!(
            "no size with {} CPUs and {} in {region} ({elsewhere} elsewhere, {} in the catalog){nearest}",
            wanted.cpus,
            wanted.memory,
            sizes.len()
        )
    })
}

/// Whether it costs no more than it may.
fn within_limit(spec: &CloudMachineSpec, size: &Size, rates: &Rates) -> Result<(), String> {
    let Some(limit) = &spec.max_price_per_hour else { return Ok(()) };
    let (name, currency) = (&size.name, spec.currency.as_str());
    let most: Decimal = limit.parse().map_err(|_| "maxPricePerHour is not a number".to_owned())?;
    let (Some(price), Some(of)) = (size.price_per_hour, &size.currency) else {
        return Err(format!("nobody knows the price of {name}, and maxPricePerHour is given"));
    };
    let Some(compared) = rates.convert(price, of, currency) else {
        return Err(format!(
            "{name} costs {price} {of} an hour, and there is no rate to {currency}"
        ));
    };
    if compared > most {
        let price = compared.round_dp(6).normalize();
        return Err(format!(
            "{name}, the cheapest that fits, costs {price} {currency} an hour, more than maxPricePerHour {limit}"
        ));
    }
    Ok(())
}

/// What a machine must have at least.
struct Needs {
    cpus: u64,
    memory_mib: u64,
    disk_gib: u64,
    gpus: u64,
}

/// What a size has less of than it must.
struct Lack {
    what: &'static str,
    has: u64,
    wants: u64,
}

impl Lack {
    fn said(&self) -> String {
        let Self { what, has, wants } = self;
        format!("{has} {what}, not {wants}")
    }
}

impl Needs {
    fn of(wanted: &Requirements) -> Result<Self, &'static str> {
        Ok(Self {
            cpus: wanted.cpus.into(),
            memory_mib: wanted.memory_mib().ok_or("requirements.memory has no unit Mi or Gi")?,
            disk_gib: wanted.disk_gib().ok_or("requirements.disk has no unit Mi or Gi")?,
            gpus: wanted.gpus.unwrap_or(0).into(),
        })
    }

    fn lacks(&self, size: &Size) -> impl Iterator<Item = Lack> {
        let gpus = u64::from(size.gpus);
        let all = [
            ("CPUs", size.cpus.into(), self.cpus),
            ("MiB of memory", size.memory_mib, self.memory_mib),
            ("GiB of disk", size.disk_gib, self.disk_gib),
            ("GPUs", gpus, self.gpus),
        ];
        let less = all.into_iter().filter(|(_, has, wants)| has < wants);
        let less = less.map(|(what, has, wants)| Lack { what, has, wants });
        // A GPU size is never a cheap CPU size by accident.
        let more =
            (self.gpus == 0 && gpus > 0).then_some(Lack { what: "GPUs", has: gpus, wants: 0 });
        less.chain(more)
    }

    /// How far a size is from what is needed: the sum of the shares that it lacks.
    #[expect(clippy::cast_precision_loss, reason = "it only says which one is nearer")]
    fn distance(&self, size: &Size) -> f64 {
        let share = |lack: Lack| lack.wants.abs_diff(lack.has) as f64 / lack.wants.max(1) as f64;
        self.lacks(size).map(share).sum()
    }
}

/// The size of that name.
///
/// # Errors
/// A sentence that says why it cannot be had.
pub fn named(name: &str, region: &str, sizes: Option<&[Size]>) -> Result<Size, String> {
    let Some(sizes) = sizes else { return Ok(unlisted(name.to_owned())) };
    let known = sizes.iter().find(|size| size.name == *name);
    let size = known.ok_or_else(|| format!("size {name} is not in the provider's catalog"))?;
    if offered(size, region) {
        return Ok(size.clone());
    }
    Err(format!("size {name} cannot be had in {region}"))
}

fn offered(size: &Size, region: &str) -> bool {
    size.available
        && size.regions.as_ref().is_none_or(|regions| regions.iter().any(|r| r == region))
}

fn unlisted(name: String) -> Size {
    Size {
        name,
        id: None,
        cpus: 0,
        memory_mib: 0,
        disk_gib: 0,
        gpus: 0,
        price_per_hour: None,
        currency: None,
        regions: None,
        available: true,
    }
}

/// Whether it is a distribution with its version (`ubuntu-24.04`), as catalogs list them.
fn is_distribution(image: &str) -> bool {
    image.split_once('-').is_some_and(|(family, version)| {
        family.chars().all(|c| c.is_ascii_alphabetic())
            && version.starts_with(|c: char| c.is_ascii_digit())
            && version.chars().all(|c| c.is_ascii_digit() || c == '.')
    })
}

/// The provider's own image of that name, else the newest one of that family and version, else what
/// is no distribution as it is.
fn choose_image(wanted: &str, region: &str, images: &[Image]) -> Result<String, String> {
    let here = |image: &&Image| {
        image.regions.as_ref().is_none_or(|regions| regions.iter().any(|r| r == region))
    };
    if let Some(image) = images.iter().filter(here).find(|image| image.name == wanted) {
        return Ok(image.name.clone());
    }
    let matches = |image: &&Image| {
        let (Some(family), Some(version)) = (&image.family, &image.version) else { return false };
        wanted.eq_ignore_ascii_case(&format!("{family}-{version}"))
    };
    let newest = images
        .iter()
        .filter(here)
        .filter(matches)
        .max_by(|a, b| a.created.cmp(&b.created).then_with(|| b.name.cmp(&a.name)));
    if newest.is_none() && !is_distribution(wanted) {
        // An image of the account's own, which no catalog lists; the provider knows whether it is.
        return Ok(wanted.to_owned());
    }
    newest.map(|image| image.name.clone()).ok_or_else(|| {
        let mut known: Vec<String> = images
            .iter()
            .filter(here)
            .filter_map(|image| {
                Some(format!("{}-{}", image.family.as_ref()?, image.version.as_ref()?))
            })
            .collect();
        known.sort();
        known.dedup();
        known.truncate(8);
        format!("no image {wanted} in {region}; there are {}", known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(value: serde_json::Value) -> CloudMachineSpec {
        serde_json::from_value(value).expect("a spec")
    }

    fn sizes() -> Vec<Size> {
        serde_json::from_value(json!([
            {"name": "big", "cpus": 8, "memoryMiB": 16384, "pricePerHour": "0.2", "currency": "USD"},
            {"name": "dear", "cpus": 2, "memoryMiB": 4096, "pricePerHour": "0.09", "regions": ["a", "b"]},
            {"name": "fit", "cpus": 2, "memoryMiB": 4096, "pricePerHour": "0.03", "regions": ["a"]},
            {"name": "gone", "cpus": 2, "memoryMiB": 4096, "pricePerHour": "0.01", "available": false},
            {"name": "gpu", "cpus": 2, "memoryMiB": 4096, "gpus": 1, "pricePerHour": "0.02"},
            {"name": "unknown", "cpus": 2, "memoryMiB": 4096}
        ]))
        .expect("sizes")
    }

    fn images() -> Vec<Image> {
        serde_json::from_value(json!([
            {"name": "u24-old", "family": "ubuntu", "version": "24.04", "created": "2025-01-01"},
            {"name": "u24-new", "family": "ubuntu", "version": "24.04", "created": "2026-01-01"},
            {"name": "d12", "family": "debian", "version": "12"}
        ]))
        .expect("images")
    }

    fn chosen(spec_json: serde_json::Value, region: &str) -> Result<Offering, String> {
        choose(&spec(spec_json), region, Some(&sizes()), Some(&images()), &Rates::default())
    }

    #[test]
    fn the_cheapest_size_that_fits_is_taken() {
        let want = |memory: &str| {
            json!({"providers": [{"name": "p"}], "image": "ubuntu-24.04",
                   "requirements": {"cpus": 2, "memory": memory}})
        };
        let offering = chosen(want("4Gi"), "a").expect("fits");
        assert_eq!((offering.size.as_str(), offering.image.as_str()), ("fit", "u24-new"));
        assert_eq!(chosen(want("4Gi"), "b").expect("fits").size, "dear");
        assert_eq!(chosen(want("4Gi"), "c").expect("fits").size, "big", "an unknown price is last");
        let refusal = chosen(want("64Gi"), "a").expect_err("nothing has 64 GiB");
        assert!(refusal.contains("no size with 2 CPUs and 64Gi in a"), "{refusal}");
    }

    #[test]
    fn the_nearest_is_named_with_what_it_lacks() {
        let want = |requirements: serde_json::Value| {
            let want = json!({"providers": [{"name": "p"}], "image": "d12",
                              "requirements": requirements});
            chosen(want, "a").expect_err("nothing fits")
        };
        let refusal = want(json!({"cpus": 4, "memory": "32Gi"}));
        assert!(
            refusal.ends_with("the nearest is big, which has 16384 MiB of memory, not 32768"),
            "{refusal}"
        );
        let refusal = want(json!({"cpus": 2, "memory": "4Gi", "gpus": 2}));
        assert!(refusal.ends_with("the nearest is gpu, which has 1 GPUs, not 2"), "{refusal}");
        let refusal = want(json!({"cpus": 16, "memory": "32Gi"}));
        assert!(refusal.contains("8 CPUs, not 16 and 16384 MiB of memory, not 32768"), "{refusal}");
    }

    #[test]
    fn what_costs_more_than_it_may_is_not_taken() {
        let want = |limit: &str, currency: &str, change: serde_json::Value| {
            let mut want = json!({"providers": [{"name": "p"}], "image": "d12",
                                  "maxPricePerHour": limit, "currency": currency});
            for (key, value) in change.as_object().expect("an object") {
                want[key] = value.clone();
            }
            chosen(want, "a")
        };
        let big = json!({"requirements": {"cpus": 8, "memory": "8Gi"}});
        assert_eq!(want("0.2", "USD", big.clone()).expect("within").size, "big");
        let refusal = want("0.19", "USD", big.clone()).expect_err("too dear");
        assert_eq!(
            refusal,
            "big, the cheapest that fits, costs 0.2 USD an hour, more than maxPricePerHour 0.19"
        );
        // 0.2 USD is 0.1925 EUR.
        assert!(want("0.193", "EUR", big.clone()).is_ok());
        assert!(want("0.192", "EUR", big.clone()).is_err());
        let refusal = want("9", "XTS", big).expect_err("no rate");
        assert!(refusal.contains("there is no rate to XTS"), "{refusal}");
        let unknown = json!({"size": "unknown"});
        let refusal = want("9", "USD", unknown).expect_err("no price");
        assert!(refusal.contains("nobody knows the price of unknown"), "{refusal}");
    }

    #[test]
    fn gpus_are_asked_for_explicitly() {
        let want = json!({"providers": [{"name": "p"}], "image": "d12",
                          "requirements": {"cpus": 1, "memory": "1Gi", "gpus": 1}});
        let offering = chosen(want, "a").expect("fits");
        assert_eq!((offering.size.as_str(), offering.image.as_str()), ("gpu", "d12"));
    }

    #[test]
    fn a_named_size_and_an_unknown_image_are_explained() {
        let want = |size: &str, image: &str| json!({"providers": [{"name": "p"}], "size": size, "image": image});
        assert_eq!(chosen(want("dear", "debian-12"), "b").expect("fits").image, "d12");
        assert!(chosen(want("fit", "d12"), "b").expect_err("not in b").contains("cannot be had"));
        assert!(chosen(want("nope", "d12"), "b").expect_err("unknown").contains("catalog"));
        let refusal = chosen(want("dear", "arch-1"), "a").expect_err("unknown image");
        assert!(refusal.contains("there are debian-12, ubuntu-24.04"), "{refusal}");
    }

    #[test]
    fn an_image_that_no_catalog_lists_is_the_accounts_own() {
        for own in ["ami-0123456789abcdef0", "7938206", "private/15943292", "my-golden-image"] {
            let want = json!({"providers": [{"name": "p"}], "size": "dear", "image": own});
            assert_eq!(chosen(want, "a").expect("passed on").image, own);
        }
    }
}
