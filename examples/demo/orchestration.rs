//! Orchestrator: one task, up to a hundred agents at once, one answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use khive_perf::FutureExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::demo::composition::{Composer, Library, Pairing};
use crate::demo::config::{AGENTS_MAX, TAIL_LEN_DEFAULT, TASK_LEN_MAX};
use crate::demo::error::{Error, Result};
use crate::demo::result::{ResultStore, Stored};
use crate::demo::score::{Finding, score};
use crate::demo::session::{Entry, Session, SessionStore};

/// What is asked of the agents.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    pub(crate) session: i64,
    pub(crate) task: String,
    pub(crate) agents: usize, // 1..=AGENTS_MAX
    #[serde(default)]
    pub(crate) roles: Vec<String>, // empty: all of them
    #[serde(default)]
    pub(crate) domains: Vec<String>, // empty: all of them
}

/// What came of an orchestration.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    pub(crate) summary: Vec<Agreed>,
    pub(crate) agents: Vec<Report>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Done,
    Failed,
}

/// A line, and how strongly the agents agree on it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Agreed {
    pub(crate) line: String,
    pub(crate) votes: usize,
    pub(crate) score: f64,
}

/// What one agent did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Report {
    pub(crate) agent: usize,
    pub(crate) role: String,
    pub(crate) domain: String,
    pub(crate) seq: i64,
    pub(crate) digest: String,
    pub(crate) terms: usize,
    pub(crate) findings: Vec<Finding>,
}

/// Runs orchestrations; cheap to clone, and the clones share their limits.
#[derive(Clone, Debug)]
pub(crate) struct Orchestrator {
    pub(crate) sessions: SessionStore,
    pub(crate) results: ResultStore,
    pub(crate) composer: Arc<Composer>,
    agents: Arc<Semaphore>,
    orchestrations: Arc<Semaphore>,
}

/// What all agents of an orchestration share.
#[derive(Debug)]
struct Brief {
    session: i64,
    task: String,
    history: Vec<String>,
}

/// Number and pairing of an agent.
#[derive(Debug, PartialEq)]
struct Assignment {
    agent: usize,
    pairing: Pairing,
}

const SUMMARY_LEN_MAX: usize = 10;
/// Damping of reciprocal rank fusion (Cormack, Clarke and Büttcher, 2009).
const FUSION_K: f64 = 60.0;

// === impl Orchestrator ===

impl Orchestrator {
    pub(crate) fn new(
        sessions: SessionStore,
        results: ResultStore,
        composer: Arc<Composer>,
        agents_in_flight: usize,
        orchestrations_in_flight: usize,
    ) -> Self {
        Self {
            sessions,
            results,
            composer,
            agents: Arc::new(Semaphore::new(agents_in_flight.max(1))),
            orchestrations: Arc::new(Semaphore::new(orchestrations_in_flight.max(1))),
        }
    }

    /// Lets the agents work on the task and stores what came of it, success or failure.
    #[khive_perf::measure(name = "orchestration::orchestrate", group = "orchestration", err)]
    pub(crate) async fn orchestrate(&self, request: Request) -> Result<Stored> {
        let _permit = self.orchestrations.try_acquire().map_err(|_| {
            Error::busy("too many orchestrations are running; try again in a second")
        })?;
        let assignments = plan(&request, self.composer.library())?;
        let session = self
            .sessions
            .load(request.session, TAIL_LEN_DEFAULT)
            .await?;
        let brief = Arc::new(Brief::new(session, request.task));
        let reports = match self.run_agents(&brief, assignments).await {
            Ok(reports) => reports,
            Err(error) => {
                let failed = Outcome::failed(&error);
                self.results.save(brief.session, &failed).await?;
                return Err(error);
            }
        };
        let outcome = Outcome {
            status: Status::Done,
            error: None,
            summary: aggregate(&reports),
            agents: reports,
        };
        self.results.save(brief.session, &outcome).await
    }

    /// Runs the agents, each as a task of its own; the first failure cancels the others.
    #[khive_perf::measure(name = "orchestration::run_agents", group = "orchestration", err)]
    async fn run_agents(
        &self,
        brief: &Arc<Brief>,
        assignments: Vec<Assignment>,
    ) -> Result<Vec<Report>> {
        let mut tasks = JoinSet::new();
        for assignment in assignments {
            let orchestrator = self.clone();
            let brief = Arc::clone(brief);
            let task = async move {
                let _permit = orchestrator
                    .agents
                    .acquire()
                    .await
                    .map_err(|_| Error::busy("the service is shutting down; try again"))?;
                orchestrator.run_agent(&brief, assignment).await
            };
            tasks.spawn(task.in_current_context());
        }
        let mut reports = Vec::with_capacity(tasks.len());
        while let Some(joined) = tasks.join_next().await {
            reports.push(joined??);
        }
        reports.sort_by_key(|report: &Report| report.agent);
        Ok(reports)
    }

