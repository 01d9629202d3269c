//! Frame: what every page has around it. Nothing is loaded from anywhere, and no page needs a script.

use maud::{DOCTYPE, Markup, PreEscaped, html};

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
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (title) " - khive-perf" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                @if stands == Stands::AmongOthers {
                    nav {
                        a href="/" { "runs" }
                        a href="/trend" { "trends" }
                        a href="/leaks" { "leaks" }
                        a href="/recommendations" { "recommendations" }
                    }
                }
                (body)
            }
        }
    };
    let mut text = page.into_string();
    text.push('\n');
    text
}
