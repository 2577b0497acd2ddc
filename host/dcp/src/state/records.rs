//! The records: what persistent resources there are, and who made them, in a small database.
//!
//! Its schema has a number. An older one is brought up to date in one transaction, so that it is
//! old or new and never in between; a newer one is refused in words.

use std::fs::{self, File, TryLockError};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use redb::{Database, ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::task::spawn_blocking;

use super::State;
use crate::runtime::{ContainerEngine, EngineError};

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const RESOURCES: TableDefinition<'_, &str, &str> = TableDefinition::new("resources");
const SCHEMA: &str = "schema";
const DATABASE: &str = "state.redb";

/// One step of the schema; their number is the schema's.
type Migration = fn(&WriteTransaction) -> Result<(), StateError>;

const MIGRATIONS: &[Migration] = &[|transaction| {
    transaction.open_table(RESOURCES).map_err(odd)?;
    Ok(())
}];

/// Others have it open for milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

/// Why the shared state can't be used.
#[derive(Debug, Error)]
pub enum StateError {
    /// It was written by a newer version.
    #[error(
        "{} has schema {found}, and this version knows no more than {known}: use a newer version, \
         or remove the file",
        path.display()
    )]
    TooNew {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: u64,
        /// Ours.
        known: u64,
    },
    /// Another process doesn't let go of it.
    #[error("{}: another process has it open", .0.display())]
    Busy(PathBuf),
    /// A folder or file can't be used.
    #[error("{}: {error}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Anything else that the database says.
    #[error("the state database: {0}")]
    Database(String),
}

fn odd(error: impl std::fmt::Display) -> StateError {
    StateError::Database(error.to_string())
}

/// A persistent resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// `container`, `network` or `executable`.
    pub kind: String,
    /// Name in the engine; of a process, its object's.
    pub name: String,
    /// Id in the engine; of a process: machine, process id, start, boot, or nothing while it is
    /// being started.
    pub id: String,
    /// The app that made it or used it last.
    pub app: String,
    /// Its instance.
    pub instance: String,
    /// The process that did: id, start, boot.
    pub owner: String,
    /// RFC 3339.
    pub at: String,
    /// What else has to be known to go on with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<serde_json::Value>,
}

impl State {
    /// Remembers a resource; one of its kind and name is replaced.
    ///
    /// # Errors
    /// The database can't be used.
    pub fn put(&self, record: &Record) -> Result<(), StateError> {
        let text = serde_json::to_string(record).map_err(odd)?;
        self.with(|database| {
            let transaction = database.begin_write().map_err(odd)?;
            {
                let mut table = transaction.open_table(RESOURCES).map_err(odd)?;
                let key = key(&record.kind, &record.name);
                table.insert(&*key, &*text).map_err(odd)?;
            }
            transaction.commit().map_err(odd)
        })
    }

    /// Forgets a resource; with an id, only the one that has it: somebody may have made another
    /// one of that name since.
    ///
    /// # Errors
    /// The database can't be used.
    pub fn forget(&self, kind: &str, name: &str, id: Option<&str>) -> Result<(), StateError> {
        self.with(|database| {
            let transaction = database.begin_write().map_err(odd)?;
            {
                let mut table = transaction.open_table(RESOURCES).map_err(odd)?;
                let key = key(kind, name);
                let known = match table.get(&*key).map_err(odd)? {
                    Some(text) => serde_json::from_str::<Record>(text.value()).map_err(odd)?,
                    None => return Ok(()),
                };
                if id.is_some_and(|id| id != known.id) {
                    return Ok(());
                }
                table.remove(&*key).map_err(odd)?;
            }
            transaction.commit().map_err(odd)
        })
    }

    /// Forgets the resources of an instance that its engine has no more.
    ///
    /// # Errors
    /// The database can't be used.
    pub async fn forget_missing(
        &self,
        engine: &dyn ContainerEngine,
        instance: &str,
    ) -> Result<(), StateError> {
        // None was ever made.
        if !self.folder.join(DATABASE).exists() {
            return Ok(());
        }
        let state = self.clone();
        let records = spawn_blocking(move || state.records())
            .await
            .map_err(odd)??;
        for record in records.into_iter().filter(|it| it.instance == instance) {
            let found = match &*record.kind {
                "container" => engine.inspect(&record.id).await.map(drop),
                "network" => engine.inspect_network(&record.id).await.map(drop),
                _ => continue,
            };
            if let Err(EngineError::NotFound(_)) = found {
                let state = self.clone();
                spawn_blocking(move || state.forget(&record.kind, &record.name, Some(&record.id)))
                    .await
                    .map_err(odd)??;
            }
        }
        Ok(())
    }

    /// All resources, by kind and name.
    ///
    /// # Errors
    /// The database can't be used.
    pub fn records(&self) -> Result<Vec<Record>, StateError> {
        self.with(|database| {
            let transaction = database.begin_write().map_err(odd)?;
            let table = transaction.open_table(RESOURCES).map_err(odd)?;
            let mut records = Vec::new();
            for entry in table.iter().map_err(odd)? {
                let (_, text) = entry.map_err(odd)?;
                records.push(serde_json::from_str(text.value()).map_err(odd)?);
            }
            Ok(records)
        })
    }

