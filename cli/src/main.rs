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
mod places;
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

use clap::{Command as Clap, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;

/// Sparse and dense networks in the ring with hard samples, on any GPU or the CPU.
#[derive(Parser)]
#[command(name = "sparring", after_help = EXIT_CODES, version = concat!(env!("CARGO_PKG_VERSION"), " (", env!("SPARRING_COMMIT"), ")"), arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Say only the result, warnings and errors
    #[arg(long, short, global = true)]
    quiet: bool,
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
    /// What this machine offers, whether every kernel of training computes rightly on it, and how fast
    Doctor(doctor::DoctorArgs),
    /// Measure layers and whole steps, dense and sparse
    Bench(bench::BenchArgs),
    /// Methods, rules, models and datasets, as Markdown
    Catalog(catalog::CatalogArgs),
    /// Write what makes a shell complete commands, flags and names: for bash, `sparring completions bash > FILE`, and source it
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Run the golden cases of a folder
    #[command(hide = true)]
    Golden(golden::GoldenArgs),
}

/// Takes command lines as people write them: a flag that is repeated counts as it stands last, a value may be a negative number (what is
/// out of range is refused by its name), and the images are `--data` and `--dataset` everywhere.
fn lenient(command: Clap) -> Clap {
    let command = command.args_override_self(true).mut_args(|arg| {
        let arg = match arg.get_long() {
            Some("data") => arg.alias("dataset"),
            Some("dataset") => arg.alias("data"),
            _ => arg,
        };
        let takes_value = arg.get_action().takes_values();
        if takes_value { arg.allow_negative_numbers(true) } else { arg }
    });
    let command = if command.get_name() == "train" { own_defaults(command) } else { command };
    let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, lenient))
}

/// The help of `train` states its own defaults where they are not those of `race`.
fn own_defaults(train: Clap) -> Clap {
    let instead = |from: &'static str, to: &'static str| {
        move |arg: clap::Arg| {
            let help = arg.get_help().map(|help| help.to_string().replace(from, to)).unwrap_or_default();
            arg.help(help)
        }
    };
    let train = train.mut_arg("learners", instead("[default: dense,set@0.2]", "[default: set@0.2]"));
    train.mut_arg("control", instead("[default: true]", "[default: false]"))
}

/// Mesa's layer that puts devices in order asks the display which one it is drawn by; where there is none it complains on standard
/// error each time a GPU is opened. Without a display there is nothing to ask.
fn without_display() {
    let set = |name| std::env::var_os(name).is_some();
    if !["XDG_RUNTIME_DIR", "WAYLAND_DISPLAY", "DISPLAY", "MESA_VK_DEVICE_SELECT"].into_iter().any(set) {
        // SAFETY: no other thread has been started yet.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}

fn main() -> ExitCode {
    without_display();
    let filter = tracing_subscriber::EnvFilter::try_from_env("SPARRING_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,wgpu=error,naga=error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
    let cli = match Cli::from_arg_matches(&lenient(Cli::command()).get_matches()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    console::set_quiet(cli.quiet);
    let result = match cli.command {
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
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut lenient(Cli::command()), "sparring", &mut std::io::stdout());
            Ok(())
        }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn parse(line: &str) -> Result<Cli, String> {
        let matches = lenient(Cli::command()).try_get_matches_from(line.split(' ')).map_err(|e| e.to_string())?;
        Cli::from_arg_matches(&matches).map_err(|e| e.to_string())
    }

    #[test]
    fn the_flags_are_sound() {
        lenient(Cli::command()).debug_assert();
    }

    #[test]
    fn images_are_data_and_dataset_everywhere() {
        for command in ["race", "train", "score", "corrupt --sheet s.png", "subset", "eval --checkpoint f", "attack --checkpoint f"] {
            for flag in ["--data", "--dataset"] {
                let line = format!("sparring {command} {flag} CIFAR-10");
                assert!(parse(&line).is_ok(), "{line}: {:?}", parse(&line).err());
            }
        }
    }

    #[test]
    fn the_last_of_a_repeated_flag_counts_and_a_negative_number_is_a_value() {
        let Command::Race(args) = parse("sparring race --lr 0.1 --epochs 3 --lr -1 --epochs 4").unwrap().command else { panic!() };
        let config = args.race.experiment.resolve(Default::default()).unwrap();
        assert_eq!((config.lr, config.epochs), (-1.0, 4));
        assert!(args::validate(&config).unwrap_err().to_string().contains("lr must be from 0 to 1000, found -1"));
    }

    #[test]
    fn the_help_of_train_states_its_own_defaults() {
        let help = |command: &str, flag: &str| {
            let mut cli = lenient(Cli::command());
            let found = cli.find_subcommand_mut(command).unwrap();
            let arg = found.get_arguments().find(|arg| arg.get_long() == Some(flag)).unwrap();
            arg.get_help().unwrap().to_string()
        };
        assert!(help("train", "control").ends_with("[default: false]") && help("race", "control").ends_with("[default: true]"));
        assert!(
            help("train", "learners").ends_with("[default: set@0.2]") && help("race", "learners").ends_with("[default: dense,set@0.2]")
        );
    }

    #[test]
    fn a_sparsity_is_answered_with_its_density() {
        let wrong = parse("sparring train --method set --sparsity 0.9").err().unwrap();
        assert!(wrong.contains("--density 0.1") && wrong.contains("set@0.1"), "{wrong}");
        assert!(parse("sparring race --sparsity 90").err().unwrap().contains("1 minus the sparsity"));
    }

    #[test]
    fn every_shell_completes_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell, Shell::Elvish] {
            let mut out = Vec::new();
            clap_complete::generate(shell, &mut lenient(Cli::command()), "sparring", &mut out);
            let text = String::from_utf8(out).unwrap();
            for command in Cli::command().get_subcommands().filter(|c| !c.is_hide_set()) {
                assert!(text.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }
}
