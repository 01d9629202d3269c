//! Rules: what is asked of some callsites beyond the settings: the smallest change worth a verdict, and what decides.

use crate::detect::measure::Measure;
use crate::detect::settings::Settings;
use crate::model::CallsiteKey;

/// Which callsites a rule is for: those that fit all that is said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Callsites {
    /// The service, or any.
    pub service: Option<String>,
    /// The group, or any.
    pub group: Option<String>,
    /// The name, with `*` for any text, or any.
    pub name: Option<String>,
}

/// How large a change of some callsites must be.
#[derive(Clone, Debug, PartialEq)]
pub struct Floor {
    /// Of which.
    pub of: Callsites,
    /// Smallest relative change worth a verdict; 0.05 is 5 %.
    pub min_effect: f64,
}

/// What decides the verdict of some callsites beside the typical call.
#[derive(Clone, Debug, PartialEq)]
pub struct Decider {
    /// Of which.
    pub of: Callsites,
    /// The measures whose regression is one of the callsite.
    pub measures: Vec<Measure>,
}

/// All rules of a comparison.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// The first that fits holds; where none does, that of the settings.
    pub floors: Vec<Floor>,
    /// All that fit hold.
    pub deciders: Vec<Decider>,
}

impl Callsites {
    /// Whether a callsite is one of them.
    #[must_use]
    pub fn have(&self, key: &CallsiteKey) -> bool {
        let is = |wanted: &Option<String>, name: &str| {
            wanted.as_ref().is_none_or(|wanted| matches(wanted, name))
        };
        is(&self.service, &key.service) && is(&self.group, &key.group) && is(&self.name, &key.name)
    }
}

impl Rules {
    /// The settings as they are for one callsite.
    pub(crate) fn settings(&self, key: &CallsiteKey, settings: &Settings) -> Settings {
        let floor = self.floors.iter().find(|floor| floor.of.have(key));
        let min_effect = floor.map_or(settings.min_effect, |floor| floor.min_effect);
        Settings {
            min_effect,
            ..*settings
        }
        .sane()
    }

    /// Whether a measure decides about a callsite.
    pub(crate) fn decides(&self, measure: Measure, key: &CallsiteKey) -> bool {
        let is_named =
            |decider: &Decider| decider.measures.contains(&measure) && decider.of.have(key);
        measure == Measure::JUDGED || self.deciders.iter().any(is_named)
    }
}

/// Whether a name is what a pattern stands for, in which `*` is any text.
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text() {
        for (pattern, name, is) in [
            ("a::b", "a::b", true),
            ("a::b", "a::bc", false),
            ("a::*", "a::b::c", true),
            ("*::c", "a::b::c", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("*", "", true),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(matches(pattern, name), is, "{pattern} {name}");
        }
    }
}
