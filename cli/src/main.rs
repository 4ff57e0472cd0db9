//! The native binary: it races, trains, evaluates, imports and measures; the engine does the work.
//!
//! Each command has its module. Errors come up here as one chain and leave as one line.

mod args;
mod attack;
mod bench;
mod catalog;
mod clock;
mod config_file;
mod console;
mod corrupt;
mod cost;
mod data;
mod doctor;
mod estimates;
mod eval;
mod golden;
mod import;
mod kernels;
mod measure;
mod npy;
mod output;
mod paper;
mod places;
mod race;
mod report;
mod reproduce;
mod results;
mod rundir;
mod runs;
mod score;
mod score_file;
mod selftest;
mod series;
mod source;
mod stdout;
mod subset;
mod sweep;
mod table;
mod tensorboard;
mod text;
mod topology;

use std::any::TypeId;
use std::error::Error;
use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Arg, Command as Clap, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use sparring_core::data::DatasetName;

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

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 asked for wrongly, 130 stopped by Ctrl-C or a signal (race, train, sweep and reproduce: the same command goes on).";

#[derive(Subcommand)]
enum Command {
    /// Train learners side by side, dense against sparse, and report who does better on hard samples
    Race(series::SeriesArgs),
    /// Run a study: every combination of what a file varies, then what they say together
    Sweep(sweep::SweepArgs),
    /// Ask one of the paper's claims again: train what it is about, and say whether it holds
    Reproduce(reproduce::ReproduceArgs),
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
/// out of range is refused by its name), case does not matter, and the images are `--data` and `--dataset` everywhere.
fn lenient(command: Clap) -> Clap {
    let command = command.args_override_self(true).mut_args(|arg| {
        let arg = match arg.get_long() {
            Some("data") => arg.alias("dataset"),
            Some("dataset") => arg.alias("data"),
            _ => arg,
        };
        let takes_value = arg.get_action().takes_values();
        if takes_value { plain_values(arg).allow_negative_numbers(true).ignore_case(true) } else { arg }
    });
    let command = if command.get_name() == "train" { own_defaults(command) } else { command };
    let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, lenient))
}

/// Values whose own parser would refuse them in words that say nothing, or by their case.
fn plain_values(arg: Arg) -> Arg {
    let kind = arg.get_value_parser().type_id();
    match () {
        () if kind == TypeId::of::<bool>() => {
            arg.value_parser(PossibleValuesParser::new(["true", "false"]).map(|text| text.eq_ignore_ascii_case("true")))
        }
        () if kind == TypeId::of::<u32>() => arg.value_parser(|text: &str| whole::<u32>(text, u32::MAX)),
        () if kind == TypeId::of::<u64>() => arg.value_parser(|text: &str| whole::<u64>(text, u64::MAX)),
        () if kind == TypeId::of::<DatasetName>() => arg.value_parser(dataset),
        () if kind == TypeId::of::<usize>() => arg.value_parser(|text: &str| whole::<usize>(text, usize::MAX)),
        () => arg,
    }
}

/// A dataset by its name; whoever gives a place instead is told how.
fn dataset(text: &str) -> Result<DatasetName, String> {
    let own = if Path::new(text).exists() { "; for images in a folder say folder or mnist here, and where with --folder DIR" } else { "" };
    text.parse().map_err(|error: sparring_core::Error| format!("{error}{own}"))
}

fn whole<T: FromStr + std::fmt::Display>(text: &str, most: T) -> Result<T, String> {
    text.parse().map_err(|_| format!("expected a whole number from 0 to {most}, found '{text}'"))
}

