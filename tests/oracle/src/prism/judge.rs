//! The judge: Prism before a simulated provider, once for each description, and a recorder before
//! all of them.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::error::Error;
use crate::process::{Running, free_port};
use crate::recorder::{Recorder, Route};
use crate::tools::{descriptions, prism};

const START: Duration = Duration::from_mins(2);

/// A provider and what is official about it.
pub(crate) struct Official {
    /// The definition.
    pub(crate) definition: &'static str,
    /// The descriptions beneath their folder, each with what the paths contain that it is about; the
    /// first that fits judges, the last fits all.
    pub(crate) descriptions: &'static [(&'static str, &'static str)],
    /// A region that it simulates.
    pub(crate) region: &'static str,
    /// What no description here is about: what the paths contain, and why.
    pub(crate) unjudged: &'static [(&'static str, &'static str)],
}

const TOKEN: &str = "access tokens are described by RFC 6749 alone";

/// All that are judged.
pub(crate) const OFFICIAL: [Official; 17] = [
    Official {
        definition: "digitalocean",
        descriptions: &[("", "cloud/digitalocean.json")],
        region: "fra1",
        unjudged: &[],
    },
    Official {
        definition: "linode",
        descriptions: &[("", "cloud/linode-4.151.1.json")],
        region: "eu-central",
        unjudged: &[("/vpcs", "VPCs are newer than the description here")],
    },
    Official {
        definition: "vultr",
        descriptions: &[("", "cloud/vultr.json")],
        region: "fra",
        unjudged: &[],
    },
    Official {
        definition: "ovhcloud",
        descriptions: &[("", "cloud/ovh-cloud-subset.openapi.json")],
        region: "GRA11",
        unjudged: &[("/order/catalog/", "the description of orders is not among those here")],
    },
    Official {
        definition: "google-cloud",
        descriptions: &[("", "cloud/gcp-compute-v1-subset.openapi.json")],
        region: "europe-west1-b",
        unjudged: &[("/token", TOKEN)],
    },
    Official {
        definition: "azure",
        descriptions: &[
            ("/Microsoft.Compute/skus", "cloud/azure-skus-2021-07-01.json"),
            ("/Microsoft.Compute/", "cloud/azure-compute-2022-11-01.json"),
            ("/Microsoft.Network/", "cloud/azure-network-2022-09-01.json"),
            ("", "cloud/azure-resources-2022-09-01.json"),
        ],
        region: "westeurope",
        unjudged: &[
            ("/oauth2/", TOKEN),
            ("/operations/", "the addresses of asynchronous operations are not described"),
            ("/api/retail/", "the public price list has no description"),
            ("/locations?", "the description of subscriptions is not among those here"),
        ],
    },
    Official {
        definition: "slack",
        descriptions: &[("", "chat/slack-web-openapi-v2.json")],
        region: "",
        unjudged: &[
            (
                "/files.getUploadURLExternal",
                "uploads in three steps are newer than the description",
            ),
            (
                "/files.completeUploadExternal",
                "uploads in three steps are newer than the description",
            ),
            ("/upload/v1/", "no description is about the host of files"),
        ],
    },
    Official {
        definition: "discord",
        descriptions: &[("", "chat/discord-openapi.json")],
        region: "",
        unjudged: &[],
    },
    Official {
        definition: "line",
        descriptions: &[("", "chat/line-messaging-api.yml")],
        region: "",
        unjudged: &[],
    },
    Official {
        definition: "whatsapp-cloud",
        descriptions: &[("", "chat/meta-business-messaging-v23.0.yaml")],
        region: "",
        unjudged: &[(
            "/messages",
            "the description lacks biz_opaque_callback_data, which the vendor's text has, and forbids what it lacks",
        )],
    },
    Official {
        definition: "signal",
        descriptions: &[("", "chat/signal-cli-rest-api-swagger.json")],
        region: "",
        unjudged: &[],
    },
    Official {
        definition: "openai",
        descriptions: &[("", "ai/openai-openapi.yaml")],
        region: "",
        unjudged: &[],
    },
    Official {
        definition: "anthropic",
        descriptions: &[("", "ai/anthropic-openapi.yaml")],
        region: "",
        unjudged: &[],
    },
    Official {
        definition: "together-ai",
        descriptions: &[("", "ai/together-openapi.yaml")],
        region: "",
        unjudged: &[],
    },
    Official {
        definition: "mollie",
        descriptions: &[("", "payments/mollie.yaml")],
        region: "",
        unjudged: &[],
    },
    Official {
        definition: "telnyx",
        descriptions: &[("", "sip/telnyx.yaml")],
        region: "",
        unjudged: &[],
    },
    Official {
        definition: "stripe",
        descriptions: &[("", "payments/stripe-trimmed.prism.json")],
        region: "",
        unjudged: &[
            ("/v1/checkout/sessions", "they were trimmed away from the description here"),
            ("/payment_methods?", "a customer's were trimmed away from the description here"),
        ],
    },
];

/// Prism before a simulated provider, and the recorder before Prism.
pub(crate) struct Judge {
    /// Where the operator sends its requests.
    pub(crate) recorder: Recorder,
    _judges: Vec<Running>,
}

impl Judge {
    /// Starts them; `upstream` is the simulated provider.
    pub(crate) fn start(official: &Official, upstream: &str, folder: &Path) -> Result<Self, Error> {
        let mut judges = Vec::new();
        let mut routes: Vec<Route> = official
            .unjudged
            .iter()
            .map(|(text, _)| Route { text, url: upstream.to_owned(), judged: false })
            .collect();
        let mut last = 0;
        for (text, description) in official.descriptions {
            let description = descriptions()?.join(description);
            let port = free_port()?;
            let mut judge = Running::start(
                "prism",
                Command::new(prism()?)
                    .args(["proxy", "-h", "127.0.0.1", "-p", &port.to_string()])
                    .arg(&description)
                    .arg(upstream),
                &folder.join(format!("prism-{}-{port}.log", official.definition)),
            )?;
            // It listens only when it has read the description.
            judge.until(START, || TcpStream::connect(("127.0.0.1", port)).is_ok())?;
            judges.push(judge);
            let url = format!("http://127.0.0.1:{port}");
            routes.push(Route { text, url, judged: true });
            last = port;
        }
        let recorder = Recorder::routing(last, None, &routes, folder)?;
        Ok(Self { recorder, _judges: judges })
    }
}
