//! History: what every run says of its callsites in one number, brought up to date before it is asked for.

use crate::detect;
use crate::error::Error;
use crate::model::{CallsiteKey, Summary};
use crate::store::{RunInfo, Store};

/// Summarises the complete runs that are not; each is read once, and then never again for a history.
///
/// # Errors
///
/// Where the database cannot be read or written.
pub fn refresh(store: &Store) -> Result<(), Error> {
    let missing = store.unsummarised()?;
    if missing.is_empty() {
        return Ok(());
    }
    let infos = store.runs()?;
    for id in missing {
        let info = infos.iter().find(|info| info.id == id);
        let seconds = info.and_then(RunInfo::seconds);
        let run = store.load(id)?;
        let summaries: Vec<(CallsiteKey, Summary)> = run
            .callsites
            .into_iter()
            .map(|(key, callsite)| (key, detect::summary(&callsite, seconds)))
            .collect();
        store.summarise(id, &summaries)?;
    }
    Ok(())
}
