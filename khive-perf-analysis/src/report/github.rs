//! A comparison as workflow commands of GitHub Actions: annotations on the run.

use crate::detect::{Comparison, Severity, Verdict};
use crate::report::words;

/// GitHub shows so many annotations of a kind for a step.
const OF_A_KIND_MAX: usize = 10;

/// One command a line: errors for what is moderate or worse, warnings for minor regressions and for a comparison that
/// cannot tell, and a notice with the verdict of the whole.
pub fn comparison(comparison: &Comparison) -> String {
    let mut text = String::new();
    let (mut errors, mut warnings) = (0, 0);
    for finding in comparison.regressed() {
        let (kind, count) = if finding.severity >= Some(Severity::Moderate) {
            ("error", &mut errors)
        } else {
            ("warning", &mut warnings)
        };
        *count += 1;
        // The last one of a kind says how many more there are.
        if *count < OF_A_KIND_MAX {
            text.push_str(&command(kind, &finding.key.name, &words::told(finding)));
        }
    }
    for (kind, count) in [("error", errors), ("warning", warnings)] {
        if count >= OF_A_KIND_MAX {
            let more = count + 1 - OF_A_KIND_MAX;
            let message = format!("{more} more callsites regressed; the report has them all");
            text.push_str(&command(kind, "khive-perf", &message));
        }
    }
    let summary = words::summary(comparison);
    let kind = match comparison.verdict() {
        Verdict::Inconclusive(_) => "warning",
        _ => "notice",
    };
    text.push_str(&command(kind, "khive-perf", &summary));
    text
}

fn command(kind: &str, title: &str, message: &str) -> String {
    let title = escape(title).replace(':', "%3A").replace(',', "%2C");
    format!("::{kind} title={title}::{}\n", escape(message))
}

/// What would end the command is written as the runner asks for.
fn escape(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_become_commands() {
        assert_eq!(
            command("error", "a::b, c\n::set-env name=X::", "100 %\nslower"),
            "::error title=a%3A%3Ab%2C c%0A%3A%3Aset-env name=X%3A%3A::100 %25%0Aslower\n"
        );
    }
}
