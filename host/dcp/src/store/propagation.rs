//! What becomes of an object's dependents when it is deleted, as Kubernetes has it.
//!
//! The store only notes the wish, as a finalizer; the controllers fulfil it.

use aspire_api::ObjectKey;

use super::{Core, StoreError};
use crate::clock::Timestamp;

/// Finalizer: the object stays until its dependents are gone.
pub const FOREGROUND: &str = "foregroundDeletion";
/// Finalizer: the object's dependents are to stay.
pub const ORPHAN: &str = "orphan";

/// What becomes of an object's dependents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Propagation {
    /// They go after it.
    #[default]
    Background,
    /// They go before it.
    Foreground,
    /// They stay.
    Orphan,
}

impl Core {
    /// Asks for an object's end.
    ///
    /// # Errors
    /// It doesn't exist.
    pub fn delete_with(
        &mut self,
        key: &ObjectKey,
        propagation: Propagation,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let finalizer = match propagation {
            Propagation::Background => None,
            Propagation::Foreground => Some(FOREGROUND),
            Propagation::Orphan => Some(ORPHAN),
        };
        if let Some(finalizer) = finalizer {
            let mut object = self.get(key)?.as_ref().clone();
            let metadata = object.metadata_mut();
            let known = metadata.finalizers.iter().any(|name| name == finalizer);
            if !known && metadata.deletion_timestamp.is_none() {
                metadata.finalizers.push(finalizer.to_owned());
                self.replace(object, now)?;
            }
        }
        self.delete(key, now)
    }
}