    fn with<T>(
        &self,
        operation: impl FnOnce(&Database) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        self.with_schema(MIGRATIONS, operation)
    }

    /// Opens the database for one operation, its schema up to date.
    fn with_schema<T>(
        &self,
        migrations: &[Migration],
        operation: impl FnOnce(&Database) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        let file = |path: &PathBuf| {
            let path = path.clone();
            move |error| StateError::File { path, error }
        };
        fs::create_dir_all(&self.folder).map_err(file(&self.folder))?;
        let path = self.folder.join("state.lock");
        let lock = File::create(&path).map_err(file(&path))?;
        let begun = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(file(&path)(error)),
                Err(TryLockError::WouldBlock) if begun.elapsed() > PATIENCE => {
                    return Err(StateError::Busy(path));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            }
        }
        let path = self.folder.join(DATABASE);
        if !path.exists() {
            // One whose maker is killed meanwhile is nobody's.
            let fresh = self.folder.join("state.redb.new");
            let _ = fs::remove_file(&fresh);
            drop(Database::create(&fresh).map_err(odd)?);
            fs::rename(&fresh, &path).map_err(file(&path))?;
        }
        let database = Database::create(&path).map_err(odd)?;
        migrate(&database, migrations, &path)?;
        operation(&database)
    }
}

fn key(kind: &str, name: &str) -> String {
    format!("{kind}/{name}")
}

fn migrate(
    database: &Database,
    migrations: &[Migration],
    path: &std::path::Path,
) -> Result<(), StateError> {
    let known = u64::try_from(migrations.len()).unwrap_or(u64::MAX);
    let transaction = database.begin_write().map_err(odd)?;
    let found = {
        let meta = transaction.open_table(META).map_err(odd)?;
        let found = meta.get(SCHEMA).map_err(odd)?;
        found.map_or(0, |number| number.value())
    };
    if found > known {
        return Err(StateError::TooNew {
            path: path.to_owned(),
            found,
            known,
        });
    }
    if found == known {
        return Ok(());
    }
    // Dropped without a commit, the transaction never was.
    for migration in migrations.iter().skip(usize::try_from(found).unwrap_or(0)) {
        migration(&transaction)?;
    }
    {
        let mut meta = transaction.open_table(META).map_err(odd)?;
        meta.insert(SCHEMA, known).map_err(odd)?;
    }
    transaction.commit().map_err(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str) -> Record {
        Record {
            kind: "container".into(),
            name: name.into(),
            id: "1".into(),
            app: "shop".into(),
            instance: "shop-1".into(),
            owner: "1:2:boot".into(),
            at: "2026-01-02T03:04:05Z".into(),
            details: None,
        }
    }

    #[test]
    fn remembered_replaced_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(folder.path());
        assert!(state.records().unwrap().is_empty());
        state.put(&record("b")).unwrap();
        state.put(&record("a")).unwrap();
        let mut newer = record("a");
        newer.id = "2".into();
        state.put(&newer).unwrap();
        assert_eq!(state.records().unwrap(), [newer, record("b")]);
        // It is another one by now.
        state.forget("container", "a", Some("1")).unwrap();
        state.forget("network", "a", None).unwrap();
        assert_eq!(state.records().unwrap().len(), 2);
        state.forget("container", "a", Some("2")).unwrap();
        assert_eq!(State::new(folder.path()).records().unwrap(), [record("b")]);
    }

    #[test]
    fn many_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(folder.path());
        std::thread::scope(|scope| {
            for number in 0..8 {
                let state = &state;
                scope.spawn(move || state.put(&record(&number.to_string())).unwrap());
            }
        });
        assert_eq!(state.records().unwrap().len(), 8);
    }

    #[test]
    fn a_newer_schema_is_refused_and_a_failed_migration_never_was() {
        const MORE: TableDefinition<'_, &str, &str> = TableDefinition::new("more");
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(folder.path());
        state.put(&record("a")).unwrap();
        let fails: Migration = |transaction| {
            transaction.open_table(MORE).map_err(odd)?;
            Err(StateError::Database("it failed".into()))
        };
        let works: Migration = |transaction| {
            transaction.open_table(MORE).map_err(odd)?;
            Ok(())
        };
        let failed = state.with_schema(&[MIGRATIONS[0], works, fails], |_| Ok(()));
        assert!(failed.unwrap_err().to_string().contains("it failed"));
        // As if nothing had happened.
        assert_eq!(state.records().unwrap(), [record("a")]);
        state
            .with_schema(&[MIGRATIONS[0], works], |_| Ok(()))
            .unwrap();
        let refused = state.records().unwrap_err();
        let expected = StateError::TooNew {
            path: folder.path().join("state.redb"),
            found: 2,
            known: 1,
        };
        assert_eq!(refused.to_string(), expected.to_string());
    }
}
