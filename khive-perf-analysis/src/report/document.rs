//! Document: what every HTML page begins and ends with, whatever is in it.

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// A page as a browser reads it, with a newline at its end: what it is called, what it may load, and how it looks.
pub(crate) fn document(title: &str, policy: &str, style: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(policy);
                title { (title) }
                style { (PreEscaped(style)) }
            }
            body { (body) }
        }
    };
    let mut text = page.into_string();
    text.push('\n');
    text
}
