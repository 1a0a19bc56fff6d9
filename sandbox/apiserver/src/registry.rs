//! All served resources, as one immutable snapshot that is replaced when definitions change.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::discovery::openapi::Documents;
use crate::resource::Resource;

/// The resources of one moment.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// By (group, version, plural).
    resources: BTreeMap<(String, String, String), Arc<Resource>>,
    /// Rendered on first use.
    pub(crate) documents: OnceLock<Documents>,
}

impl Registry {
    pub(crate) fn new(resources: impl IntoIterator<Item = Arc<Resource>>) -> Self {
        let resources = resources
            .into_iter()
            .map(|resource| {
                let key =
                    (resource.group.clone(), resource.version.clone(), resource.plural.clone());
                (key, resource)
            })
            .collect();
        Self { resources, ..Self::default() }
    }

    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        // A tuple of borrowed parts cannot look up a tuple of owned ones.
        let key = (group.to_owned(), version.to_owned(), plural.to_owned());
        self.resources.get(&key)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values()
    }

    /// One resource per table: the one whose version is stored.
    pub(crate) fn stored(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.all()
            .filter(|resource| resource.api_version() == resource.storage_version)
            .filter(|resource| !resource.is_review())
    }

    /// The groups with their versions, preferred first; core is the empty group.
    pub(crate) fn groups(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for resource in self.all() {
            let versions = groups.entry(&resource.group).or_default();
            if !versions.contains(&resource.version.as_str()) {
                versions.push(&resource.version);
            }
        }
        for versions in groups.values_mut() {
            versions.sort_by_key(|version| std::cmp::Reverse(priority(version)));
        }
        groups
    }

    pub(crate) fn of_version<'a>(
        &'a self,
        group: &'a str,
        version: &'a str,
    ) -> impl Iterator<Item = &'a Arc<Resource>> {
        self.all().filter(move |r| r.group == group && r.version == version)
    }
}

/// v2 before v1 before v1beta2 before v1alpha1 before anything else.
pub(crate) fn priority(version: &str) -> (u8, u64, u64) {
    let parse = || -> Option<(u8, u64, u64)> {
        let rest = version.strip_prefix('v')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (major, stage) = rest.split_at(digits);
        let major = major.parse().ok()?;
        if stage.is_empty() {
            return Some((3, major, 0));
        }
        let (rank, minor) = stage
            .strip_prefix("beta")
            .map(|minor| (2, minor))
            .or_else(|| stage.strip_prefix("alpha").map(|minor| (1, minor)))?;
        Some((rank, major, minor.parse().ok()?))
    };
    parse().unwrap_or((0, 0, 0))
}

#[cfg(test)]
mod tests {
    use super::priority;

    #[test]
    fn stable_versions_are_preferred() {
        let mut versions = ["foo", "v1alpha1", "v1", "v2beta1", "v10", "v1beta2"];
        versions.sort_by_key(|version| std::cmp::Reverse(priority(version)));
        assert_eq!(versions, ["v10", "v1", "v2beta1", "v1beta2", "v1alpha1", "foo"]);
    }
}
