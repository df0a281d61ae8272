//! The aggregator's program: the command line around the library's `app`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;
use reqwest::Url;
use system_stats_aggregator::app::{self, StartError};
use system_stats_aggregator::cli::{Check, Cli, Command, Export, ServeArgs, Test};
use system_stats_aggregator::config::{self, ConfigError, RuleDefaults, ScrapeConfig};
use system_stats_aggregator::query::QueryOptions;
use system_stats_aggregator::rules::UnitTests;
use system_stats_aggregator::telemetry;
use system_stats_sql::operations;

/// A bad configuration at start.
const EXIT_BAD_CONFIG: u8 = 2;
/// How long a server that is asked for its health may take.
const HEALTH_PATIENCE: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::Check(Check::Config { files })) => check(&files, check_config),
        Some(Command::Check(Check::Rules { files })) => check(&files, check_rules),
        Some(Command::Test(Test::Rules { run, files })) => {
            match test_rules(&files, &run, cli.serve.query_options()) {
                Ok(exit) => exit,
                Err(error) => {
                    fail(&format!("{error:#}"));
                    ExitCode::FAILURE
                }
            }
        }
        Some(Command::Healthcheck { url }) => {
            match healthcheck(url.or_else(|| cli.serve.health_url())) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    fail(&format!("{error:#}"));
                    ExitCode::FAILURE
                }
            }
        }
        Some(command) => match operate(&command, &cli.serve) {
            Ok(exit) => exit,
            Err(error) => {
                fail(&format!("{error:#}"));
                ExitCode::FAILURE
            }
        },
        None => serve(&cli.serve),
    }
}

/// What is done to whole databases.
fn operate(command: &Command, serve: &ServeArgs) -> anyhow::Result<ExitCode> {
    install_tls_provider()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let mut exit = ExitCode::SUCCESS;
    let lines = match command {
        Command::Backup { file, storage } => {
            runtime.block_on(operations::backup(&storage.url(serve), file))?;
            vec![format!("{}: complete", file.display())]
        }
        Command::Restore { file, storage } => {
            let restored = runtime.block_on(operations::restore(file, &storage.url(serve)))?;
            let kept = restored.before.map(|before| {
                let before = before.display();
                format!("what was there is kept as {before}")
            });
            let restored = format!("{}: restored", restored.path.display());
            std::iter::once(restored).chain(kept).collect()
        }
        Command::Migrate { from, to } => {
            let rows = runtime.block_on(operations::migrate(from, to))?;
            vec![format!("{rows} rows copied")]
        }
        Command::Export(Export::Rules { folder }) => {
            let files = config::builtin::export(folder);
            let files =
                files.map_err(|(path, error)| anyhow::anyhow!("{}: {error}", path.display()))?;
            files
                .iter()
                .map(|path| path.display().to_string())
                .collect()
        }
        Command::Check(Check::Storage { storage }) => {
            let checked = runtime.block_on(operations::check(&storage.url(serve)))?;
            if checked.damaged > 0 {
                exit = ExitCode::FAILURE;
            }
            let sum = format!("{} rows, {} damaged", checked.rows, checked.damaged);
            checked.damage.into_iter().chain([sum]).collect()
        }
        Command::Check(Check::Config { .. } | Check::Rules { .. })
        | Command::Healthcheck { .. }
        | Command::Test(_) => Vec::new(),
    };
    for line in lines {
        // Whoever closed our standard output has the exit code.
        let _ = writeln!(std::io::stdout(), "{line}");
    }
    Ok(exit)
}

fn fail(message: &str) {
    let _ = writeln!(std::io::stderr(), "system-stats-aggregator: {message}");
}

