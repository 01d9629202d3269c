//! What an agent computes: which lines of its instructions matter most for the task at hand.
//!
//! The lines of the composed prompt are ranked against the task and the session's recent history by
//! Okapi BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009), with
//! the weights of role and domain as importance of a term.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

/// A line that an agent found relevant, and how much.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The line.
    pub line: String,
    /// Its BM25 score, rounded to thousandths.
    pub score: f64,
}

/// What scoring one prompt gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// The best lines, best first.
    pub findings: Vec<Finding>,
    /// FNV-1a of the prompt and the task, in hexadecimal: equal inputs have equal digests.
    pub digest: String,
    /// Number of terms read.
    pub terms: usize,
}

/// How often a term occurs in what is asked for, weighted.
type Query<'a> = BTreeMap<&'a str, f64>;

const FINDINGS_MAX: usize = 5;
/// Influence of what the session said before, against the task itself.
const HISTORY_WEIGHT: f64 = 0.1;
/// Saturation of repeated terms; the usual BM25 constant.
const K1: f64 = 1.2;
/// Normalisation by line length; the usual BM25 constant.
const B: f64 = 0.75;

const STOP_WORDS: &[&str] = &[
    "a", "an", "and", "are", "as", "at", "be", "before", "by", "each", "for", "from", "has", "in",
    "is", "it", "its", "no", "not", "of", "on", "or", "out", "that", "the", "their", "then",
    "this", "to", "until", "was", "what", "which", "who", "whose", "with",
];

/// Ranks the lines of `prompt` against `task` and `history`; `weights` are by term, as [`tokenize`] makes it.
#[must_use]
#[khive_perf::measure(name = "score::score", group = "orchestration")]
pub fn score(
    prompt: &str,
    task: &str,
    history: &[String],
    weights: &BTreeMap<String, f64>,
) -> Scored {
    let lines: Vec<&str> = prompt
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let documents: Vec<Vec<String>> = lines.iter().map(|line| tokenize(line)).collect();
    let asked = tokenize(task);
    let said: Vec<String> = history.iter().flat_map(|text| tokenize(text)).collect();
    let mut query = Query::new();
    let weighted = |term: &str| weights.get(term).copied().unwrap_or(1.0);
    for term in &asked {
        *query.entry(term).or_default() += weighted(term);
    }
    for term in &said {
        *query.entry(term).or_default() += HISTORY_WEIGHT * weighted(term);
    }
    Scored {
        findings: rank(&lines, &documents, &query),
        digest: digest(&[prompt, task]),
        terms: documents.iter().map(Vec::len).sum::<usize>() + asked.len() + said.len(),
    }
}

/// Splits text into lower-case terms without stop words and English endings.
#[must_use]
#[khive_perf::measure(name = "score::tokenize", group = "orchestration")]
pub fn tokenize(text: &str) -> Vec<String> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .filter(|word| STOP_WORDS.binary_search(&word.as_str()).is_err())
        .map(|mut word| {
            let kept = stem(&word).len();
            word.truncate(kept);
            word
        })
        .collect()
}

/// Takes common endings off a word, and leaves at least four letters.
pub(crate) fn stem(word: &str) -> &str {
    for ending in [
        "ations", "ation", "ings", "ing", "ies", "ed", "es", "e", "y", "s",
    ] {
        match word.strip_suffix(ending) {
            Some(stem) if stem.chars().count() >= 4 && !stem.ends_with('s') => return stem,
            _ => {}
        }
    }
    word
}

/// The best lines by BM25; equal scores stay in the order of the prompt.
#[khive_perf::measure(name = "score::rank", group = "orchestration")]
fn rank(lines: &[&str], documents: &[Vec<String>], query: &Query<'_>) -> Vec<Finding> {
    let mut containing: HashMap<&str, f64> = HashMap::new();
    for document in documents {
        let distinct: HashSet<&str> = document.iter().map(String::as_str).collect();
        for term in distinct {
            *containing.entry(term).or_default() += 1.0;
        }
    }
    let count = as_f64(documents.len());
    let mean_len = as_f64(documents.iter().map(Vec::len).sum()) / count.max(1.0);
    let mut findings: Vec<Finding> = lines
        .iter()
        .zip(documents)
        .map(|(line, document)| {
            let mut score = 0.0;
            for (&term, importance) in query {
                let frequency = as_f64(document.iter().filter(|other| *other == term).count());
                if frequency > 0.0 {
                    let n = containing.get(term).copied().unwrap_or(0.0);
                    let rarity = ((count - n + 0.5) / (n + 0.5) + 1.0).ln();
                    let length = 1.0 - B + B * as_f64(document.len()) / mean_len;
                    score +=
                        importance * rarity * frequency * (K1 + 1.0) / (frequency + K1 * length);
                }
            }
            Finding {
                line: line.trim().to_owned(),
                score: (score * 1_000.0).round() / 1_000.0,
            }
        })
        .filter(|finding| finding.score > 0.0)
        .collect();
    findings.sort_by(|a, b| b.score.total_cmp(&a.score));
    findings.truncate(FINDINGS_MAX);
    findings
}

/// FNV-1a, 64 bits, of the parts with their lengths.
#[khive_perf::measure(name = "score::digest", group = "orchestration")]
fn digest(parts: &[&str]) -> String {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let mut hash = OFFSET;
    for part in parts {
        for byte in part.len().to_le_bytes().into_iter().chain(part.bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
        }
    }
    format!("{hash:016x}")
}

#[expect(
    clippy::cast_precision_loss,
    reason = "line and term counts are far below 2^52"
)]
fn as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_lower_case_and_without_stop_words_and_endings() {
        assert_eq!(
            tokenize("The Retries of the acquirer: measuring queues, again."),
            ["retr", "acquirer", "measur", "queu", "again"],
        );
        assert_eq!(tokenize("  --  "), Vec::<String>::new());
        assert_eq!(
            tokenize("Übergrößen İSTANBUL"),
            ["übergrößen", "i\u{307}stanbul"]
        );
    }

    #[test]
    fn stop_words_are_sorted_as_the_search_for_them_needs() {
        assert!(STOP_WORDS.is_sorted());
    }

    #[test]
    fn the_line_that_shares_rare_terms_with_the_task_comes_first() {
        let prompt = "Keep the ledger balanced.\nRetry with the same key.\nRetry later.\n";
        let scored = score(prompt, "balance of the ledger", &[], &BTreeMap::new());
        assert_eq!(scored.findings[0].line, "Keep the ledger balanced.");
        assert_eq!(scored.findings.len(), 1);
    }

    #[test]
    fn weights_and_history_change_the_order() {
        let prompt = "Check the cache size.\nCheck the queue size.";
        let history = ["the queue is full".to_owned()];
        let none = BTreeMap::new();
        let first = |scored: Scored| scored.findings[0].line.clone();
        assert_eq!(
            first(score(prompt, "cache queue", &[], &none)),
            "Check the cache size."
        );
        assert_eq!(
            first(score(prompt, "cache queue", &history, &none)),
            "Check the queue size."
        );
        let weights = BTreeMap::from([("queu".to_owned(), 2.0)]);
        assert_eq!(
            first(score(prompt, "cache queue", &[], &weights)),
            "Check the queue size."
        );
    }

    #[test]
    fn the_digest_is_fnv_1a_and_knows_where_a_part_ends() {
        assert_eq!(digest(&[]), "cbf29ce484222325");
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
    }

    #[test]
    fn nothing_to_rank_gives_no_findings() {
        let scored = score("", "", &[], &BTreeMap::new());
        assert_eq!((scored.findings.len(), scored.terms), (0, 0));
    }
}
