//! What an account offers, asked once for all objects.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use infrafabric_adapters::account::Account;
use infrafabric_adapters::contract::cloud::{Image, Size};
use infrafabric_adapters::error::AdapterError;
use infrafabric_crds::CloudMachineSpec;
use tokio::sync::Mutex;

use super::placement::{self, Offering};

/// How long a catalog is used before it is asked again.
const TIME_TO_LIVE: Duration = Duration::from_hours(1);

/// The catalogs of one account by region, fetched when first needed; callers that need the same
/// one at the same time share the call.
#[derive(Default)]
pub struct Catalogs {
    regions: Mutex<HashMap<String, Arc<Mutex<Option<Cached>>>>>,
}

struct Cached {
    at: Instant,
    sizes: Option<Vec<Size>>,
    images: Option<Vec<Image>>,
}

/// Why there is no offering.
pub enum NoOffering {
    /// Nothing fits; the sentence says what does not.
    Misfit(String),
    /// A catalog could not be read.
    Failed(AdapterError),
}

impl Catalogs {
    /// The offering for a spec in a region.
    pub async fn offering(
        &self,
        account: &Account,
        spec: &CloudMachineSpec,
        region: &str,
    ) -> Result<Offering, NoOffering> {
        self.chosen(account, region, |cached| {
            placement::choose(spec, region, cached.sizes.as_deref(), cached.images.as_deref())
        })
        .await
    }

    /// The size of that name in a region.
    pub async fn size(
        &self,
        account: &Account,
        name: &str,
        region: &str,
    ) -> Result<Size, NoOffering> {
        self.chosen(account, region, |cached| {
            placement::named(name, region, cached.sizes.as_deref())
        })
        .await
    }

    /// What is chosen from the catalogs of a region.
    async fn chosen<T>(
        &self,
        account: &Account,
        region: &str,
        choose: impl FnOnce(&Cached) -> Result<T, String> + Send,
    ) -> Result<T, NoOffering> {
        let slot = Arc::clone(self.regions.lock().await.entry(region.to_owned()).or_default());
        let mut slot = slot.lock().await;
        let stale = slot.as_ref().is_none_or(|cached| cached.at.elapsed() > TIME_TO_LIVE);
        if stale {
            match fetch(account, region).await {
                Ok(fresh) => *slot = Some(fresh),
                // An old catalog is better than none.
                Err(error) if slot.is_none() => return Err(NoOffering::Failed(error)),
                Err(error) => tracing::warn!(%error, "catalog is stale"),
            }
        }
        let Some(cached) = slot.as_ref() else {
            return Err(NoOffering::Misfit("no catalog".to_owned()));
        };
        choose(cached).map_err(NoOffering::Misfit)
    }
}

async fn fetch(account: &Account, region: &str) -> Result<Cached, AdapterError> {
    let declared = &account.definition().catalogs;
    let sizes = async {
        if declared.contains_key("sizes") {
            account.sizes(region).await.map(Some)
        } else {
            Ok(None)
        }
    };
    let images = async {
        if declared.contains_key("images") {
            account.images(region).await.map(Some)
        } else {
            Ok(None)
        }
    };
    let (sizes, images) = futures::future::try_join(sizes, images).await?;
    Ok(Cached { at: Instant::now(), sizes, images })
}
