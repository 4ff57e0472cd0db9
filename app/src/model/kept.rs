//! How a run lies in the browser's private folder: files that are written once, under a number that grows, and are never changed.
//!
//! A save writes the checkpoint, then the run, then removes the older ones. Whatever breaks off in between, the newest run that can be
//! read and the newest checkpoint that is not newer are a pair that belong together.

use sparring_core::argsort::argsort;

const PREFIX: &str = "run-";
const RUN: &str = ".json";
const CHECKPOINT: &str = ".checkpoint";

/// The file of a run's card and events.
pub fn run_file(run: &str, number: u32) -> String {
    format!("{PREFIX}{run}.{number}{RUN}")
}

/// The file of its checkpoint.
pub fn checkpoint_file(run: &str, number: u32) -> String {
    format!("{PREFIX}{run}.{number}{CHECKPOINT}")
}

/// A new run's id: ids that began later sort later.
pub fn id(milliseconds: f64, hash: &str) -> String {
    format!("{:013.0}-{hash}", milliseconds.max(0.0))
}

/// The files of one run, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shelf {
    /// Its id.
    pub run: String,
    /// Numbers of its run files.
    pub runs: Vec<u32>,
    /// Numbers of its checkpoints.
    pub checkpoints: Vec<u32>,
}

fn parse(name: &str) -> Option<(&str, u32, bool)> {
    let rest = name.strip_prefix(PREFIX)?;
    let (rest, is_checkpoint) = match rest.strip_suffix(RUN) {
        Some(rest) => (rest, false),
        None => (rest.strip_suffix(CHECKPOINT)?, true),
    };
    let (run, number) = rest.rsplit_once('.')?;
    Some((run, number.parse().ok()?, is_checkpoint))
}

/// What lies in a folder with these names, the latest run first. Other files are none of its business.
pub fn shelves(names: &[String]) -> Vec<Shelf> {
    let mut out: Vec<Shelf> = Vec::new();
    for (run, number, is_checkpoint) in names.iter().filter_map(|name| parse(name)) {
        let place = out.iter().position(|s| s.run == run).unwrap_or_else(|| {
            out.push(Shelf { run: run.to_owned(), ..Shelf::default() });
            out.len() - 1
        });
        if is_checkpoint { out[place].checkpoints.push(number) } else { out[place].runs.push(number) }
    }
    for shelf in &mut out {
        descend(&mut shelf.runs);
        descend(&mut shelf.checkpoints);
    }
    // A checkpoint alone is what a save that broke off left.
    out.retain(|shelf| !shelf.runs.is_empty());
    let began = |shelf: &Shelf| shelf.run.split('-').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    let order = argsort(out.iter().map(|shelf| !began(shelf)));
    order.into_iter().map(|i| std::mem::take(&mut out[i as usize])).collect()
}

fn descend(numbers: &mut Vec<u32>) {
    let order = argsort(numbers.iter().map(|n| u64::from(!n)));
    *numbers = order.into_iter().map(|i| numbers[i as usize]).collect();
}

impl Shelf {
    /// The number of the next save.
    pub fn next(&self) -> u32 {
        self.runs.iter().chain(&self.checkpoints).max().map_or(1, |n| n + 1)
    }
    /// The checkpoint that belongs to a run file.
    pub fn checkpoint(&self, number: u32) -> Option<u32> {
        self.checkpoints.iter().copied().find(|n| *n <= number)
    }
    /// What can go once a save is complete; a rename saves no checkpoint, and the newest stays.
    pub fn outdated(&self, saved: u32, keeps_checkpoint: bool) -> Vec<String> {
        let runs = self.runs.iter().filter(|n| **n < saved).map(|n| run_file(&self.run, *n));
        let newest = if keeps_checkpoint { self.checkpoint(saved) } else { None };
        let checkpoints = self.checkpoints.iter().filter(|n| **n < saved && newest != Some(**n));
        runs.chain(checkpoints.map(|n| checkpoint_file(&self.run, *n))).collect()
    }
    /// All its files.
    pub fn files(&self) -> Vec<String> {
        self.outdated(u32::MAX, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn files_of_a_run_are_found_among_others_latest_first() {
        let folder = names(&[
            "run-0001-ab.2.json",
            "run-0001-ab.10.json",
            "run-0001-ab.10.checkpoint",
            "run-0002-ab.1.json",
            "run-0003-ab.1.checkpoint",
            "cifar10-manifest.json",
            "run-0001-ab.x.json",
            "run-0001-ab.3.tmp",
        ]);
        let found = shelves(&folder);
        assert_eq!(found.iter().map(|s| s.run.as_str()).collect::<Vec<_>>(), ["0002-ab", "0001-ab"]);
        assert_eq!((found[1].runs.as_slice(), found[1].checkpoints.as_slice(), found[1].next()), (&[10, 2][..], &[10][..], 11));
        assert!(id(999.0, "ab") < id(1_700_000_000_000.0, "ab"));
    }

    #[test]
    fn whatever_breaks_off_a_run_and_its_checkpoint_belong_together() {
        // A checkpoint that was written, and its run was not.
        let shelf = &shelves(&names(&["run-a.1.json", "run-a.1.checkpoint", "run-a.2.checkpoint"]))[0];
        assert_eq!((shelf.runs[0], shelf.checkpoint(1), shelf.next()), (1, Some(1), 3));
        // A rename.
        let shelf = &shelves(&names(&["run-a.1.json", "run-a.1.checkpoint", "run-a.2.json"]))[0];
        assert_eq!(shelf.checkpoint(2), Some(1));
        assert_eq!(shelf.outdated(2, true), ["run-a.1.json"]);
        assert_eq!(shelf.outdated(3, false), ["run-a.2.json", "run-a.1.json", "run-a.1.checkpoint"]);
        assert_eq!(shelf.files().len(), 3);
    }
}
