//! A comparison as JUnit XML, for whatever shows test results: a callsite is a test case.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::detect::{Comparison, Finding, Verdict};
use crate::report::words;

/// The document, with a newline at its end.
///
/// A regression is a failure, and what the runs do not tell is skipped, with the reason. Nothing in it depends on when it
/// was written.
pub fn comparison(comparison: &Comparison) -> String {
    let mut suite = TestSuite::new("khive-perf");
    for finding in &comparison.findings {
        suite.add_test_case(case(finding));
    }
    // Where nothing could be judged, no callsite says so.
    if let Verdict::Inconclusive(reason) = comparison.verdict() {
        let mut status = TestCaseStatus::skipped();
        status.set_message(reason.to_string());
        suite.add_test_case(TestCase::new("(the whole comparison)", status));
    }
    suite.set_system_out(words::summary(comparison));
    let mut report = Report::new("khive-perf check");
    report.add_test_suite(suite);
    let mut text = in_jenkins_schema(&report.to_string().unwrap_or_default());
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// Without the number of skipped cases in the root, which Jenkins' schema has in each suite only.
fn in_jenkins_schema(text: &str) -> String {
    let Some((before, root)) = text.split_once("<testsuites ") else {
        return text.to_owned();
    };
    let (tag, after) = root.split_once('>').unwrap_or((root, ""));
    let mut kept = tag.to_owned();
    if let Some((head, rest)) = tag.split_once(" skipped=\"")
        && let Some((_, tail)) = rest.split_once('"')
    {
        kept = format!("{head}{tail}");
    }
    format!("{before}<testsuites {kept}>{after}")
}

fn case(finding: &Finding) -> TestCase {
    let status = match finding.verdict {
        Verdict::Regressed => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let severity = finding
                .severity
                .map_or("regressed", |severity| severity.as_str());
            status.set_type(severity).set_message(words::told(finding));
            status
        }
        Verdict::Inconclusive(reason) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(reason.to_string());
            status
        }
        _ => TestCaseStatus::success(),
    };
    let mut case = TestCase::new(words::clean(&finding.key.name), status);
    let group = match (finding.key.service.as_str(), finding.key.group.as_str()) {
        (service, "") => service.to_owned(),
        (service, group) => format!("{service}.{group}"),
    };
    case.set_classname(words::clean(&group));
    let notes = words::notes(finding);
    if !notes.is_empty() {
        case.set_system_out(notes.join("\n"));
    }
    case
}
