//! A certificate for one run: ECDSA P-256, because making an RSA key would be most of a start.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{self, ServerConfig, crypto::ring};

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
#[error("a certificate could not be made: {0}")]
pub struct TlsError(String);

/// What a server needs, and the authority (PEM) that its clients have to know.
pub(super) struct Identity {
    pub(super) config: Arc<ServerConfig>,
    pub(super) authority: String,
}

/// Makes an authority and a certificate for an address. The authority's key is not kept.
pub(super) fn make(address: IpAddr) -> Result<Identity, TlsError> {
    let failed = |error: rcgen::Error| TlsError(error.to_string());
    let authority_key = KeyPair::generate().map_err(failed)?;
    let mut authority = CertificateParams::default();
    authority
        .distinguished_name
        .push(DnType::CommonName, "aspire-host");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_certificate = authority.self_signed(&authority_key).map_err(failed)?;
    let issuer = Issuer::new(authority, authority_key);

    let key = KeyPair::generate().map_err(failed)?;
    let names = vec![address.to_string(), "localhost".to_owned()];
    let mut server = CertificateParams::new(names).map_err(failed)?;
    server
        .distinguished_name
        .push(DnType::CommonName, "aspire-host control plane");
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = server.signed_by(&key, &issuer).map_err(failed)?;

    let refused = |error: rustls::Error| TlsError(error.to_string());
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(refused)?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .map_err(refused)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Identity {
        config: Arc::new(config),
        authority: authority_certificate.pem(),
    })
}
