//! What an account offers, asked once for all objects.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::{Duration, Instant};

use infrafabric_adapters::account::Account;
use infrafabric_adapters::contract::cloud::{Image, Size};
use infrafabric_adapters::error::AdapterError;
use infrafabric_crds::CloudMachineSpec;
use infrafabric_definition::Class;
use tokio::sync::Mutex;

use super::currency::Rates;
use super::placement::{self, Offering};

/// How long a catalog is used before it is asked again.
const TIME_TO_LIVE: Duration = Duration::from_hours(1);
/// How soon it is asked again that could not be read anew.
const ASK_AGAIN: Duration = Duration::from_mins(1);

/// The catalogs of one account by region, fetched when first needed; callers that need the same
/// one at the same time share the call. What is old is used while it is asked anew.
#[derive(Default)]
pub struct Catalogs {
    regions: Lock<HashMap<String, Arc<Slot>>>,
}

#[derive(Default)]
struct Slot {
    newest: Lock<Option<Arc<Cached>>>,
    /// One question at a time.
    asking: Mutex<()>,
}

struct Cached {
    /// When it is asked again.
    due: Instant,
    sizes: Option<Vec<Size>>,
    images: Option<Vec<Image>>,
}

/// Why there is no offering.
#[derive(Debug)]
pub enum NoOffering {
    /// Nothing fits; the sentence says what does not.
    Misfit(String),
    /// A catalog could not be read.
    Failed(AdapterError),
}

impl Catalogs {
    /// The offering for a spec in a region.
    ///
    /// # Errors
    /// Nothing fits, or the catalogs of that region were never read.
    pub async fn offering(
        &self,
        account: &Account,
        spec: &CloudMachineSpec,
        region: &str,
        rates: &Rates,
    ) -> Result<Offering, NoOffering> {
        let cached = self.cached(account, region).await.map_err(NoOffering::Failed)?;
        let (sizes, images) = (cached.sizes.as_deref(), cached.images.as_deref());
        placement::choose(spec, region, sizes, images, rates).map_err(NoOffering::Misfit)
    }

    /// The size of that name in a region.
    ///
    /// # Errors
    /// It cannot be had there, or the catalogs of that region were never read.
    pub async fn size(
        &self,
        account: &Account,
        name: &str,
        region: &str,
    ) -> Result<Size, NoOffering> {
        let cached = self.cached(account, region).await.map_err(NoOffering::Failed)?;
        placement::named(name, region, cached.sizes.as_deref()).map_err(NoOffering::Misfit)
    }

    async fn cached(&self, account: &Account, region: &str) -> Result<Arc<Cached>, AdapterError> {
        let slot = {
            let mut regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(regions.entry(region.to_owned()).or_default())
        };
        match slot.newest() {
            Some(cached) if Instant::now() < cached.due => Ok(cached),
            Some(cached) => {
                // Who comes while it is asked anew does not ask too.
                if slot.asking.try_lock().is_ok() {
                    tokio::spawn(slot.ask(account.clone(), region.to_owned()));
                }
                Ok(cached)
            }
            // Who gives up waiting does not end the question: the next one finds its answer.
            None => {
                let asked = tokio::spawn(slot.ask(account.clone(), region.to_owned())).await;
                asked.unwrap_or_else(|ended| Err(unread(account, ended.to_string())))
            }
        }
    }
}

impl Slot {
    fn newest(&self) -> Option<Arc<Cached>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks, unless somebody else has done so meanwhile.
    async fn ask(
        self: Arc<Self>,
        account: Account,
        region: String,
    ) -> Result<Arc<Cached>, AdapterError> {
        let _one = self.asking.lock().await;
        let old = self.newest();
        if let Some(cached) = old.as_ref().filter(|cached| Instant::now() < cached.due) {
            return Ok(Arc::clone(cached));
        }
        let fresh = match (fetch(&account, &region).await, old) {
            (Ok(fresh), _) => Arc::new(fresh),
            // An old catalog is better than none.
            (Err(error), Some(old)) => {
                tracing::warn!(%error, region, "the catalog is old, and could not be read anew");
                let Cached { sizes, images, .. } = &*old;
                let due = Instant::now() + ASK_AGAIN;
                Arc::new(Cached { due, sizes: sizes.clone(), images: images.clone() })
            }
            (Err(error), None) => return Err(error),
        };
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&fresh));
        Ok(fresh)
    }
}

/// A catalog that was not read, for no fault of the provider.
fn unread(account: &Account, why: String) -> AdapterError {
    AdapterError::new(Class::Unavailable, account.definition().name(), "sizes.list", why)
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
    Ok(Cached { due: Instant::now() + TIME_TO_LIVE, sizes, images })
}
