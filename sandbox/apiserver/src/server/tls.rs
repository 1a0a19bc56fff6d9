//! A certificate authority of one's own, and the server's certificate under it.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Why certificates could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A key or certificate could not be generated.
    #[error("generate certificate")]
    Generate(#[source] rcgen::Error),
    /// The TLS library refused them.
    #[error("configure TLS")]
    Configure(#[source] rustls::Error),
}

/// Who signs the server's certificate.
pub(super) struct Authority {
    pub(super) certificate: String,
    key: KeyPair,
}

impl Authority {
    /// Makes a fresh one.
    pub(super) fn generate() -> Result<Self, CertificateError> {
        let make = || -> Result<Self, rcgen::Error> {
            let key = KeyPair::generate()?;
            let certificate = authority()?.self_signed(&key)?.pem();
            Ok(Self { certificate, key })
        };
        make().map_err(CertificateError::Generate)
    }

    /// Its certificate and its key, for keeping.
    pub(super) fn to_pem(&self) -> String {
        format!("{}{}", self.certificate, self.key.serialize_pem())
    }

    /// What [`Authority::to_pem`] wrote; `None` for anything else.
    pub(super) fn from_pem(text: &str) -> Option<Self> {
        let end = text.find(END)? + END.len();
        let (certificate, key) = text.split_at(end);
        let key = KeyPair::from_pem(key.trim_start()).ok()?;
        Some(Self { certificate: format!("{}\n", certificate.trim_start()), key })
    }
}

const END: &str = "-----END CERTIFICATE-----";

/// What the server shows.
pub(super) fn configure(
    authority: &Authority,
    address: SocketAddr,
) -> Result<Arc<ServerConfig>, CertificateError> {
    let (chain, key) =
        server_certificate(authority, address).map_err(CertificateError::Generate)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(CertificateError::Configure)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(CertificateError::Configure)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn authority() -> Result<CertificateParams, rcgen::Error> {
    let mut ca = CertificateParams::new(Vec::<String>::new())?;
    ca.distinguished_name.push(DnType::CommonName, "embedded-kube-api-ca");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    Ok(ca)
}

type Chain = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn server_certificate(issuer: &Authority, address: SocketAddr) -> Result<Chain, rcgen::Error> {
    let issuer = Issuer::new(authority()?, &issuer.key);
    let key = KeyPair::generate()?;
    let names = [
        "localhost".to_owned(),
        "kubernetes".to_owned(),
        "kubernetes.default.svc".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
        address.ip().to_string(),
    ];
    let mut server = CertificateParams::new(names.to_vec())?;
    server.distinguished_name.push(DnType::CommonName, "embedded-kube-api");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.use_authority_key_identifier_extension = true;
    let certificate = server.signed_by(&key, &issuer)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Ok((vec![certificate.der().clone()], key))
}
