//! Floors: the smallest change worth a verdict, callsite by callsite.

use crate::detect::settings::Settings;
use crate::model::CallsiteKey;

/// What some callsites have in common, and how large a change of theirs must be.
#[derive(Clone, Debug, PartialEq)]
pub struct Floor {
    /// The service, or any.
    pub service: Option<String>,
    /// The group, or any.
    pub group: Option<String>,
    /// The name, with `*` for any text, or any.
    pub name: Option<String>,
    /// Smallest relative change worth a verdict; 0.05 is 5 %.
    pub min_effect: f64,
}

/// Floors, of which the first that fits holds; where none does, that of the settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Floors(pub Vec<Floor>);

impl Floor {
    fn fits(&self, key: &CallsiteKey) -> bool {
        let is = |wanted: &Option<String>, name: &str| {
            wanted.as_ref().is_none_or(|wanted| matches(wanted, name))
        };
        is(&self.service, &key.service) && is(&self.group, &key.group) && is(&self.name, &key.name)
    }
}

impl Floors {
    /// The settings as they are for one callsite.
    pub(crate) fn of(&self, key: &CallsiteKey, settings: &Settings) -> Settings {
        let floor = self.0.iter().find(|floor| floor.fits(key));
        let min_effect = floor.map_or(settings.min_effect, |floor| floor.min_effect);
        Settings {
            min_effect,
            ..*settings
        }
        .sane()
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
