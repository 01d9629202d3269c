//! Accept: which form a scraper prefers.

/// How a snapshot is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Protobuf,
    OpenMetrics,
    /// Text of version 0.0.4.
    Plain,
}

/// The best first.
const FORMS: [Form; 3] = [Form::Protobuf, Form::OpenMetrics, Form::Plain];

impl Form {
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// What the sender of an `Accept` header likes most.
    pub(super) fn preferred(accept: &str) -> Self {
        let asked: Vec<Range<'_>> = accept.split(',').map(Range::read).collect();
        let mut best = (Self::OpenMetrics, 0.0);
        for form in FORMS {
            // The most specific range decides, whatever the order.
            let of_form = asked.iter().filter(|range| range.covers(form));
            let most_specific = of_form.max_by_key(|range| range.specificity());
            let quality = most_specific.map_or(0.0, |range| range.quality);
            // Protobuf is for those who name it, not for whoever takes anything.
            let is_named = most_specific.is_some_and(|range| range.specificity() > 1);
            if quality > best.1 && (is_named || form == Self::OpenMetrics) {
                best = (form, quality);
            }
        }
        best.0
    }
}

/// One entry of the header.
struct Range<'a> {
    media: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    quality: f64,
}

impl<'a> Range<'a> {
    fn read(entry: &'a str) -> Self {
        let mut parts = entry.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let parameters: Vec<_> = parts
            .filter_map(|part| part.split_once('='))
            .map(|(key, value)| (key.trim(), value.trim().trim_matches('"')))
            .collect();
        let quality = parameters
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case("q"));
        // One that is no number is not asked for.
        let quality = quality.map_or(1.0, |(_, value)| value.parse().unwrap_or(0.0));
        Self {
            media,
            parameters,
            quality,
        }
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        let mut found = self.parameters.iter();
        let (_, value) = found.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    fn covers(&self, form: Form) -> bool {
        let is = |media: &str| self.media.eq_ignore_ascii_case(media);
        match form {
            Form::Protobuf => {
                is("application/vnd.google.protobuf")
                    && self.parameter("proto") == Some("io.prometheus.client.MetricFamily")
                    && self.parameter("encoding") == Some("delimited")
            }
            Form::OpenMetrics => {
                let version = self.parameter("version").unwrap_or("1.0.0");
                is("application/openmetrics-text") && ["1.0.0", "0.0.1"].contains(&version)
                    || is("application/*")
                    || is("*/*")
            }
            Form::Plain => {
                let version = self.parameter("version").unwrap_or("0.0.4");
                is("text/plain") && version == "0.0.4" || is("text/*") || is("*/*")
            }
        }
    }

    fn specificity(&self) -> u8 {
        match self.media.split_once('/') {
            Some(("*", _)) | None => 0,
            Some((_, "*")) => 1,
            Some(_) => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scraper_gets_what_it_likes_most_of_what_there_is() {
        let protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
        for (accept, form) in [
            ("", Form::OpenMetrics),
            ("*/*", Form::OpenMetrics),
            ("text/html, */*;q=0.8", Form::OpenMetrics),
            ("text/plain", Form::Plain),
            ("text/plain;version=0.0.4;q=1,*/*;q=0.1", Form::Plain),
            ("text/*", Form::OpenMetrics),
            (protobuf, Form::Protobuf),
            // Prometheus 2.50 with native histograms, and without.
            (
                &format!(
                    "{protobuf};q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
                ),
                Form::Protobuf,
            ),
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Form::OpenMetrics,
            ),
            // Prometheus 3, whose text is of version 1.0.0, with names escaped as it likes.
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                Form::OpenMetrics,
            ),
            (&format!("{protobuf};q=0.1,text/plain;q=0.5"), Form::Plain),
            (&format!("{protobuf};q=0,text/plain"), Form::Plain),
            (&format!("{protobuf};q=nonsense, */*"), Form::OpenMetrics),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
                Form::OpenMetrics,
            ),
            (
                "application/vnd.google.protobuf;proto=something.Else;encoding=delimited,text/plain;q=0.2",
                Form::Plain,
            ),
            (
                "APPLICATION/OpenMetrics-Text; Version=\"1.0.0\"; Q=0.3, text/plain; q=0.2",
                Form::OpenMetrics,
            ),
            (
                "application/openmetrics-text;version=2.0.0, text/plain;q=0.2",
                Form::Plain,
            ),
        ] {
            assert_eq!(Form::preferred(accept), form, "{accept}");
        }
    }
}
