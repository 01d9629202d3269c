//! Frame: what every page has around it. Nothing is loaded from anywhere, and no page needs a script.

use maud::{Markup, html};

use crate::report::document::document;

/// No script, nothing from elsewhere, whatever a name contains.
pub(super) const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'";

const STYLE: &str = include_str!("style.css");

/// Whether a page stands alone in a file, or is one of those that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    Alone,
    AmongOthers,
}

/// A page, with a newline at its end.
pub(super) fn page(title: &str, stands: Stands, body: &Markup) -> String {
    let body = html! {
        @if stands == Stands::AmongOthers {
            nav {
                a href="/" { "runs" }
                a href="/trend" { "trends" }
                a href="/leaks" { "leaks" }
                a href="/recommendations" { "recommendations" }
            }
        }
        (body)
    };
    document(&format!("{title} - khive-perf"), POLICY, STYLE, &body)
}
