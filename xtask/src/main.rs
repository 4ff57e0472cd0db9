//! `cargo xtask`: the one door to setting up, building, serving, testing and measuring Sparring.
//!
//! It exists so that a fresh machine with Rust and Node needs no instructions beyond one command, and so that what CI
//! runs is exactly what a person can run. It must build in seconds: `anyhow`, and `proc-macro2` to read imports.

#[path = "../../core/bare.rs"]
mod bare;
mod browser;
mod checks;
mod compress;
mod dist;
mod document;
mod fuzz;
mod layers;
mod offline;
mod page;
mod process;
mod record;
mod server;
mod setup;
mod stages;
mod system;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

use stages::Stages;
use workspace::Workspace;

const HELP: &str = "\
cargo xtask COMMAND

  setup                 install what the page needs (wasm target, trunk, wasm-bindgen, wasm-opt) and fetch CIFAR-10
  build [--draft]       build the release page into dist/; a draft is ready sooner, and heavier and slower
  dist [--base PATH] [--out DIR] [--url URL] [--source URL]
                        build, and write the page as static files, each with compressed copies, for a server that shows it at PATH
                        (default / and target/site); the page's whole address and that of its source, for links to it and from it
  serve [--draft] [--port N]
                        setup, build, and serve the page on http://127.0.0.1:8080
  test                  install what the tests need and run all of them, the page in headless Chromium included
  layers                whether an import runs up the layers or closes a circle of modules; seconds
  e2e [NAME...]         only the page in headless Chromium, with the page that is in dist/; only tests/e2e/NAME*.test.mjs
  components            only the tests of the page's controls, each alone in headless Chromium
  validate              test, then clippy for wasm, documentation and cargo-deny, warnings denied
  golden [--dir DIR] [--device cpu|gpu|browser]
                        run the golden cases of a folder (default tests/golden, cpu)
  bench [OPTIONS]       measure the engine (the options are those of `sparring bench`)
  bench --burn [--device cpu|gpu] [--model NAME] [--batch N] [--rounds N] [--out FILE.json]
                        steps of Burn's networks beside ours, on Burn's CPU backend and on any GPU (builds Burn: 20 min from cold)
  fuzz [TARGET...] [--runs N] [--seconds N]
                        change the files of every reader of foreign bytes until one panics (default 10000000 inputs or an hour each)
  soak [--minutes N]    train the tiny network in headless Chromium and watch its memory (default 30), with the page in dist/
  record [NAME...]      train and write what ships with the page: the recorded runs (builtin, nature, corruption,
                        attack, cifar10, and those of the lessons) and networks; goes on with what was begun
  findings              write docs/findings.md, its figures, and the page's studies from the tables in docs/findings
  screenshots [--out DIR]
                        pictures of the page: desktop and phone, light and dark (default target/screenshots)

