//! What a cluster is given: commands, and the scripts of job arrays that run them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::super::collected::STUDY;
use super::flags::{SlurmArgs, WARNING};
use crate::args::DeviceFlag;

/// What every task runs, and from where.
pub struct Program {
    /// `sparring sweep STUDY` with what else the entries need to be the same (`--device`, `--out`), as words.
    command: Vec<String>,
    /// The folder that relative paths of the study are meant from.
    from: PathBuf,
}

impl Program {
    /// This program, for the entries of a study in its folder.
    ///
    /// # Errors
    /// Where the system does not say where this program is.
    pub fn new(study: &Path, device: Option<DeviceFlag>, checkpoint_every: u32) -> Result<Self> {
        let study = std::path::absolute(study).context("the study's folder")?;
        let mut command: Vec<String> = vec![std::env::current_exe().context("where this program is")?.to_string_lossy().into_owned()];
        command.extend([
            "sweep".into(),
            study.join(STUDY).to_string_lossy().into_owned(),
            "--out".into(),
            study.to_string_lossy().into_owned(),
        ]);
        command.extend(["--checkpoint-every".into(), checkpoint_every.to_string()]);
        if let Some(device) = device {
            command.extend(["--device".into(), sparring_core::device::info::DeviceChoice::from(device).name().to_owned()]);
        }
        Ok(Self { command, from: std::env::current_dir().context("where this program was started")? })
    }
    fn words(&self) -> String {
        self.command.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }
    fn folder(&self) -> String {
        quoted(&self.from.to_string_lossy())
    }
    /// The command of one task, for a shell in any folder.
    pub fn of(&self, hashes: &[String]) -> String {
        format!("cd {} && {} --only {}", self.folder(), self.words(), hashes.join(","))
    }
}

/// A batch script: a job array, one line of the list of tasks each.
///
/// # Errors
/// Where an option cannot stand in a script.
pub fn script(name: &str, tasks: usize, args: &SlurmArgs, program: &Program, list: &Path, logs: &Path) -> Result<String> {
    let limit = args.array_limit.map_or_else(String::new, |most| format!("%{most}"));
    // A percent sign of the folder's own stands for itself.
    let logs = logs.to_string_lossy().replace('%', "%%");
    let mut options = vec![format!("--job-name={name}"), format!("--array=1-{tasks}{limit}")];
    options.extend([format!("--output={logs}/%A_%a.log"), "--open-mode=append".into(), "--requeue".into()]);
    options.push(format!("--signal=B:USR1@{WARNING}"));
    options.extend(args.options());
    let mut text = String::from("#!/bin/bash\n# Written by `sparring sweep`: each task runs the entries in its line of a list.\n");
    for option in options {
        let _ = writeln!(text, "#SBATCH {}", escaped(&option)?);
    }
    let (list, folder, command) = (quoted(&list.to_string_lossy()), program.folder(), program.words());
    let _ = write!(
        text,
        r#"
cd {folder} || exit 1
entries=$(sed -n "${{SLURM_ARRAY_TASK_ID}}p" {list})
# As many threads as the task was given processors.
export RAYON_NUM_THREADS="${{RAYON_NUM_THREADS:-$SLURM_CPUS_ON_NODE}}"
# Shortly before the time limit: stop at a checkpoint, and ask for another turn.
trap 'again=yes; kill -TERM $program' USR1
# Slurm sends this one to the program too, which takes a second one for an order to stop at once.
trap : TERM
{command} --only "$entries" &
program=$!
wait $program; code=$?
while kill -0 $program 2> /dev/null; do wait $program; code=$?; done
if [ -n "$again" ] && [ $code -ne 0 ]; then
    # A controller that is away may come back.
    for pause in 1 5 10 20 30; do scontrol requeue "$SLURM_JOB_ID" && break; sleep $pause; done
fi
exit $code
"#
    );
    Ok(text)
}

/// A word as a POSIX shell reads it back.
pub fn quoted(word: &str) -> String {
    if is_plain(word) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// An option of a script as `sbatch` reads it back.
fn escaped(option: &str) -> Result<String> {
    if option.contains(char::is_control) {
        bail!("{option:?} cannot stand in a batch script: it has a line break or another control character; name it otherwise");
    }
    Ok(match option.split_once('=') {
        Some((name, value)) if !is_plain(value) => format!("{name}=\"{}\"", value.replace('\\', r"\\").replace('"', "\\\"")),
        _ => option.to_owned(),
    })
}

fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    #[cfg(unix)]
    fn words_come_back_from_a_shell() {
        for word in ["plain-1.0/x", "", "a b", "it's", "$HOME `id` \"x\"", "*?[a]~", "line\nend"] {
            let said = std::process::Command::new("sh").args(["-c", &format!("printf %s {}", quoted(word))]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&said.stdout), word);
        }
    }

    #[test]
    fn a_script_says_what_was_asked_for_and_nothing_else() {
        let program = Program { command: vec!["/a b/sparring".into(), "sweep".into()], from: "/it's".into() };
        let args = SlurmArgs { array_limit: std::num::NonZeroU32::new(3), ..SlurmArgs::default() };
        let of = |logs: &str| script("s", 9, &args, &program, Path::new("/x/tasks-1.txt"), Path::new(logs));
        let text = of("/a \"b\" 5%").unwrap();
        for line in ["#SBATCH --array=1-9%3", r#"#SBATCH --output="/a \"b\" 5%%/%A_%a.log""#, r"cd '/it'\''s' || exit 1"] {
            assert!(text.lines().any(|known| known == line), "{line}\n{text}");
        }
        assert!(!text.contains("--partition") && !text.contains("--time"), "{text}");
        assert!(of("/a\nrm -r").unwrap_err().to_string().contains("cannot stand in a batch script"));
    }
}
