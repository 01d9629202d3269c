//! Mix: which request is sent when, decided by a seed and nothing else.

use hyper::Method;
use serde_json::json;

/// The requests of one load, a pure function of seed and number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix {
    /// Same seed, same requests.
    pub seed: u64,
    /// Sessions that exist, with a long history each.
    pub sessions: Vec<i64>, // not empty
    /// Orchestrations that exist.
    pub orchestrations: Vec<i64>, // not empty
}

/// A request that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// `GET` or `POST`.
    pub method: Method,
    /// Path with query.
    pub path: String,
    /// JSON, where there is a body.
    pub body: Option<String>,
}

/// SplitMix64 (Steele, Lea and Flood, 2014): small, and every seed is good.
#[derive(Debug)]
struct Random(u64);

const ROLES: &[&str] = &[
    "implementer",
    "performance_engineer",
    "planner",
    "researcher",
    "reviewer",
    "security_analyst",
    "technical_writer",
    "tester",
];

const DOMAINS: &[&str] = &[
    "compliance",
    "networking",
    "payments",
    "scheduling",
    "search",
    "storage",
];

/// Agents that one orchestration of the mix asks for.
const AGENTS: usize = 4;

const SUBJECTS: &[&str] = &[
    "retries after a timeout of the peer",
    "the checkpoint of the write-ahead log",
    "ranking of equal scores across segments",
    "leases that expire while a job is alive",
    "erasure of personal data from caches and backups",
    "the queue between the receiver and the workers",
    "refunds that arrive before the capture is settled",
    "connections that are drained before the process ends",
];

const ASPECTS: &[&str] = &[
    "measure the latency before and after",
    "list the risks in order of damage",
    "write the smallest test that can fail",
    "name the bound and what happens at the bound",
    "review the change for concurrent and hostile input",
    "plan the migration so that it can stop half way",
    "document the steps for someone on call at night",
    "find the invariant which the change must keep",
];

// === impl Mix ===

impl Mix {
    /// Request number `number`: in a hundred, 50 orchestrations, 25 loads of a session, 15 reads of a
    /// result and 10 new sessions.
    ///
    /// # Panics
    ///
    /// `sessions` or `orchestrations` is empty.
    #[must_use]
    pub fn request(&self, number: u64) -> Planned {
        let mut random = Random::new(self.seed, number);
        match random.below(100) {
            0..50 => orchestrate(random.pick(&self.sessions), &mut random),
            50..75 => get(format!("/sessions/{}", random.pick(&self.sessions))),
            75..90 => get(format!(
                "/orchestrations/{}",
                random.pick(&self.orchestrations)
            )),
            _ => create_session(number, 5, &mut random),
        }
    }

    /// A session with a history of `transcript_len` entries, to be created before the load.
    #[must_use]
    pub fn session(seed: u64, number: u64, transcript_len: usize) -> Planned {
        create_session(number, transcript_len, &mut Random::new(!seed, number))
    }

    /// An orchestration in `session`, to be run before the load.
    #[must_use]
    pub fn orchestration(seed: u64, session: i64) -> Planned {
        orchestrate(session, &mut Random::new(!seed, session.unsigned_abs()))
    }
}

fn get(path: String) -> Planned {
    Planned {
        method: Method::GET,
        path,
        body: None,
    }
}

fn orchestrate(session: i64, random: &mut Random) -> Planned {
    let role = random.below(ROLES.len());
    let domain = random.below(DOMAINS.len());
    // Two roles in two domains, so that pairings return at different times and some are evicted.
    let body = json!({
        "session": session,
        "task": sentence(random),
        "agents": AGENTS,
        "roles": (0..2).map(|n| ROLES[(role + n) % ROLES.len()]).collect::<Vec<_>>(),
        "domains": (0..2).map(|n| DOMAINS[(domain + n) % DOMAINS.len()]).collect::<Vec<_>>(),
    });
    post("/orchestrations", &body)
}

fn create_session(number: u64, transcript_len: usize, random: &mut Random) -> Planned {
    let transcript: Vec<_> = (0..transcript_len)
        .map(|n| {
            let author = if n % 2 == 0 { "user" } else { "assistant" };
            json!({ "author": author, "text": sentence(random) })
        })
        .collect();
    post(
        "/sessions",
        &json!({ "title": format!("session {number}"), "transcript": transcript }),
    )
}

fn post(path: &str, body: &serde_json::Value) -> Planned {
    Planned {
        method: Method::POST,
        path: path.to_owned(),
        body: Some(body.to_string()),
    }
}

fn sentence(random: &mut Random) -> String {
    let subject = random.pick(SUBJECTS);
    let first = random.pick(ASPECTS);
    let second = random.pick(ASPECTS);
    format!("For {subject}, {first}, then {second}.")
}

// === impl Random ===

impl Random {
    fn new(seed: u64, number: u64) -> Self {
        let mut random = Self(seed ^ number.wrapping_mul(0xd134_2543_de82_ef95));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; the bias of the remainder is below 2^-50 here.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the remainder is below a usize"
    )]
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mix(seed: u64) -> Mix {
        Mix {
            seed,
            sessions: (1..=40).collect(),
            orchestrations: (1..=10).collect(),
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_requests_and_another_seed_others() {
        let requests = |seed| (0..200).map(|n| mix(seed).request(n)).collect::<Vec<_>>();
        assert_eq!(requests(7), requests(7));
        assert_ne!(requests(7), requests(8));
    }

    #[test]
    fn the_shares_are_those_of_the_documentation() {
        let mut shares = [0_u32; 4];
        for number in 0..10_000 {
            let planned = mix(1).request(number);
            let at = match (planned.method.as_str(), planned.path.as_str()) {
                ("POST", "/orchestrations") => 0,
                ("GET", path) if path.starts_with("/sessions/") => 1,
                ("GET", path) if path.starts_with("/orchestrations/") => 2,
                ("POST", "/sessions") => 3,
                other => panic!("{other:?}"),
            };
            shares[at] += 1;
        }
        for (share, expected) in shares.into_iter().zip([5_000_u32, 2_500, 1_500, 1_000]) {
            assert!(share.abs_diff(expected) < 200, "{shares:?}");
        }
    }
}
