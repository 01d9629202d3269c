//! Names: numbers for origins that are known by a name and a place.

use std::collections::HashMap;

use crate::leak::census::{Census, Kind, Origin, OriginId};

/// Numbers that were given to names; the same name keeps its number.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<(Kind, String, String, u32), u64>);

/// Names that are told apart; the others share one number, and no name.
const NAMES_MAX: usize = 4_096;

impl Names {
    pub(super) fn number(&mut self, kind: Kind, name: &str, file: &str, line: u32) -> OriginId {
        let key = (kind, name.to_owned(), file.to_owned(), line);
        if self.0.len() >= NAMES_MAX && !self.0.contains_key(&key) {
            return OriginId::new(kind, u64::MAX);
        }
        let next = self.0.len() as u64;
        OriginId::new(kind, *self.0.entry(key).or_insert(next))
    }

    /// Adds the names to a census.
    pub(super) fn describe(&self, census: &mut Census) {
        let origins = self.0.iter().map(|((kind, name, file, line), number)| {
            let origin = Origin::named(name.as_str()).at(file.as_str(), *line);
            (OriginId::new(*kind, *number), origin)
        });
        census.origins.extend(origins);
    }
}
