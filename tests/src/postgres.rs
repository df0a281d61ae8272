//! A Postgres server of the tests' own: a cluster in a temporary folder, reached over a socket
//! there, stopped and removed when the last one who uses it is done.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use crate::folder::Folder;
use crate::peers::POSTGRES;
use crate::process::{self, Process};

/// The port only names the socket: nothing listens on the network.
const PORT: &str = "5432";

/// A running server.
#[derive(Debug)]
pub struct Postgres {
    process: Mutex<Option<Process>>,
    settings: Vec<String>,
    folder: Folder,
    databases: AtomicU32,
}

/// A database on a server, which runs for as long as somebody has one.
#[derive(Debug, Clone)]
pub struct Database {
    /// The server.
    pub server: Arc<Postgres>,
    /// Its name.
    pub name: String,
}

impl Database {
    /// A new, empty one on the server that all tests share.
    #[track_caller]
    pub fn new() -> Database {
        Postgres::shared().database()
    }

    /// What `--storage.url` is given.
    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }

    /// Runs SQL as the owner of everything, and returns what `psql` prints, without headings.
    #[track_caller]
    pub fn sql(&self, sql: &str) -> String {
        self.server.sql(&self.name, sql)
    }
}

impl Default for Database {
    fn default() -> Database {
        Database::new()
    }
}

impl Postgres {
    /// The server that tests share who do it no harm.
    #[track_caller]
    pub fn shared() -> Arc<Postgres> {
        static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let server = Postgres::start(&["max_connections=400", "fsync=off"]);
        *shared = Arc::downgrade(&server);
        server
    }

    /// Starts a server of the test's own with these settings, `name=value` each.
    #[track_caller]
    pub fn start(settings: &[&str]) -> Arc<Postgres> {
        let folder = Folder::new();
        // The server's user has to reach its data through it.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let home = folder.path().join("postgres");
        std::fs::create_dir(&home).unwrap();
        if is_root() {
            let owned = process::run(Command::new("chown").arg("postgres").arg(&home));
            assert_eq!(owned.code, Some(0), "{}", owned.stderr);
        }
        let mut initdb = as_server(&program("initdb"));
        initdb
            .arg("--pgdata")
            .arg(home.join("data"))
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8"])
            .args(["--no-locale", "--no-sync", "--no-instructions"]);
        let made = process::run(&mut initdb);
        assert_eq!(made.code, Some(0), "initdb: {}{}", made.stdout, made.stderr);
        let server = Arc::new(Postgres {
            process: Mutex::new(None),
            settings: settings.iter().map(|text| (*text).to_owned()).collect(),
            folder,
            databases: AtomicU32::new(0),
        });
        server.resume();
        server
    }

    /// Starts the server again after [`Postgres::stop`].
    #[track_caller]
    pub fn resume(&self) {
        let mut command = as_server(&program("postgres"));
        command.arg("-D").arg(self.data());
        command.arg("-k").arg(self.socket());
        command.args(["-p", PORT, "-c", "listen_addresses="]);
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        let mut server = started(command);
        server.wait_for("readiness", |line| {
            line.contains("ready to accept connections").then_some(())
        });
        *self.lock() = Some(server);
    }

    /// Stops the server: with `INT` connections are cut off, with `QUIT` it recovers afterwards.
    #[track_caller]
    pub fn stop(&self, signal: &str) {
        if let Some(mut server) = self.lock().take() {
            server.signal(signal);
            server.wait_for_end(Duration::from_secs(20));
        }
    }

    /// A new, empty database.
    #[track_caller]
    pub fn database(self: &Arc<Postgres>) -> Database {
        let name = format!("t{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        Database {
            server: Arc::clone(self),
            name,
        }
    }

    /// The directory of its socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("postgres")
    }

    /// The path of the socket itself.
    pub fn socket_file(&self) -> PathBuf {
        self.socket().join(format!(".s.PGSQL.{PORT}"))
    }

    /// What `--storage.url` is given for a database.
    pub fn url(&self, database: &str) -> String {
        let socket = self.socket();
        format!(
            "postgres://postgres@localhost:{PORT}/{database}?host={}",
            socket.display()
        )
    }

    /// Runs SQL in a database.
    #[track_caller]
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let done = process::run(&mut self.psql(database, sql));
        assert_eq!(done.code, Some(0), "{sql}: {}", done.stderr);
        done.stdout.trim_end().to_owned()
    }

    /// The command that runs SQL in a database.
    pub fn psql(&self, database: &str, sql: &str) -> Command {
        let mut command = self.client("psql", database);
        command.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]);
        command.args(["--set=ON_ERROR_STOP=1", "--command", sql]);
        command
    }

    /// A command of one of Postgres' own clients on a database.
    pub fn client(&self, name: &str, database: &str) -> Command {
        let mut command = Command::new(program(name));
        command.env_clear().env("PATH", "/usr/bin:/bin");
        command.arg("--host").arg(self.socket());
        command.args(["--port", PORT, "--username=postgres", "--dbname", database]);
        command
    }

    fn data(&self) -> PathBuf {
        self.socket().join("data")
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut server) = self.lock().take() {
            // At once, and with its children; there is nothing to keep.
            server.signal("QUIT");
            server.wait_for_end(Duration::from_secs(20));
        }
    }
}

#[track_caller]
fn program(name: &str) -> PathBuf {
    POSTGRES.path().join(name)
}

/// A command as the user that Postgres insists on not being root. It ends with whoever started it.
fn as_server(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.args(["--pdeathsig", "QUIT"]);
    if is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
    }
    command.arg("--").arg(program);
    command
}

fn is_root() -> bool {
    let id = process::run(Command::new("id").arg("-u"));
    id.stdout.trim() == "0"
}

/// Starts the server from a thread that stays: the signal at the parent's death is that of the
/// thread, and a test's own thread may end before the server is done with.
#[track_caller]
fn started(mut command: Command) -> Process {
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    thread::spawn(move || {
        let _ = sender.send(Process::start("postgres", &mut command));
        loop {
            thread::park();
        }
    });
    receiver.recv().expect("the thread has started it")
}
