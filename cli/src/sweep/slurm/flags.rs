//! The flags of `sweep` that are Slurm's.

use std::num::NonZeroU32;

/// Seconds before its time limit at which a task is told to stop at a checkpoint. Slurm may say so a minute earlier.
pub const WARNING: u64 = 120;
/// A limit below this leaves a task no time to train.
const LEAST: u64 = 300;

/// Flags that are Slurm's.
#[derive(clap::Args, Debug, Default)]
#[command(next_help_heading = "On a cluster")]
pub struct SlurmArgs {
    /// Hand all that is left to do to Slurm as job arrays, show its queue, and collect what is finished; the same command shows the queue
    /// again and submits again what failed
    #[arg(long, group = "handed", conflicts_with_all = ["jobs", "gpus", "only", "collect", "dry_run"])]
    pub slurm: bool,
    /// Write the batch scripts and print the commands of all that is left to do, to run by any other means; submit nothing
    #[arg(long, group = "handed", conflicts_with_all = ["jobs", "gpus", "only", "collect", "dry_run", "json"])]
    pub print: bool,
    /// With --slurm: stay until the queue is empty, then collect
    #[arg(long, requires = "slurm")]
    pub wait: bool,
    /// Partition of the tasks, as sinfo lists them [default: Slurm's]
    #[arg(long, value_name = "NAME", requires = "handed", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub partition: Option<String>,
    /// Time limit of a task, as Slurm writes it: 90 (minutes), 12:00:00 or 2-0 (days-hours). Two or three minutes before it a task stops at
    /// a checkpoint and goes back into the queue [default: the partition's]
    #[arg(long, value_name = "LIMIT", requires = "handed", value_parser = limit)]
    pub time: Option<String>,
    /// What a task needs besides a processor, as Slurm writes it, e.g. gpu:1
    #[arg(long, value_name = "LIST", requires = "handed", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub gres: Option<String>,
    /// Run at most this many tasks of an array at a time [default: as many as there is place for]
    #[arg(long, value_name = "N", requires = "handed", value_parser = from_one)]
    pub array_limit: Option<NonZeroU32>,
    /// Runs that a task makes one after another [default: 1]
    #[arg(long, value_name = "N", requires = "handed", value_parser = from_one)]
    pub chunk: Option<NonZeroU32>,
}

impl SlurmArgs {
    /// Those that go into a batch script as they are.
    pub fn options(&self) -> Vec<String> {
        let named = [("partition", &self.partition), ("time", &self.time), ("gres", &self.gres)];
        named.into_iter().filter_map(|(name, value)| Some(format!("--{name}={}", value.as_ref()?))).collect()
    }
}

/// Seconds of a time limit as Slurm writes it; 0 is none.
fn seconds(text: &str) -> Option<u64> {
    if ["unlimited", "infinite"].contains(&text.to_ascii_lowercase().as_str()) {
        return Some(0);
    }
    let number = |text: &str| text.parse::<u64>().ok().filter(|n| *n < 1_000_000 && text.bytes().all(|c| c.is_ascii_digit()));
    let (days, rest) = text.split_once('-').map_or((None, text), |(days, rest)| (Some(days), rest));
    let parts = rest.split(':').map(number).collect::<Option<Vec<u64>>>()?;
    // After days come hours; without them minutes, and hours where there are three parts.
    let [hours, minutes, seconds] = match (days.is_some(), parts.as_slice()) {
        (true, [hours]) => [*hours, 0, 0],
        (true, [hours, minutes]) => [*hours, *minutes, 0],
        (false, [minutes]) => [0, *minutes, 0],
        (false, [minutes, seconds]) => [0, *minutes, *seconds],
        (_, [hours, minutes, seconds]) => [*hours, *minutes, *seconds],
        _ => return None,
    };
    Some(((days.map_or(Some(0), number)? * 24 + hours) * 60 + minutes) * 60 + seconds)
}

fn from_one(text: &str) -> Result<NonZeroU32, String> {
    text.parse().map_err(|_| format!("expected a whole number from 1 to {}, found '{text}'", u32::MAX))
}

fn limit(text: &str) -> Result<String, String> {
    match seconds(text) {
        None => Err("expected minutes, hours:minutes:seconds or days-hours, such as 90, 12:00:00 or 2-0".into()),
        Some(short @ 1..LEAST) => Err(format!(
            "expected at least {LEAST} seconds, found {short}: up to three minutes before its limit a task stops at a checkpoint, and with \
             less it would never train (90 is 90 minutes)"
        )),
        Some(_) => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn limits_are_read_as_slurm_reads_them() {
        let all = [
            ("30", Some(1800)),
            ("30:15", Some(1815)),
            ("1:30:15", Some(5415)),
            ("2-0", Some(172_800)),
            ("1-2:3", Some(93_780)),
            ("1-2:3:4", Some(93_784)),
            ("0", Some(0)),
            ("UNLIMITED", Some(0)),
        ];
        let wrong = ["", "soon", "1h", "-5", "+5", "1-", "-1", "1:2:3:4", "1-2:3:4:5", "1.5", " 5", "99999999999999999999"];
        for (text, expected) in all.into_iter().chain(wrong.map(|text| (text, None))) {
            assert_eq!(seconds(text), expected, "'{text}'");
        }
    }
}
