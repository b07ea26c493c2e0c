//! The way to a database that others must not read or take the place of.
//!
//! Promises: where it is switched on nothing is said before the server has shown a certificate that the configured
//! authorities signed for the name in its endpoint. Refuses: accepting any certificate, and files that hold none.

use std::path::Path;

use mysql_async::{ClientIdentity, SslOpts};

use crate::config;

/// Why the files of the settings cannot be used: names setting, path, cause and remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting} = {path}: {cause}: {remedy}")]
pub struct TlsFileError {
    setting: &'static str,
    path: String,
    cause: String,
    remedy: &'static str,
}

const CERTIFICATES: &str = "name a PEM file with one or more certificates";
const KEY: &str = "name a PEM file with a private key";

/// What a connection has to ask for; `None`: it is not encrypted.
pub(super) fn options(config: &config::Mysql) -> Option<SslOpts> {
    config.tls.then(|| {
        let own = config.tls_ca.is_some();
        let authorities = config.tls_ca.iter().map(|path| path.clone().into()).collect();
        let identity = config.tls_certificate.clone().zip(config.tls_key.clone());
        SslOpts::default()
            .with_disable_built_in_roots(own)
            .with_root_certs(authorities)
            .with_client_identity(identity.map(|(chain, key)| ClientIdentity::new(chain.into(), key.into())))
    })
}

/// Refuses files that are not there or not what they have to be, before anything is started.
pub(super) fn check(config: &config::Mysql) -> Result<(), TlsFileError> {
    let certificate = "-----BEGIN CERTIFICATE-----";
    let files = [
        ("mysql.tls_ca", &config.tls_ca, certificate, CERTIFICATES),
        ("mysql.tls_certificate", &config.tls_certificate, certificate, CERTIFICATES),
        ("mysql.tls_key", &config.tls_key, "PRIVATE KEY-----", KEY),
    ];
    for (setting, path, holds, remedy) in files {
        if let Some(path) = path {
            look(path, holds).map_err(|cause| TlsFileError {
                setting,
                path: path.display().to_string(),
                cause,
                remedy,
            })?;
        }
    }
    Ok(())
}

fn look(path: &Path, holds: &str) -> Result<(), String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&bytes);
    if text.contains(holds) { Ok(()) } else { Err(format!("holds no line {holds}")) }
}
