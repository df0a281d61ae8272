//! The program `system-stats-exporter`: command line, log, signals, and the library's `serve`.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use system_stats_exporter::cli::{self, Command, Options};
use system_stats_exporter::{serve_all, telemetry};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit status for a command line that cannot be followed.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the command line, which hands the environment on as values"
    )]
    let environment = |name: &str| std::env::var_os(name);
    match cli::parse(std::env::args_os().skip(1), &environment) {
        Ok(Command::Print(text)) => {
            // A reader that closed the pipe has what it wanted.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Ok(Command::Healthcheck(address)) => match cli::healthcheck(&address) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error.to_string(), ExitCode::FAILURE),
        },
        Ok(Command::Serve(options)) => match run(*options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&format!("{error:#}"), ExitCode::FAILURE),
        },
        Err(error) => fail(&error.to_string(), ExitCode::from(USAGE)),
    }
}

fn fail(message: &str, code: ExitCode) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "system-stats-exporter: {message}");
    code
}

fn run(options: Options) -> anyhow::Result<()> {
    telemetry::install(options.log_level, options.log_format);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let cancel = CancellationToken::new();
        let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for SIGINT")?;
        let mut listeners = Vec::new();
        for address in &options.listen {
            let listener = address.bind().await.with_context(|| {
                format!("cannot listen on {address}; choose another --web.listen-address")
            })?;
            let local = listener.local_addr().context("cannot tell the port")?;
            tracing::info!(address = %local, "listening");
            listeners.push(listener);
        }
        let serving = serve_all(options.config, listeners, cancel.clone());
        tokio::pin!(serving);
        tokio::select! {
            outcome = &mut serving => return outcome.context("cannot go on serving"),
            _ = terminate.recv() => tracing::info!(signal = "SIGTERM", "stopping"),
            _ = interrupt.recv() => tracing::info!(signal = "SIGINT", "stopping"),
        }
        cancel.cancel();
        serving.await.context("cannot stop in good order")
    })
}