/// Command lines in which a value that begins with a hyphen as a number does (`--eps -8/255`, `--mean -.5,.5,.5`) is tied to its flag:
/// no flag begins so, and the flag's own parser knows better what is wrong with it.
fn tied(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut out: Vec<OsString> = Vec::new();
    for argument in arguments {
        let rest = argument.to_str().and_then(|text| text.strip_prefix('-')).map(str::to_ascii_lowercase);
        let number = rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '.') || rest == "inf" || rest == "nan");
        let is_flag = |last: &OsString| last.to_str().is_some_and(|last| last.len() > 2 && last.starts_with("--") && !last.contains('='));
        match out.last_mut().filter(|last| number && is_flag(last)) {
            Some(flag) => {
                flag.push("=");
                flag.push(argument);
            }
            None => out.push(argument),
        }
    }
    out
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
    let matches = lenient(Cli::command()).try_get_matches_from(tied(std::env::args_os()));
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return unparsed(&error),
    };
    console::set_quiet(cli.quiet);
    if let Some(number) = std::env::var(sweep::GPU).ok().filter(|text| !text.is_empty()) {
        let Ok(number) = number.trim().parse() else {
            complain(&format!(
                "error: {}: expected the number of a GPU as sparring doctor lists them, found '{}'",
                sweep::GPU,
                text::line(&number)
            ));
            return ExitCode::from(2);
        };
        sparring_core::gpu::choose(number);
    }
    let result = match cli.command {
        Command::Race(args) => series::race(&args),
        Command::Train(args) => race::train(&args),
        Command::Sweep(args) => sweep::sweep(&args),
        Command::Reproduce(args) => reproduce::reproduce(&args),
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
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut lenient(Cli::command()), "sparring", &mut script);
            stdout::write(&script);
            Ok(())
        }
        Command::Golden(args) => golden::golden(&args),
    };
    match result {
        Ok(()) => written(),
        Err(error) => {
            let text = text::message(&format!("{error:#}"));
            if error.is::<console::Stopped>() {
                complain(&text);
                return ExitCode::from(console::STOPPED);
            }
            complain(&format!("error: {text}"));
            ExitCode::from(if error.is::<args::Usage>() { 2 } else { 1 })
        }
    }
}

/// A line on standard error. Where that is closed or full there is nowhere left to say it.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// How a command ends that is done: well, if what it wrote to standard output got there.
fn written() -> ExitCode {
    match stdout::failure() {
        None => ExitCode::SUCCESS,
        Some(error) => {
            complain(&format!("error: writing to standard output: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// A command line that asks for help or the version, or is wrong.
fn unparsed(error: &clap::Error) -> ExitCode {
    if let Some(damaged) = error.source().and_then(|source| source.downcast_ref::<rundir::NoCheckpoint>()).filter(|no| no.damaged) {
        complain(&format!("error: {}", text::message(&damaged.to_string())));
        return ExitCode::FAILURE;
    }
    let printed = error.print();
    if error.use_stderr() {
        return ExitCode::from(2);
    }
    stdout::note(printed);
    written()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn parse(line: &str) -> Result<Cli, String> {
        let matches = lenient(Cli::command()).try_get_matches_from(tied(line.split(' ').map(OsString::from)));
        let matches = matches.map_err(|e| e.to_string())?;
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
    fn values_are_refused_by_their_flag_and_say_what_is_expected() {
        for (line, words) in [
            ("sparring eval --checkpoint f --data builtin --limit -3", "'--limit <N>': expected a whole number from 0 to"),
            ("sparring race --seed -1", "'--seed <SEED>': expected a whole number from 0 to"),
            ("sparring race --limit-train=-1", "'--limit-train <LIMIT_TRAIN>': expected a whole number from 0 to"),
            ("sparring race --epochs 4294967296", "from 0 to 4294967295, found '4294967296'"),
            ("sparring race --control maybe", "[possible values: true, false]"),
            ("sparring race --data .", "for images in a folder say folder or mnist here, and where with --folder DIR"),
        ] {
            let said = parse(line).err().unwrap();
            assert!(said.contains(words), "{line}: {said}");
        }
        let Command::Attack(_) = parse("sparring attack --checkpoint f --data builtin --eps -8/255").unwrap().command else { panic!() };
        let own = "sparring import f --model tiny --out o --std .2,.2,.2 --mean -.5,.5,.5";
        assert!(parse(own).is_ok(), "{:?}", parse(own).err());
    }

    #[test]
    fn case_does_not_matter() {
        for line in [
            "sparring race --device CPU --control False --balanced TRUE",
            "sparring race --subset ALL --corruption STANDARD --severity Mixed",
            "sparring completions BASH",
            "sparring corrupt --sheet s.png --corruption Gaussian_Noise",
            "sparring subset --subset el2n_hard:0.5",
        ] {
            assert!(parse(line).is_ok(), "{line}: {:?}", parse(line).err());
        }
        let Command::Race(args) = parse("sparring race --control False --balanced TRUE").unwrap().command else { panic!() };
        let config = args.race.experiment.resolve(Default::default()).unwrap();
        assert_eq!((config.control, config.balanced), (false, true));
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