Environment: CARGO_TARGET_DIR (default: a folder in the user's cache, shared by all clones), CHROMIUM (browser for the
tests), SPARRING_DATA (data folder), SPARRING_WASM=debian (build the wasm std from source with Debian's rustc-web).";

/// A wrong command line: exit code 2 and the help.
#[derive(Debug)]
struct Usage(String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for Usage {}

/// `--name VALUE` pairs after a command, each at most once.
struct Options(Vec<(String, String)>);

impl Options {
    fn parse(args: &[String], known: &[&str]) -> Result<Self> {
        let mut pairs = Vec::new();
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            let (name, inline) = arg.split_once('=').map_or((arg.as_str(), None), |(n, v)| (n, Some(v.to_owned())));
            let Some(name) = name.strip_prefix("--").filter(|n| known.contains(n)) else {
                let valid: Vec<String> = known.iter().map(|n| format!("--{n}")).collect();
                let valid = if valid.is_empty() { "none".into() } else { valid.join(", ") };
                bail!(Usage(format!("unknown option '{arg}' (possible: {valid})")));
            };
            let Some(value) = inline.or_else(|| rest.next().cloned()) else {
                bail!(Usage(format!("--{name} needs a value")));
            };
            pairs.push((name.to_owned(), value));
        }
        Ok(Self(pairs))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

fn run(args: &[String]) -> Result<()> {
    let (command, rest) = args.split_first().map_or(("help", &[][..]), |(c, r)| (c.as_str(), r));
    let ws = Workspace::find()?;
    let mut stages = Stages::start();
    match command {
        "setup" => {
            Options::parse(rest, &[])?;
            setup::page_tools(&ws, &mut stages)?;
            setup::data(&ws, &mut stages)?;
        }
        "build" => {
            let (finish, rest) = page::Finish::taken(rest);
            Options::parse(rest, &[])?;
            page::build(&ws, &mut stages, finish)?;
        }
        "dist" => {
            let options = Options::parse(rest, &["base", "out", "url", "source"])?;
            let out = ws.caller_path(options.get("out"), "target/site")?;
            let place = dist::Place { base: options.get("base").unwrap_or("/"), url: options.get("url"), source: options.get("source") };
            page::build(&ws, &mut stages, page::Finish::Release)?;
            stages.need("static site", "", || {
                dist::write(&page::dist(&ws), &out, &place)?;
                compress::write(&ws, &out)
            })?;
            println!("\nThe site is in {}", out.display());
        }
        "serve" => {
            let (finish, rest) = page::Finish::taken(rest);
            let options = Options::parse(rest, &["port"])?;
            let port = match options.get("port").map(str::parse) {
                None => 8080,
                Some(Ok(port)) => port,
                Some(Err(_)) => bail!(Usage("--port must be a number from 0 to 65535".into())),
            };
            return page::serve(&ws, &mut stages, finish, port);
        }
        "test" => {
            Options::parse(rest, &[])?;
            return checks::test(&ws, &mut stages);
        }
        "layers" => {
            Options::parse(rest, &[])?;
            return layers::check(&ws).map(|_| ());
        }
        "e2e" => {
            let chromium = setup::browser_tools(&ws, &mut stages)?;
            return browser::end_to_end(&ws, &chromium, rest).map(|_| ());
        }
        "components" => {
            Options::parse(rest, &[])?;
            let chromium = setup::browser_tools(&ws, &mut stages)?;
            let compiler = setup::page_tools(&ws, &mut stages)?;
            return browser::components(&ws, &compiler, &chromium).map(|_| ());
        }
        "fuzz" => {
            let names = rest.iter().take_while(|arg| !arg.starts_with("--")).map(String::as_str).collect::<Vec<_>>();
            let options = Options::parse(&rest[names.len()..], &["runs", "seconds"])?;
            return fuzz::fuzz(&ws, &names, options.get("runs").unwrap_or("10000000"), options.get("seconds").unwrap_or("3600"));
        }
        "soak" => {
            let options = Options::parse(rest, &["minutes"])?;
            let chromium = setup::browser_tools(&ws, &mut stages)?;
            return browser::soak(&ws, &chromium, options.get("minutes").unwrap_or("30"));
        }
        "validate" => {
            Options::parse(rest, &[])?;
            return checks::validate(&ws, &mut stages);
        }
        "golden" => {
            let options = Options::parse(rest, &["dir", "device"])?;
            let dir = ws.caller_path(options.get("dir"), "tests/golden")?;
            return match options.get("device").unwrap_or("cpu") {
                device @ ("cpu" | "gpu") => checks::golden_native(&ws, &dir, device).map(|_| ()),
                "browser" => browser::golden(&ws, &mut stages, &dir).map(|_| ()),
                other => bail!(Usage(format!("unknown device '{other}' (possible: cpu, gpu, browser)"))),
            };
        }
        "bench" if rest.first().is_some_and(|first| first == "--burn") => {
            let bench = ["run", "--release", "--package", "sparring-burn", "--features", "autotune", "--example", "bench", "--"];
            return process::run(ws.cargo().args(bench).args(&rest[1..]));
        }
        "bench" => return process::run(ws.cargo().args(["run", "--release", "--package", "sparring", "--", "bench"]).args(rest)),
        "screenshots" => {
            let options = Options::parse(rest, &["out"])?;
            let out = ws.caller_path(options.get("out"), "target/screenshots")?;
            browser::screenshots(&ws, &mut stages, &out)?;
        }
        "findings" => checks::findings(&ws)?,
        "record" => record::record(&ws, &mut stages, rest)?,
        "help" | "--help" | "-h" => {
            println!("{HELP}");
            return Ok(());
        }
        other => bail!(Usage(format!("unknown command '{other}'"))),
    }
    stages.summary();
    Ok(())
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Usage>() => {
            eprintln!("{error}\n\n{HELP}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
