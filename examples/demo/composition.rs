//! Composer: a role and a domain, read from YAML files, become the instructions of an agent.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use khive_perf::Context;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::demo::cache::{CacheStats, SharedCache};
use crate::demo::config::Config;
use crate::demo::error::{Error, Result};
use crate::demo::inject::Inject;
use crate::demo::score::stem;

/// Which role works in which domain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pairing {
    /// Name of a role file, without its ending.
    pub role: String,
    /// Name of a domain file, without its ending.
    pub domain: String,
}

/// The instructions of one agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Composition {
    /// What it was made from.
    pub pairing: Pairing,
    /// The instructions as text, one statement per line.
    pub prompt: String,
    /// How much a term (without its ending) matters, role and domain taken together.
    pub weights: BTreeMap<String, f64>,
}

/// The definition files of one directory.
#[derive(Debug)]
pub struct Library {
    directory: PathBuf,
    roles: Vec<String>,
    domains: Vec<String>,
    files_read: AtomicU64, // every reader adds, relaxed: a count for `/healthz`
}

/// Makes compositions, and remembers those used last.
#[derive(Debug)]
pub struct Composer {
    library: Arc<Library>,
    cache: SharedCache<Pairing, Arc<Composition>>,
    inject: Inject,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Role {
    name: String,
    title: String,
    purpose: String,
    principles: Vec<String>,
    steps: Vec<Step>,
    output: String,
    weights: BTreeMap<String, f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    name: String,
    instruction: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Domain {
    name: String,
    title: String,
    focus: String,
    vocabulary: BTreeMap<String, String>,
    constraints: Vec<String>,
    refine: BTreeMap<String, String>,
    weights: BTreeMap<String, f64>,
}

// === impl Composer ===

impl Composer {
    /// Opens the definition files that `config` names.
    ///
    /// # Errors
    ///
    /// The directory cannot be read, or holds no role or no domain.
    pub fn open(config: &Config) -> Result<Self> {
        Ok(Self {
            library: Arc::new(Library::open(&config.definitions)?),
            cache: SharedCache::new(config.effective_cache_capacity()),
            inject: config.inject,
        })
    }

    /// The composition of a role and a domain, from the cache where it is there.
    ///
    /// Two agents that miss the same composition at once both make it; the second one is kept.
    ///
    /// # Errors
    ///
    /// A definition file is missing, cannot be parsed, or uses an unknown placeholder.
    #[khive_perf::measure(name = "composition::compose", group = "composition", err)]
    pub async fn compose(&self, pairing: Pairing) -> Result<Arc<Composition>> {
        let found = self.cache.get(&pairing);
        // Behind the lookup: before it, the files would push the cache's entries out of the processor's.
        if self.inject == Inject::Blocking {
            self.library.check_all()?; // looks for edits, on the async worker thread
        }
        if let Some(found) = found {
            return Ok(found);
        }
        let library = Arc::clone(&self.library);
        let context = Context::current();
        let made = tokio::task::spawn_blocking(move || {
            context.scope(|| library.compose(pairing).map(Arc::new))
        })
        .await??;
        self.cache.insert(made.pairing.clone(), Arc::clone(&made));
        Ok(made)
    }

    /// The definition files.
    #[must_use]
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// What the cache holds and how it has served so far.
    #[must_use]
    pub fn cache_stats(&self) -> CacheStats {
        self.cache.stats()
    }
}

// === impl Library ===

impl Library {
    /// Lists the definition files below `directory`.
    ///
    /// # Errors
    ///
    /// The directory cannot be read, or holds no role or no domain.
    pub fn open(directory: &Path) -> Result<Self> {
        Ok(Self {
            roles: list(&directory.join("roles"))?,
            domains: list(&directory.join("domains"))?,
            directory: directory.to_owned(),
            files_read: AtomicU64::new(0),
        })
    }

    /// Names of the roles, sorted.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// Names of the domains, sorted.
    #[must_use]
    pub fn domains(&self) -> &[String] {
        &self.domains
    }

    /// Number of definition files read so far.
    #[must_use]
    pub fn files_read(&self) -> u64 {
        self.files_read.load(Ordering::Relaxed)
    }

    /// Reads the files of a pairing and merges them; blocks on the files.
    ///
    /// # Errors
    ///
    /// A definition file is missing, cannot be parsed, or uses an unknown placeholder.
    pub fn compose(&self, pairing: Pairing) -> Result<Composition> {
        let role = self.load_role(&pairing.role)?;
        let domain = self.load_domain(&pairing.domain)?;
        merge(pairing, &role, &domain)
    }

    #[khive_perf::measure(name = "composition::load_role", group = "composition", err)]
    fn load_role(&self, name: &str) -> Result<Role> {
        let role: Role = self.parse("roles", name)?;
        self.check_name("roles", name, &role.name)?;
        Ok(role)
    }

    #[khive_perf::measure(name = "composition::load_domain", group = "composition", err)]
    fn load_domain(&self, name: &str) -> Result<Domain> {
        let domain: Domain = self.parse("domains", name)?;
        self.check_name("domains", name, &domain.name)?;
        Ok(domain)
    }

    fn check_all(&self) -> Result<()> {
        for role in &self.roles {
            self.load_role(role)?;
        }
        for domain in &self.domains {
            self.load_domain(domain)?;
        }
        Ok(())
    }

    fn parse<T: DeserializeOwned>(&self, kind: &str, name: &str) -> Result<T> {
        let path = self.path(kind, name);
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Error::internal(format!("cannot read {}", path.display()), error))?;
        self.files_read.fetch_add(1, Ordering::Relaxed);
        serde_norway::from_str(&text)
            .map_err(|error| Error::internal(format!("cannot parse {}", path.display()), error))
    }

    fn check_name(&self, kind: &str, file: &str, named: &str) -> Result<()> {
        if file == named {
            return Ok(());
        }
        let path = self.path(kind, file);
        Err(Error::internal(
            format!("{} does not describe {file}", path.display()),
            format!("its `name` is {named}; rename the file or the definition"),
        ))
    }

    fn path(&self, kind: &str, name: &str) -> PathBuf {
        self.directory.join(kind).join(name).with_extension("yaml")
    }
}

/// Names of the YAML files in a directory, sorted.
fn list(directory: &Path) -> Result<Vec<String>> {
    let context = |error| Error::internal(format!("cannot list {}", directory.display()), error);
    let mut names = Vec::new();
    for file in std::fs::read_dir(directory).map_err(context)? {
        let path = file.map_err(context)?.path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            names.extend(
                path.file_stem()
                    .and_then(|stem| stem.to_str())
                    .map(str::to_owned),
            );
        }
    }
    if names.is_empty() {
        let reason =
            "there is no .yaml file; set --definitions to a directory with roles and domains";
        return Err(Error::internal(
            format!("cannot use {}", directory.display()),
            reason,
        ));
    }
    names.sort_unstable();
    Ok(names)
}

