//! `gandy web`: the dashboard, served.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use gandy_web::{Access, Credentials, Dashboard, Redaction, Role};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Common;
use crate::failure::Failure;
use crate::output;
use crate::printable::printable;
use crate::words::parse_some_span;

const EXAMPLES: &str = r#"EXAMPLES
  gandy web                                         http://localhost:7435, for this machine alone
  gandy web --read-only
  openssl rand -hex 24 > operator.token
  gandy web --bind 0.0.0.0:7435 --token-file operator.token
  gandy web --bind 0.0.0.0:7435 --user ann --password-file ann.password --viewer-token-file viewer.token
  gandy web --redact Mailer:1 --redact '*:iban'     also hides those: the second argument of Mailer, each member iban

WHO MAY DO WHAT
  Without credentials it listens on loopback addresses only, and answers requests to localhost only. With --user and
  --password-file, or --token-file, whoever shows them may act; with --viewer-token-file only look. A file holds the
  secret itself, 12 bytes at least, or sha256: and its hash in hexadecimal digits. A browser asks for a user and a
  password: a token is given as the password, the name does not matter then. Programs send Authorization: Bearer TOKEN.
  Each act is written to standard error with who did it. There is no TLS here: put a proxy in front, and --prefix where
  it takes a part of the path away.

WHAT IS HIDDEN
  Members of arguments whose names hold password, token, secret, api_key and the like are not shown; --redact adds
  CLASS:POSITION, CLASS:NAME or CLASS:args, with * and ? in classes and names; --show-all hides nothing.

Its Redis user needs the role `operator`, or `dashboard` with --read-only. It runs until TERM or INT. Exit codes and
environment: gandy --help"#;

/// Serve the dashboard: all of it as live web pages
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct WebArgs {
    /// Where to listen; anything but loopback needs credentials
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7435")]
    bind: String,

    /// Offer and take no acts
    #[arg(long)]
    read_only: bool,

    /// Let this user in, and act
    #[arg(long, value_name = "NAME", requires = "password_file")]
    user: Option<String>,

    /// With the password in this file
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,

    /// Let in, and act, who shows the token in this file
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Let in, to look, who shows the token in this file
    #[arg(long, value_name = "FILE")]
    viewer_token_file: Option<PathBuf>,

    /// Hide this of jobs' arguments
    #[arg(long, value_name = "CLASS:WHAT")]
    redact: Vec<String>,

    /// Hide nothing of jobs' arguments
    #[arg(long, conflicts_with = "redact")]
    show_all: bool,

    /// How often open pages look, 200ms to 1m
    #[arg(long, value_name = "SPAN", default_value = "2s", value_parser = parse_poll)]
    poll: Duration,

    /// What a proxy in front takes away from each path, such as /gandy
    #[arg(long, value_name = "PATH", default_value = "", value_parser = parse_prefix)]
    prefix: String,

    /// Act by the functions of gandy install-functions, where no script may be brought along
    #[arg(long)]
    functions: bool,
}

fn parse_prefix(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._~/-".contains(&byte);
    match text.bytes().all(plain) {
        true => Ok(text.to_owned()),
        false => Err("write a path such as /gandy".to_owned()),
    }
}

fn parse_poll(text: &str) -> Result<Duration, String> {
    let span = parse_some_span(text)?;
    match (Duration::from_millis(200)..=Duration::from_secs(60)).contains(&span) {
        true => Ok(span),
        false => Err("write a span from 200ms to 1m".to_owned()),
    }
}

pub(crate) async fn run(args: &WebArgs, common: &Common) -> Result<(), Failure> {
    let addresses = addresses(&args.bind).await?;
    let access = access(args, &addresses)?;
    let server = common.server()?.with_functions(args.functions);
    let dashboard = Dashboard::builder(server)
        .namespace(common.namespace())
        .stamps(common.settings.writing.stamps())
        .grave(common.settings.writing.grave())
        .access(access)
        .read_only(args.read_only)
        .redact(redaction(args)?)
        .poll(args.poll)
        .prefix(&args.prefix)
        .build()?;
    let cannot = |error: std::io::Error| {
        Failure::usage(format!(
            "cannot listen on {}: {error}; name another address with --bind",
            printable(&args.bind)
        ))
    };
    let listener = TcpListener::bind(&*addresses).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    let mut term = listen(SignalKind::terminate())?;
    let mut int = listen(SignalKind::interrupt())?;
    let behind = match args.prefix.trim_matches('/') {
        "" => String::new(),
        prefix => format!(", behind the proxy under /{prefix}/"),
    };
    output::say(&format!(
        "the dashboard is at http://{}/{behind}",
        name(address)
    ));
    let asked = async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    };
    gandy_web::serve(listener, dashboard.router(), asked)
        .await
        .map_err(|error| Failure::bug(format!("cannot serve: {error}")))
}

fn listen(kind: SignalKind) -> Result<tokio::signal::unix::Signal, Failure> {
    signal(kind).map_err(|error| Failure::bug(format!("cannot listen to signals: {error}")))
}

/// As a person types it: without credentials only this name is answered.
fn name(address: SocketAddr) -> String {
    match address.ip().is_loopback() {
        true => format!("localhost:{}", address.port()),
        false => address.to_string(),
    }
}

async fn addresses(bind: &str) -> Result<Vec<SocketAddr>, Failure> {
    let found = tokio::net::lookup_host(bind).await.map_err(|error| {
        Failure::usage(printable(&format!(
            "--bind {bind}: {error}; write an address and a port, such as 127.0.0.1:7435"
        )))
    })?;
    Ok(found.collect())
}

fn access(args: &WebArgs, addresses: &[SocketAddr]) -> Result<Access, Failure> {
    let mut credentials = Credentials::new();
    let wrong = |file: &Path, error: &dyn std::fmt::Display| {
        Failure::usage(printable(&format!("{}: {error}", file.display())))
    };
    if let (Some(user), Some(file)) = (&args.user, &args.password_file) {
        let password = secret(file)?;
        credentials = credentials
            .user(user, &password, Role::Operator)
            .map_err(|error| wrong(file, &error))?;
    }
    for (file, role) in [
        (&args.token_file, Role::Operator),
        (&args.viewer_token_file, Role::Viewer),
    ] {
        if let Some(file) = file {
            let token = secret(file)?;
            credentials = credentials
                .token(&token, role)
                .map_err(|error| wrong(file, &error))?;
        }
    }
    if !credentials.is_empty() {
        return Ok(Access::credentials(credentials));
    }
    if addresses.iter().all(|address| address.ip().is_loopback()) {
        return Ok(Access::loopback());
    }
    Err(Failure::usage(printable(&format!(
        "--bind {}: others than this machine could reach that, so it needs credentials: --token-file FILE (make one with: \
         openssl rand -hex 24 > FILE), or --user NAME --password-file FILE",
        args.bind
    ))))
}

fn secret(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| {
        Failure::usage(printable(&format!(
            "{}: cannot read the secret: {error}",
            file.display()
        )))
    })
}

fn redaction(args: &WebArgs) -> Result<Redaction, Failure> {
    if args.show_all {
        return Ok(Redaction::none());
    }
    let mut redaction = Redaction::default();
    for rule in &args.redact {
        redaction = redaction
            .rule(rule)
            .map_err(|error| Failure::usage(printable(&format!("--redact {rule}: {error}"))))?;
    }
    Ok(redaction)
}
