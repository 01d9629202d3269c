//! TLS by rustls: roots of the system or one's own, and client certificates.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};
use tonic::transport::{Channel, Endpoint};
use tower_service::Service;

use crate::env::{Certificates, Named};
use crate::error::InstallError;

/// Whom to trust, and what to show of oneself.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    config: Arc<ClientConfig>,
}

impl Trust {
    /// Reads the files; later changes of them are not seen.
    pub(crate) fn load(endpoint: &Uri, files: &Certificates) -> Result<Self, InstallError> {
        let roots = match &files.roots {
            Some(file) => roots_of(file)?,
            None => roots_of_the_system(endpoint)?,
        };
        let trusting = trusting(roots);
        let config = match (&files.client, &files.client_key) {
            (None, None) => trusting.with_no_client_auth(),
            (Some(client), Some(key)) => {
                let chain = certificates(client)?;
                let secret = PrivateKeyDer::from_pem_file(&key.value).map_err(|error| {
                    unreadable(key, &format!("no private key in PEM there ({error})"))
                })?;
                trusting
                    .with_client_auth_cert(chain, secret)
                    .map_err(|error| {
                        let pair = format!("it does not go with {} ({error})", client.name);
                        unreadable(key, &pair)
                    })?
            }
            (Some(one), None) => return Err(lonely(one, "private key")),
            (None, Some(one)) => return Err(lonely(one, "certificate")),
        };
        Ok(Self {
            config: Arc::new(config),
        })
    }
}

fn trusting(roots: RootCertStore) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    // With the provider named, nothing depends on what the rest of the program installs as its default.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    #[expect(
        clippy::expect_used,
        reason = "ring has the cipher suites of both versions; a test makes one"
    )]
    let versions = versions.expect("ring knows TLS 1.2 and 1.3");
    versions.with_root_certificates(roots)
}

fn roots_of(file: &Named) -> Result<RootCertStore, InstallError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots
            .add(certificate)
            .map_err(|error| unreadable(file, &format!("it cannot be a root ({error})")))?;
    }
    Ok(roots)
}

fn roots_of_the_system(endpoint: &Uri) -> Result<RootCertStore, InstallError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable > 0 {
        return Ok(roots);
    }
    let why = found
        .errors
        .first()
        .map_or_else(String::new, |error| format!(" ({error})"));
    let problem = format!(
        "TLS needs roots to trust, and this system has none{why}; set OTEL_EXPORTER_OTLP_CERTIFICATE, \
         or install ca-certificates"
    );
    Err(InstallError::setting(
        "endpoint",
        &endpoint.to_string(),
        problem,
    ))
}

/// All certificates of a file; at least one.
fn certificates(file: &Named) -> Result<Vec<CertificateDer<'static>>, InstallError> {
    let read = CertificateDer::pem_file_iter(&file.value);
    let all = read.and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match all {
        Ok(all) if all.is_empty() => Err(unreadable(file, "no certificate in PEM there")),
        Ok(all) => Ok(all),
        Err(error) => Err(unreadable(file, &format!("it cannot be read ({error})"))),
    }
}

#[cold]
fn unreadable(file: &Named, problem: &str) -> InstallError {
    let problem = format!("{problem}; set the path of a PEM file");
    InstallError::setting(file.name, &file.value, problem)
}

#[cold]
fn lonely(file: &Named, missing: &str) -> InstallError {
    let problem =
        format!("it is of no use without the {missing} that belongs to it; set that, too");
    InstallError::setting(file.name, &file.value, problem)
}

/// What HTTP connects with.
pub(crate) type Connector = HttpsConnector<HttpConnector>;

/// Where there is no trust, an address with TLS cannot be reached, and none is there: [`Trust`] is of those that are.
pub(crate) fn connector(plain: HttpConnector, trust: Option<&Trust>) -> Connector {
    secured(plain, trust, b"http/1.1")
}

/// The address that tonic is told. What it would do with `https` depends on its features, which the whole program shares.
pub(crate) fn grpc_address(uri: &Uri) -> Result<Uri, InstallError> {
    with_scheme(uri, Scheme::HTTP)
}

/// A channel to `uri` that connects when it is first used.
pub(crate) fn grpc_channel(
    endpoint: Endpoint,
    uri: &Uri,
    plain: HttpConnector,
    trust: Option<&Trust>,
) -> Channel {
    if trust.is_none() {
        return endpoint.connect_lazy();
    }
    let endpoint = endpoint.origin(uri.clone());
    endpoint.connect_with_connector_lazy(Secured(secured(plain, trust, b"h2")))
}

fn secured(mut plain: HttpConnector, trust: Option<&Trust>, protocol: &[u8]) -> Connector {
    plain.enforce_http(false);
    let mut config = match trust {
        Some(trust) => ClientConfig::clone(&trust.config),
        None => trusting(RootCertStore::empty()).with_no_client_auth(),
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    HttpsConnector::from((plain, config))
}

/// Connects with TLS, whatever the scheme of the address.
#[derive(Clone)]
struct Secured(Connector);

impl Service<Uri> for Secured {
    type Response = <Connector as Service<Uri>>::Response;
    type Error = <Connector as Service<Uri>>::Error;
    type Future = <Connector as Service<Uri>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        // It has an authority, so that there is a URI with another scheme.
        let uri = with_scheme(&uri, Scheme::HTTPS).unwrap_or(uri);
        self.0.call(uri)
    }
}

fn with_scheme(uri: &Uri, scheme: Scheme) -> Result<Uri, InstallError> {
    let mut parts = uri.clone().into_parts();
    parts.scheme = Some(scheme);
    Uri::from_parts(parts)
        .map_err(|error| InstallError::setting("endpoint", &uri.to_string(), error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(roots: Option<&str>, client: Option<&str>, key: Option<&str>) -> String {
        let named = |name, path: Option<&str>| {
            path.map(|path| Named {
                name,
                value: path.to_owned(),
            })
        };
        let files = Certificates {
            roots: named("ROOTS", roots),
            client: named("CLIENT", client),
            client_key: named("KEY", key),
        };
        let error = Trust::load(&Uri::from_static("https://c"), &files);
        error.map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn files_that_are_missing_or_no_pem_are_named_with_what_to_do() {
        let (missing, text) = (
            "no/such.pem",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        );
        for path in [missing, text] {
            let said = load(Some(path), None, None);
            assert!(said.contains("ROOTS") && said.contains(path), "{said}");
            assert!(said.contains("PEM"), "{said}");
        }
    }

    #[test]
    fn a_key_without_a_certificate_is_of_no_use_nor_the_other_way_round() {
        let roots = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        let alone = |client, key| load(None, client, key);
        // Where the system has no roots, that is said first.
        let is_said = |said: String, what: &str| {
            assert!(said.contains(what) || said.contains("roots"), "{said}");
        };
        is_said(alone(Some("a.pem"), None), "private key");
        is_said(alone(None, Some("a.pem")), "certificate");
        assert!(load(roots, None, Some("a.pem")).contains("ROOTS"));
    }
}