    /// One agent: composes its instructions, scores them against the task, and notes what it found.
    #[khive_perf::measure(name = "orchestration::run_agent", group = "orchestration", err)]
    async fn run_agent(&self, brief: &Brief, assignment: Assignment) -> Result<Report> {
        let Assignment { agent, pairing } = assignment;
        let composition = self.composer.compose(pairing).await?;
        let scored = score(
            &composition.prompt,
            &brief.task,
            &brief.history,
            &composition.weights,
        );
        let Pairing { role, domain } = composition.pairing.clone();
        let entry = Entry {
            author: format!("{role}@{domain}"),
            text: match scored.findings.first() {
                Some(best) => best.line.clone(),
                None => "nothing in the instructions concerns the task".to_owned(),
            },
            findings: scored.findings.clone(),
        };
        let seq = self.sessions.append(brief.session, entry).await?;
        Ok(Report {
            agent,
            role,
            domain,
            seq,
            digest: scored.digest,
            terms: scored.terms,
            findings: scored.findings,
        })
    }
}

// === impl Brief ===

impl Brief {
    fn new(session: Session, task: String) -> Self {
        Self {
            session: session.id,
            task,
            history: session
                .history
                .into_iter()
                .map(|line| line.entry.text)
                .collect(),
        }
    }
}

// === impl Outcome ===

impl Outcome {
    fn failed(error: &Error) -> Self {
        Self {
            status: Status::Failed,
            error: Some(error.to_string()),
            summary: Vec::new(),
            agents: Vec::new(),
        }
    }
}

/// Checks a request and gives each agent a role and a domain: roles in turn, then domains.
#[khive_perf::measure(name = "orchestration::plan", group = "orchestration", err)]
fn plan(request: &Request, library: &Library) -> Result<Vec<Assignment>> {
    if !(1..=AGENTS_MAX).contains(&request.agents) {
        return Err(Error::invalid(format!(
            "agents is {}; it must be between 1 and {AGENTS_MAX}",
            request.agents
        )));
    }
    let task_len = request.task.chars().count();
    if request.task.trim().is_empty() || TASK_LEN_MAX < task_len {
        return Err(Error::invalid(format!(
            "task has {task_len} characters; it must have between 1 and {TASK_LEN_MAX}, not all blank"
        )));
    }
    let roles = chosen("role", &request.roles, library.roles())?;
    let domains = chosen("domain", &request.domains, library.domains())?;
    let pairings = domains.iter().flat_map(|domain| {
        roles.iter().map(|role| Pairing {
            role: role.clone(),
            domain: domain.clone(),
        })
    });
    Ok((1..)
        .zip(pairings.cycle())
        .take(request.agents)
        .map(|(agent, pairing)| Assignment { agent, pairing })
        .collect())
}

/// The names asked for, or all that are known where none is.
fn chosen<'a>(kind: &str, asked: &'a [String], known: &'a [String]) -> Result<&'a [String]> {
    match asked.iter().find(|name| !known.contains(name)) {
        Some(name) => Err(Error::invalid(format!(
            "there is no {kind} {name}; choose from {}",
            known.join(", ")
        ))),
        None if asked.is_empty() => Ok(known),
        None => Ok(asked),
    }
}

/// Fuses the rankings of all agents: a line counts more the higher and the oftener it was ranked.
#[khive_perf::measure(name = "orchestration::aggregate", group = "orchestration")]
fn aggregate(reports: &[Report]) -> Vec<Agreed> {
    let mut agreed: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
    for report in reports {
        for (rank, finding) in (1_u32..).zip(&report.findings) {
            let (votes, score) = agreed.entry(&finding.line).or_default();
            *votes += 1;
            *score += 1.0 / (FUSION_K + f64::from(rank));
        }
    }
    let mut summary: Vec<Agreed> = agreed
        .into_iter()
        .map(|(line, (votes, score))| Agreed {
            line: line.to_owned(),
            votes,
            score: (score * 1e6).round() / 1e6,
        })
        .collect();
    summary.sort_by(|a, b| b.score.total_cmp(&a.score));
    summary.truncate(SUMMARY_LEN_MAX);
    summary
}

#[cfg(test)]
mod tests;
