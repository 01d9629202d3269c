//! Switches: which callsites record, by group, name or path.

use crate::sync::{Mutex, lock};

/// What the program has switched, in the order in which it did: the last that fits holds.
static SWITCHES: Mutex<Vec<Switch>> = Mutex::new(Vec::new());

/// Callsites that are switched on or off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Switch {
    /// `group:` and a pattern for groups, else a pattern for names and paths.
    pub(crate) pattern: Box<str>,
    pub(crate) on: bool,
}

impl Switch {
    fn fits(&self, group: Option<&str>, name: &str, path: &str) -> bool {
        match self.pattern.strip_prefix("group:") {
            Some(pattern) => group.is_some_and(|group| fits(pattern, group)),
            None => fits(&self.pattern, name) || fits(&self.pattern, path),
        }
    }

    /// Whether it can fit anything.
    pub(crate) fn is_valid(&self) -> bool {
        let pattern = self.pattern.strip_prefix("group:");
        !pattern.unwrap_or(&self.pattern).is_empty()
    }
}

/// Makes these the switches of the process.
pub(crate) fn apply(switches: &[Switch]) {
    *lock(&SWITCHES) = switches.to_vec();
}

/// Whether a callsite records, as far as it was switched.
pub(crate) fn is_on(group: Option<&str>, name: &str, path: &str) -> bool {
    let switches = lock(&SWITCHES);
    let mut last = switches.iter().rev();
    last.find(|switch| switch.fits(group, name, path))
        .is_none_or(|switch| switch.on)
}

/// Whether a text is as the pattern says, in which `*` stands for any text.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(head) else {
        return false;
    };
    let ends = text.char_indices().map(|(at, _)| at);
    let mut ends = ends.chain([text.len()]);
    ends.any(|at| text.get(at..).is_some_and(|text| fits(rest, text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(fits("a::b", "a::b") && !fits("a::b", "a::bc"));
        assert!(fits("a::*", "a::b::c") && fits("a::*", "a::") && !fits("a::*", "b::a::c"));
        assert!(fits("*::get", "<a::J as a::Get>::get") && !fits("*::get", "a::get_all"));
        assert!(fits("*db*", "a::db::get") && fits("*", "") && fits("*ä*", "aäb"));
    }

    #[test]
    fn groups_are_told_from_names_and_names_stand_beside_paths() {
        let fits = |pattern: &str| {
            let switch = Switch {
                pattern: pattern.into(),
                on: false,
            };
            switch.fits(Some("cache"), "cache::get", "app::cache::get_by_id")
        };
        assert!(fits("group:cache") && fits("group:c*") && !fits("group:db"));
        assert!(fits("cache::get") && fits("app::cache::*") && !fits("cache"));
    }
}
