use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::config;
use crate::mysql::testing::Place;
use crate::mysql::{Database, DatabaseError, check};

/// An authority, and what it signed, as files.
struct Papers {
    dir: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Papers {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, "an authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        std::fs::write(dir.path().join("ca.pem"), authority.self_signed(&key).unwrap().pem()).unwrap();
        Self { dir, issuer: Issuer::new(authority, key) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Certificate and key for `host`, as files.
    fn sign(&self, host: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, host);
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        let (certificate, private) = (self.path(&format!("{host}.pem")), self.path(&format!("{host}.key")));
        std::fs::write(&certificate, signed.pem()).unwrap();
        std::fs::write(&private, key.serialize_pem()).unwrap();
        (certificate, private)
    }
}

async fn server(papers: &Papers, host: &str) -> Option<Place> {
    let (certificate, key) = papers.sign(host);
    let shown = |name: &str, path: &Path| format!("--{name}={}", path.display());
    let ca = papers.path("ca.pem");
    Place::alone_with(vec![shown("ssl-cert", &certificate), shown("ssl-key", &key), shown("ssl-ca", &ca)]).await
}

fn config(place: &Place, ca: Option<PathBuf>) -> config::Mysql {
    config::Mysql { tls: true, tls_ca: ca, ..place.config() }
}

async fn refusal(config: &config::Mysql) -> String {
    let error = Database::connect(config).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Refused { .. }), "{error:?}");
    error.to_string()
}

#[tokio::test]
async fn an_encrypted_connection_is_one_and_only_to_a_server_whose_certificate_is_for_its_name() {
    let papers = Papers::new();
    let Some(place) = server(&papers, "127.0.0.1").await else { return };
    let trusted = config(&place, Some(papers.path("ca.pem")));
    let mut database = Database::connect(&trusted).await.unwrap();
    let row = database.session.query("SHOW SESSION STATUS LIKE 'Ssl_cipher'", ().into()).await.unwrap();
    let cipher: String = row[0].get(1).unwrap();
    assert!(!cipher.is_empty(), "the connection is not encrypted");

    let stranger = Papers::new();
    let words = refusal(&config(&place, Some(stranger.path("ca.pem")))).await;
    assert!(words.contains("mysql.tls_ca"), "{words}");
    let words = refusal(&config(&place, None)).await;
    assert!(words.contains("mysql.tls_ca"), "the public authorities did not sign it: {words}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let papers = Papers::new();
    let Some(place) = server(&papers, "db.example").await else { return };
    let words = refusal(&config(&place, Some(papers.path("ca.pem")))).await;
    assert!(words.contains("mysql.endpoints"), "{words}");
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_gets_this_node_s() {
    let papers = Papers::new();
    let Some(place) = server(&papers, "127.0.0.1").await else { return };
    place.sql("CREATE USER node@'127.0.0.1' REQUIRE X509").await;
    place.sql("GRANT ALL ON *.* TO node@'127.0.0.1'").await;
    let as_node = |papers: &Papers| config::Mysql {
        endpoints: vec![place.url("node")],
        ..config(&place, Some(papers.path("ca.pem")))
    };
    let words = refusal(&as_node(&papers)).await;
    assert!(words.contains("user and password"), "{words}");
    let (certificate, key) = papers.sign("node-1.example");
    let shown = config::Mysql { tls_certificate: Some(certificate), tls_key: Some(key), ..as_node(&papers) };
    Database::connect(&shown).await.unwrap();
}

#[tokio::test]
async fn a_server_without_a_certificate_and_one_that_insists_are_told_apart_with_the_setting() {
    let Some(place) = Place::alone_with(vec!["--skip-ssl".to_owned()]).await else { return };
    let words = refusal(&config(&place, None)).await;
    assert!(words.contains("mysql.tls = false"), "{words}");
    let papers = Papers::new();
    let Some(place) = server(&papers, "127.0.0.1").await else { return };
    place.sql("SET GLOBAL require_secure_transport = ON").await;
    let words = refusal(&place.config()).await;
    assert!(words.contains("mysql.tls = true"), "{words}");
}

#[test]
fn files_that_are_not_there_or_hold_something_else_are_named_before_anything_starts() {
    let papers = Papers::new();
    let (certificate, key) = papers.sign("node-1.example");
    let sound = config::Mysql {
        tls: true,
        tls_ca: Some(papers.path("ca.pem")),
        tls_certificate: Some(certificate.clone()),
        tls_key: Some(key.clone()),
        ..config::Mysql::default()
    };
    assert_eq!(check(&sound), Ok(()));
    let absent = config::Mysql { tls_ca: Some(papers.path("none.pem")), ..sound.clone() };
    let words = check(&absent).unwrap_err().to_string();
    assert!(words.contains("mysql.tls_ca = ") && words.contains("none.pem"), "{words}");
    let exchanged = config::Mysql { tls_certificate: Some(key), tls_key: Some(certificate), ..sound };
    let words = check(&exchanged).unwrap_err().to_string();
    assert!(words.contains("mysql.tls_certificate = ") && words.contains("BEGIN CERTIFICATE"), "{words}");
}