/// Checks files one by one, and says of each what is in it or what is wrong with it.
fn check(files: &[PathBuf], check: impl Fn(&Path) -> Result<String, ConfigError>) -> ExitCode {
    let (mut out, mut exit) = (std::io::stdout(), ExitCode::SUCCESS);
    for file in files {
        let line = match check(file) {
            Ok(content) => format!("{}: valid, {content}", file.display()),
            Err(error) => {
                exit = ExitCode::FAILURE;
                error.to_string()
            }
        };
        // Whoever closed our standard output has the exit code.
        let _ = writeln!(out, "{line}");
    }
    exit
}

fn check_config(file: &Path) -> Result<String, ConfigError> {
    let config = config::load(file)?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let files = config::rule_files(&config.rule_files, folder)?;
    let rules = config::load_rules(&files, &RuleDefaults::default())?;
    let targets = config.scrape_configs.iter().map(ScrapeConfig::target_count);
    let (jobs, targets) = (config.scrape_configs.len(), targets.sum::<usize>());
    Ok(match rules.len() {
        0 => format!("{jobs} jobs, {targets} targets"),
        files => format!("{jobs} jobs, {targets} targets, {files} rule files"),
    })
}

fn check_rules(file: &Path) -> Result<String, ConfigError> {
    let read = config::load_rules(&[file.to_owned()], &RuleDefaults::default())?;
    let groups: Vec<_> = read.iter().flat_map(|file| &file.groups).collect();
    let rules: usize = groups.iter().map(|group| group.rules.len()).sum();
    Ok(format!("{} groups, {rules} rules", groups.len()))
}

/// Runs unit tests file by file, and says as promtool does what came of each.
fn test_rules(files: &[PathBuf], only: &[String], query: QueryOptions) -> anyhow::Result<ExitCode> {
    let tests = UnitTests::new(query).only(only).context("--run")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let (mut out, mut exit) = (std::io::stdout(), ExitCode::SUCCESS);
    for file in files {
        // Whoever closed our output has the exit code.
        let _ = writeln!(out, "Unit Testing:  {}", file.display());
        let failures = match runtime.block_on(tests.run(file)) {
            Ok(report) => {
                for warning in report.warnings {
                    let _ = writeln!(std::io::stderr(), "  WARNING: {warning}");
                }
                report.failures
            }
            Err(error) => vec![error.to_string()],
        };
        if failures.is_empty() {
            let _ = writeln!(out, "  SUCCESS");
        } else {
            exit = ExitCode::FAILURE;
            let text = failures.join("\n\n");
            let _ = writeln!(std::io::stderr(), "  FAILED:\n{text}\n");
        }
        let _ = writeln!(out);
    }
    Ok(exit)
}

fn serve(arguments: &ServeArgs) -> ExitCode {
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            fail(&error.to_string());
            match error.downcast_ref::<StartError>() {
                Some(StartError::Config(_)) => ExitCode::from(EXIT_BAD_CONFIG),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn run(arguments: &ServeArgs) -> anyhow::Result<()> {
    telemetry::logging::init(arguments.log_level, arguments.log_format)?;
    install_tls_provider()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| anyhow::anyhow!("cannot start the runtime: {error}"))?;
    runtime.block_on(app::run(arguments.options(), |address| {
        // Whoever closed our standard output finds the address in the log.
        let _ = writeln!(std::io::stdout(), "system-stats-aggregator: open {address}");
    }))?;
    Ok(())
}

fn healthcheck(url: Option<Url>) -> anyhow::Result<()> {
    let url = url.context("no address to ask; name one with --url")?;
    install_tls_provider()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let client = reqwest::Client::builder()
        .timeout(HEALTH_PATIENCE)
        .no_proxy()
        .build()?;
    let asked = runtime.block_on(async {
        let response = client.get(url.clone()).send().await?;
        response.error_for_status()
    });
    asked
        .map(drop)
        .map_err(reqwest::Error::without_url)
        .with_context(|| format!("{url} is not healthy"))
}

fn install_tls_provider() -> anyhow::Result<()> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("another TLS provider is installed already"))
}
