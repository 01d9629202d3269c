//! Tests of the composer, on the real definition files and on broken ones.

use std::fs;

use super::*;

fn pairing(role: &str, domain: &str) -> Pairing {
    Pairing {
        role: role.into(),
        domain: domain.into(),
    }
}

fn composer(config: &Config) -> Composer {
    Composer::open(config).unwrap()
}

/// A directory with one role and one domain, whose role is `role_yaml`.
fn directory(role_yaml: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("roles")).unwrap();
    fs::create_dir(dir.path().join("domains")).unwrap();
    fs::write(dir.path().join("roles/tester.yaml"), role_yaml).unwrap();
    let payments = Config::default().definitions.join("domains/payments.yaml");
    fs::copy(payments, dir.path().join("domains/payments.yaml")).unwrap();
    dir
}

fn tester_yaml() -> String {
    fs::read_to_string(Config::default().definitions.join("roles/tester.yaml")).unwrap()
}

#[test]
fn every_role_can_work_in_every_domain() {
    let library = Library::open(&Config::default().definitions).unwrap();
    assert!(library.roles().len() >= 8 && library.domains().len() >= 6);
    for role in library.roles() {
        for domain in library.domains() {
            let made = library.compose(pairing(role, domain)).unwrap();
            assert!(made.prompt.lines().count() > 15, "{role} in {domain}");
            assert!(!made.prompt.contains("{{"), "{role} in {domain}");
        }
    }
}

#[test]
fn the_domain_refines_the_steps_of_the_role() {
    let library = Library::open(&Config::default().definitions).unwrap();
    let made = library.compose(pairing("tester", "payments")).unwrap();
    let attack = made
        .prompt
        .lines()
        .find(|line| line.starts_with("Step 2, attack"))
        .unwrap();
    assert!(attack.contains("slow peers. Replay a capture twice"));
    assert!(
        made.prompt.contains("breaks its promise") && made.prompt.contains("change to payments")
    );
    assert!(made.prompt.contains("Amounts are integers"));
}

#[test]
fn weights_of_role_and_domain_multiply() {
    let library = Library::open(&Config::default().definitions).unwrap();
    let made = library
        .compose(pairing("implementer", "networking"))
        .unwrap();
    let weight = |term: &str| made.weights[stem(term)];
    assert!((weight("queue") - 1.4 * 1.6).abs() < 1e-9); // both name it
    assert!((weight("invariant") - 1.9).abs() < 1e-9); // the role alone
    assert!((weight("deadline") - 1.9).abs() < 1e-9); // the domain alone
}

#[tokio::test]
async fn a_composition_is_made_once_while_the_cache_holds_it() {
    let composer = composer(&Config::default());
    let first = composer
        .compose(pairing("tester", "storage"))
        .await
        .unwrap();
    let again = composer
        .compose(pairing("tester", "storage"))
        .await
        .unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    assert_eq!(composer.library().files_read(), 2);
    let stats = composer.cache_stats();
    assert_eq!((stats.hits, stats.misses), (1, 1));
}

#[tokio::test]
async fn cache_thrash_makes_alternating_compositions_anew() {
    let composer = composer(&Config {
        inject: Inject::CacheThrash,
        ..Config::default()
    });
    for _ in 0..3 {
        composer
            .compose(pairing("tester", "storage"))
            .await
            .unwrap();
        composer
            .compose(pairing("planner", "search"))
            .await
            .unwrap();
    }
    let stats = composer.cache_stats();
    assert_eq!((stats.hits, stats.misses, stats.evictions), (0, 6, 5));
}

#[tokio::test]
async fn blocking_reads_every_definition_even_on_a_hit() {
    let composer = composer(&Config {
        inject: Inject::Blocking,
        ..Config::default()
    });
    composer
        .compose(pairing("tester", "storage"))
        .await
        .unwrap();
    let before = composer.library().files_read();
    composer
        .compose(pairing("tester", "storage"))
        .await
        .unwrap();
    let all = composer.library().roles().len() + composer.library().domains().len();
    assert_eq!(composer.library().files_read() - before, all as u64);
    assert_eq!(composer.cache_stats().hits, 1);
}

#[test]
fn a_broken_definition_is_named_with_its_reason() {
    let cases = [
        ("purpose: [", "cannot parse"),
        (&tester_yaml().replace("title:", "titel:"), "titel"),
        (
            &tester_yaml().replace("name: tester", "name: taster"),
            "its `name` is taster",
        ),
        (
            &tester_yaml().replace("{{domain}}", "{{planet}}"),
            "`{{planet}}` is no placeholder",
        ),
        (
            &tester_yaml().replace("{{domain}}", "{{domain"),
            "is no placeholder",
        ),
    ];
    for (yaml, expected) in cases {
        let dir = directory(yaml);
        let library = Library::open(dir.path()).unwrap();
        let error = library.compose(pairing("tester", "payments")).unwrap_err();
        assert!(error.is_internal());
        let message = error.to_string();
        assert!(
            message.contains("tester") && message.contains(expected),
            "{message}"
        );
    }
}

#[test]
fn a_directory_without_definitions_is_refused_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let missing = Library::open(dir.path()).unwrap_err().to_string();
    assert!(missing.contains("roles"), "{missing}");
    fs::create_dir(dir.path().join("roles")).unwrap();
    let empty = Library::open(dir.path()).unwrap_err().to_string();
    assert!(empty.contains("--definitions"), "{empty}");
}
