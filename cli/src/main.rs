//! The native binary: it races, trains, evaluates, imports and measures; the engine does the work.
//!
//! Each command has its module. Errors come up here as one chain and leave as one line.

mod args;
mod attack;
mod bench;
mod catalog;
mod clock;
mod console;
mod corrupt;
mod data;
mod doctor;
mod eval;
mod golden;
mod import;
mod measure;
mod npy;
mod output;
mod race;
mod report;
mod results;
mod rundir;
mod runs;
mod score;
mod score_file;
mod selftest;
mod series;
mod source;
mod subset;
mod table;
mod topology;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Sparse and dense networks in the ring with hard samples, on any GPU or the CPU.
#[derive(Parser)]
#[command(name = "sparring", after_help = EXIT_CODES, version = concat!(env!("CARGO_PKG_VERSION"), " (", env!("SPARRING_COMMIT"), ")"), arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str =
    "Exit codes: 0 done, 1 failed, 2 asked for wrongly, 130 stopped by Ctrl-C or a signal (race and train: the same command goes on).";

#[derive(Subcommand)]
enum Command {
    /// Train learners side by side, dense against sparse, and report who does better on hard samples
    Race(series::SeriesArgs),
    /// Train one learner, without a control
    Train(race::TrainArgs),
    /// List, show, compare or export runs
    Runs(runs::RunsArgs),
    /// Accuracy and loss of a checkpoint on a test set
    Eval(eval::EvalArgs),
    /// Accuracy of a checkpoint under attack: FGSM, PGD or AutoAttack
    Attack(attack::AttackArgs),
    /// Corrupt a test set: files as CIFAR-10-C's, or a sheet to look at
    Corrupt(corrupt::CorruptArgs),
    /// Turn a PyTorch state dict (.th, .pth, .pt) into a checkpoint of this program
    Import(import::ImportArgs),
    /// Fetch, verify, list or pack datasets
    Data {
        #[command(subcommand)]
        command: data::DataCommand,
        /// Print the result as JSON
        #[arg(long, global = true)]
        json: bool,
    },
    /// Score every sample of a dataset by how hard it is, by a short training run or from a file
    Score(score::ScoreArgs),
    /// Show and export which samples a subset has, with its random control
    Subset(subset::SubsetArgs),
    /// What this machine offers, whether every kernel computes rightly on it, and how fast
    Doctor(doctor::DoctorArgs),
    /// Measure layers and whole steps, dense and sparse
    Bench(bench::BenchArgs),
    /// Methods, rules, models and datasets, as Markdown
    Catalog(catalog::CatalogArgs),
    /// Run the golden cases of a folder
    #[command(hide = true)]
    Golden(golden::GoldenArgs),
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("SPARRING_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,wgpu=error,naga=error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
    let result = match Cli::parse().command {
        Command::Race(args) => series::race(&args),
        Command::Train(args) => race::train(&args),
        Command::Runs(args) => runs::runs(&args),
        Command::Eval(args) => eval::eval(&args),
        Command::Attack(args) => attack::attack(&args),
        Command::Corrupt(args) => corrupt::corrupt(&args),
        Command::Import(args) => import::import(&args),
        Command::Data { command, json } => data::run(&command, json),
        Command::Score(args) => score::score(&args),
        Command::Subset(args) => subset::subset(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Bench(args) => bench::bench(&args),
        Command::Catalog(args) => catalog::catalog(&args),
        Command::Golden(args) => golden::golden(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if error.is::<console::Stopped>() {
                eprintln!("{error:#}");
                return ExitCode::from(console::STOPPED);
            }
            eprintln!("error: {error:#}");
            ExitCode::from(if error.is::<args::Usage>() { 2 } else { 1 })
        }
    }
}