/// Joins a role and a domain: steps refined by the domain, constraints added, weights multiplied.
#[khive_perf::measure(name = "composition::merge", group = "composition", err)]
fn merge(pairing: Pairing, role: &Role, domain: &Domain) -> Result<Composition> {
    let mut weights = BTreeMap::new();
    for (term, weight) in role.weights.iter().chain(&domain.weights) {
        *weights.entry(stem(term).to_owned()).or_insert(1.0) *= weight;
    }
    let prompt = render(role, domain).map_err(|unknown| {
        Error::internal(
            format!("role {} cannot be rendered", role.name),
            format!("`{{{{{unknown}}}}}` is no placeholder; use domain or focus"),
        )
    })?;
    Ok(Composition {
        pairing,
        prompt,
        weights,
    })
}

/// Writes the instructions; fails with the name of a placeholder that it does not know.
#[khive_perf::measure(name = "composition::render", group = "composition")]
fn render(role: &Role, domain: &Domain) -> std::result::Result<String, String> {
    let fill = |text: &str| interpolate(text, domain);
    let mut prompt = String::with_capacity(4096);
    let mut line = |text: String| {
        prompt.push_str(&text);
        prompt.push('\n');
    };
    line(format!(
        "You are the {} for {}.",
        role.title.to_lowercase(),
        domain.title
    ));
    line(fill(&role.purpose)?);
    line(format!("Keep in mind that {}.", domain.focus));
    for (term, meaning) in &domain.vocabulary {
        line(format!("{term}: {meaning}"));
    }
    for principle in role.principles.iter().chain(&domain.constraints) {
        line(fill(principle)?);
    }
    for (number, step) in (1..).zip(&role.steps) {
        let mut text = format!("Step {number}, {}: {}", step.name, fill(&step.instruction)?);
        if let Some(refinement) = domain.refine.get(&step.name) {
            let _ = write!(text, " {}", fill(refinement)?);
        }
        line(text);
    }
    line(format!("Deliver: {}", fill(&role.output)?));
    Ok(prompt)
}

/// Replaces `{{domain}}` and `{{focus}}`.
fn interpolate(text: &str, domain: &Domain) -> std::result::Result<String, String> {
    let mut filled = String::with_capacity(text.len() + 32);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        let Some((name, tail)) = after.split_once("}}") else {
            return Err(after.to_owned());
        };
        match name.trim() {
            "domain" => filled.push_str(&domain.title),
            "focus" => filled.push_str(&domain.focus),
            unknown => return Err(unknown.to_owned()),
        }
        rest = tail;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests;
