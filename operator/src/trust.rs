//! Where requests with credentials may go.

use infrafabric_adapters::compile::Compiled;
use url::{Host, Url};

/// Where requests may go.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Sends every call to this simulator instead.
    pub world: Option<String>,
    /// Hosts (`host` or `host:port`) allowed besides the definitions' own.
    pub allowed: Vec<String>,
}

impl Trust {
    /// The base URL to use instead of the definition's, if any.
    ///
    /// # Errors
    /// A sentence that says which host is refused and how to allow it.
    pub fn endpoint(
        &self,
        definition: &Compiled,
        given: bool,
        wanted: Option<&str>,
    ) -> Result<Option<String>, String> {
        if let Some(world) = &self.world {
            return Ok(Some(format!("{}/p/{}", world.trim_end_matches('/'), definition.name())));
        }
        if let Some(wanted) = wanted {
            let url = Url::parse(wanted).map_err(|e| format!("spec.endpoint {wanted}: {e}"))?;
            if self.allows(&url) || is_own(definition, &url) {
                return Ok(Some(wanted.to_owned()));
            }
            return Err(format!(
                "spec.endpoint: host {} is not the definition's own; start the operator with --allowed-endpoints={}",
                authority(&url),
                authority(&url)
            ));
        }
        if given {
            self.check_given(definition)?;
        }
        Ok(None)
    }

    /// Refuses a run-time definition whose hosts lie inside: credentials must not be carried to
    /// the node's own services or to the cloud's metadata.
    pub fn check_given(&self, definition: &Compiled) -> Result<(), String> {
        if self.world.is_some() {
            return Ok(());
        }
        let spec = definition.spec();
        let all = std::iter::once(&spec.endpoint).chain(spec.endpoints.values().map(|e| &e.url));
        for template in all {
            // What a template adds to the host is a region or a parameter; a name stands for it.
            let text = fill(template.as_str());
            let url = Url::parse(&text).map_err(|e| format!("endpoint {template}: {e}"))?;
            if is_inside(&url) && !self.allows(&url) {
                return Err(format!(
                    "endpoint {template} lies inside; start the operator with --allowed-endpoints={}",
                    authority(&url)
                ));
            }
        }
        Ok(())
    }

    fn allows(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let authority = authority(url);
        self.allowed.iter().any(|allowed| allowed == host || *allowed == authority)
    }
}

fn is_own(definition: &Compiled, url: &Url) -> bool {
    let spec = definition.spec();
    let mut all = std::iter::once(&spec.endpoint).chain(spec.endpoints.values().map(|e| &e.url));
    all.any(|own| {
        Url::parse(own.as_str()).is_ok_and(|own| {
            own.scheme() == url.scheme()
                && own.host_str() == url.host_str()
                && own.port_or_known_default() == url.port_or_known_default()
        })
    })
}

/// Replaces each `${…}` by a name.
fn fill(template: &str) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some(start) = rest.find("${") {
        text.push_str(&rest[..start]);
        text.push_str("placeholder");
        rest = rest[start..].split_once('}').map_or("", |(_, rest)| rest);
    }
    text + rest
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn is_inside(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_link_local() || ip.is_unspecified(),
        Some(Host::Ipv6(ip)) => {
            ip.is_loopback() || ip.is_unspecified() || (ip.segments()[0] & 0xffc0) == 0xfe80
        }
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost"
                || name.ends_with(".localhost")
                || name == "metadata.google.internal"
                || name.ends_with(".cluster.local")
                || name.rsplit('.').next() == Some("svc")
        }
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_is_loopback_link_local_and_the_cluster() {
        let table = [
            ("https://api.vultr.com/v2", false),
            ("https://127.0.0.1:8080", true),
            ("http://169.254.169.254/latest", true),
            ("http://[::1]/", true),
            ("http://[fe80::1]/", true),
            ("http://localhost:1", true),
            ("https://kubernetes.default.svc", true),
            ("https://metadata.google.internal", true),
        ];
        for (url, inside) in table {
            assert_eq!(is_inside(&Url::parse(url).expect("a URL")), inside, "{url}");
        }
    }

    #[test]
    fn templates_in_hosts_are_filled() {
        assert_eq!(
            fill("https://ec2.${region}.amazonaws.com/"),
            "https://ec2.placeholder.amazonaws.com/"
        );
        assert_eq!(fill("https://x"), "https://x");
    }
}
