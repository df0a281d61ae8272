//! The lock file that keeps a second process out.
//!
//! The lock is the operating system's: it goes with the process, however that ends. The file
//! stays; it is empty and means nothing by itself.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::SqlError;

#[derive(Debug)]
pub(crate) struct LockFile {
    file: Mutex<Option<File>>,
}

impl LockFile {
    /// Takes the lock of a database.
    pub(crate) fn take(database: &Path) -> Result<Self, SqlError> {
        let mut name = database.as_os_str().to_owned();
        name.push(".lock");
        let lock = PathBuf::from(name);
        let opened = OpenOptions::new().create(true).append(true).open(&lock);
        let failed = |source| SqlError::File {
            path: lock.clone(),
            source,
        };
        let file = opened.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self {
                file: Mutex::new(Some(file)),
            }),
            Err(TryLockError::WouldBlock) => Err(SqlError::InUse {
                path: database.to_owned(),
                lock,
            }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Lets another process in.
    pub(crate) fn release(&self) {
        drop(
            self.file
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }
}
