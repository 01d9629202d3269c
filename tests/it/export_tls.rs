//! The exporter and receivers with TLS: whom it trusts, and what it shows of itself. The certificates are made here.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use khive_perf::testing::capture;
use khive_perf_otel::{Delivery, Exporter, ExporterBuilder, Protocol};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use crate::export_server::{Server, grpc_over, https, success, watched};

#[khive_perf::measure]
fn work() {}

const POINTS: u64 = 5;
const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(300);

/// An authority, and the files of what it vouches for.
struct Authority {
    directory: TempDir,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// PEM of a certificate and its key.
struct Pair {
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = named("an authority", &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = Self {
            directory: tempfile::tempdir().unwrap(),
            pem: params.self_signed(&key).unwrap().pem(),
            issuer: Issuer::new(params, key),
        };
        authority.write("roots.pem", &authority.pem);
        authority
    }

    fn vouch(&self, for_names: &[&str]) -> Pair {
        let key = KeyPair::generate().unwrap();
        let certificate = named("one of its own", for_names).signed_by(&key, &self.issuer);
        Pair {
            certificate: certificate.unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    fn write(&self, name: &str, pem: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, pem).unwrap();
        path
    }

    fn roots(&self) -> String {
        text(&self.directory.path().join("roots.pem"))
    }

    /// A receiver of either protocol that shows `pair`, and, where `wants_client`, lets in those this authority vouches for.
    fn receiver(&self, protocol: Protocol, pair: &Pair, wants_client: bool) -> Server {
        if protocol == Protocol::Grpc {
            let identity = Identity::from_pem(&pair.certificate, &pair.key);
            let mut tls = ServerTlsConfig::new().identity(identity);
            if wants_client {
                tls = tls.client_ca_root(Certificate::from_pem(&self.pem));
            }
            return grpc_over(Some(tls), |_| {
                Some(Ok(ExportMetricsServiceResponse::default()))
            });
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let config = if wants_client {
            let mut roots = RootCertStore::empty();
            let root = CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap();
            roots.add(root).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            config.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            config.with_no_client_auth()
        };
        let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
        let config = config.with_single_cert(vec![certificate], key).unwrap();
        https(Arc::new(config), |_| success())
    }
}

fn named(name: &str, for_names: &[&str]) -> CertificateParams {
    let names: Vec<String> = for_names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn builder(server: &Server, protocol: Protocol) -> ExporterBuilder {
    let snapshot = capture(work).1.into_snapshot();
    Exporter::builder()
        .endpoint(server.https_url())
        .protocol(protocol)
        .snapshot_source(move || snapshot.clone())
}

fn export(builder: ExporterBuilder, within: Duration) -> Delivery {
    watched(move || builder.start().unwrap().shutdown(within))
}

fn check_not_sent(server: &Server, builder: ExporterBuilder) {
    let delivery = export(builder, SHORT);
    assert_eq!((delivery.sent, delivery.dropped), (0, POINTS), "{delivery}");
    assert!(server.seen().is_empty(), "it was told all the same");
}

const BOTH: [Protocol; 2] = [Protocol::HttpProtobuf, Protocol::Grpc];

#[test]
fn a_receiver_that_a_given_root_vouches_for_gets_everything() {
    let authority = Authority::new();
    let pair = authority.vouch(&["127.0.0.1", "localhost"]);
    for protocol in BOTH {
        let server = authority.receiver(protocol, &pair, false);
        let builder = builder(&server, protocol).certificate(authority.roots());
        let delivery = export(builder, LONG);
        assert_eq!(
            (delivery.sent, delivery.is_complete()),
            (POINTS, true),
            "{delivery}"
        );
        assert_eq!(server.seen().len(), 1);
    }
}

#[test]
fn a_receiver_of_another_name_or_another_authority_gets_nothing() {
    let (authority, other) = (Authority::new(), Authority::new());
    for protocol in BOTH {
        let pair = authority.vouch(&["elsewhere.example"]);
        let server = authority.receiver(protocol, &pair, false);
        check_not_sent(
            &server,
            builder(&server, protocol).certificate(authority.roots()),
        );
        let pair = other.vouch(&["127.0.0.1"]);
        let server = other.receiver(protocol, &pair, false);
        check_not_sent(
            &server,
            builder(&server, protocol).certificate(authority.roots()),
        );
    }
}

#[test]
fn a_client_certificate_is_shown_to_a_receiver_that_wants_one() {
    let authority = Authority::new();
    let pair = authority.vouch(&["127.0.0.1"]);
    let client = authority.vouch(&["client.example"]);
    let certificate = text(&authority.write("client.pem", &client.certificate));
    let key = text(&authority.write("client.key", &client.key));
    for protocol in BOTH {
        let server = authority.receiver(protocol, &pair, true);
        let anonymous = builder(&server, protocol).certificate(authority.roots());
        check_not_sent(&server, anonymous.clone());
        let delivery = export(anonymous.client_certificate(&certificate, &key), LONG);
        assert_eq!(
            (delivery.sent, delivery.is_complete()),
            (POINTS, true),
            "{delivery}"
        );
    }
    // A key that is not that of the certificate is found out before anything is sent.
    let other = authority.write("other.key", &authority.vouch(&["other"]).key);
    let server = authority.receiver(Protocol::Grpc, &pair, true);
    let mixed = builder(&server, Protocol::Grpc).client_certificate(&certificate, text(&other));
    let error = mixed.certificate(authority.roots()).start().unwrap_err();
    assert_eq!(error.setting_name(), Some("client_key"), "{error}");
}

#[test]
fn a_receiver_without_tls_behind_an_address_with_it_costs_a_deadline() {
    let authority = Authority::new();
    let plain = crate::export_server::http(|_| success());
    for protocol in BOTH {
        check_not_sent(
            &plain,
            builder(&plain, protocol).certificate(authority.roots()),
        );
    }
}
