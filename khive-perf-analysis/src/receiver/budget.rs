//! How many bytes requests in flight may hold together.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::receiver::refusal::Refusal;

/// Shared by every request; a permit is a byte.
#[derive(Clone)]
pub(crate) struct Budget {
    bytes: Arc<Semaphore>,
    bytes_max: usize,
}

/// What one request holds; dropping it gives everything back.
pub(crate) struct Held {
    budget: Budget,
    permit: Option<OwnedSemaphorePermit>,
}

impl Budget {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let bytes_max = bytes_max.min(Semaphore::MAX_PERMITS);
        Self {
            bytes: Arc::new(Semaphore::new(bytes_max)),
            bytes_max,
        }
    }

    pub(crate) fn hold(&self) -> Held {
        Held {
            budget: self.clone(),
            permit: None,
        }
    }
}

impl Held {
    /// Takes `bytes` more, or refuses at once: waiting would hold what others wait for.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Refusal> {
        let busy = || {
            Refusal::busy(format!(
                "the requests in flight hold nearly all of the {} bytes they may hold together; \
                 send again later",
                self.budget.bytes_max
            ))
        };
        let permits = u32::try_from(bytes).map_err(|_| busy())?;
        let more = self
            .budget
            .bytes
            .clone()
            .try_acquire_many_owned(permits)
            .map_err(|_| busy())?;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_request_holds_another_cannot_and_gets_it_back_at_the_end() {
        let budget = Budget::new(100);
        let mut first = budget.hold();
        first.grow(60).expect("60 of 100 are free");
        first.grow(30).expect("40 of 100 are free");
        let mut second = budget.hold();
        assert!(second.grow(20).is_err());
        drop(first);
        second.grow(100).expect("all are free");
    }
}
