//! A study handed to Slurm for real: a controller and two nodes on this machine, a task killed, one told of its time limit, one requeued, the
//! controller started again in the middle. The results are those of the same study on this machine alone, to the byte.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(missing_docs, reason = "tests")]

mod common;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use common::{Folder, stderr, stdout};

const STUDY: &str = "[base]\ndataset = \"builtin\"\nmodel = \"tiny\"\nsubset = \"all\"\ncontrol = false\nlimit_train = 128\nlimit_test = 40\n\
                     batch_size = 16\nepochs = 40\ndevice = \"cpu\"\n[axes]\nseeds = 3\nlearners = [\"dense\", \"set@0.2\", \"rigl@0.2\", \"lth@0.3\"]\n";
const PACKAGES: &str = "slurm-wlm munge";

/// The daemons, and where they live; all end with this, and so does what they started.
struct Cluster {
    /// Of the daemons, and of the study: whatever works in one of these is ours.
    folders: [PathBuf; 2],
    conf: PathBuf,
    controller: Option<Child>,
    others: Vec<Child>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.tell();
        }
        for mut child in self.controller.take().into_iter().chain(self.others.drain(..)) {
            let _ = child.kill();
            let _ = child.wait();
        }
        // A task's keeper is nobody's child.
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(20) {
            let left = self.processes();
            if left.is_empty() {
                return;
            }
            let _ = Command::new("kill").arg("-9").args(left).stderr(Stdio::null()).status();
            std::thread::sleep(Duration::from_millis(50));
        }
        println!("still there: {:?}", self.processes());
    }
}

/// A port that is free, below those that a system gives away by itself.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let from = 20_000 + (std::process::id() % 100) as u16 * 100;
    let mut ports = (0..100).map(|_| from + NEXT.fetch_add(1, Ordering::Relaxed) % 100);
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

fn has(program: &str) -> bool {
    Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Waits until something is so, and fails where it never comes.
fn within<T>(seconds: u64, what: &str, mut is: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = is() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(seconds), "{what}: not within {seconds} s");
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Cluster {
    /// `None` where Slurm is not installed, or this is not root, as its daemons have to be.
    fn start(folder: &Path, study: &Path) -> Option<Self> {
        let id = Command::new("id").arg("-u").output().unwrap();
        if stdout(&id).trim() != "0" || !["munged", "slurmctld", "slurmd", "sbatch", "setpriv"].into_iter().all(has) {
            println!("skipped: this needs root and Slurm; on Debian: sudo apt-get install --yes --no-install-recommends {PACKAGES}");
            return None;
        }
        let at = |name: &str| folder.join(name).display().to_string();
        for part in ["state", "spool-n1", "spool-n2"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        let host = stdout(&Command::new("hostname").output().unwrap());
        let host = host.trim().split('.').next().unwrap();
        let nodes: String = [1, 2]
            .map(|n| format!("NodeName=n{n} NodeHostname={host} NodeAddr=127.0.0.1 Port={} CPUs=2 State=UNKNOWN\n", free_port()))
            .concat();
        let text = format!(
            "ClusterName=test\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={}\nAuthType=auth/munge\nAuthInfo=socket={}\nSlurmUser=root\n\
             StateSaveLocation={}\nSlurmdSpoolDir={}\nSlurmctldPidFile={}\nSlurmdPidFile={}\nProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\n\
             JobAcctGatherType=jobacct_gather/none\nSelectType=select/cons_tres\nSelectTypeParameters=CR_CPU\nMpiDefault=none\nReturnToService=2\n\
             SchedulerParameters=sched_interval=1,bf_interval=1\nSlurmdParameters=config_overrides\nKillWait=30\nMinJobAge=30\n{nodes}\
             PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP\n",
            free_port(),
            at("munge.socket"),
            at("state"),
            at("spool-%n"),
            at("controller.pid"),
            at("node-%n.pid"),
        );
        let conf = folder.join("slurm.conf");
        fs::write(&conf, text).unwrap();
        fs::write(folder.join("key"), (0..1024u32).map(|i| (i * 31 % 251) as u8).collect::<Vec<u8>>()).unwrap();
        assert!(Command::new("chmod").args(["400", &at("key")]).status().unwrap().success());
        let mut cluster = Self { folders: [folder, study].map(Path::to_owned), conf, controller: None, others: Vec::new() };
        let files = ["key-file=key", "socket=munge.socket", "pid-file=munged.pid", "log-file=munged.log", "seed-file=munged.seed"];
        let files = files.map(|file| file.split_once('=').map(|(option, name)| format!("--{option}={}", at(name))).unwrap());
        let arguments: Vec<&str> = ["--foreground", "--force"].into_iter().chain(files.iter().map(String::as_str)).collect();
        let munged = cluster.daemon("munged", &arguments, "munge");
        cluster.others.push(munged);
        within(30, "munged", || folder.join("munge.socket").exists().then_some(()));
        cluster.start_controller();
        for node in ["n1", "n2"] {
            let child = cluster.daemon("slurmd", &["-D", "-N", node], node);
            cluster.others.push(child);
        }
        within(60, "nodes", || cluster.slurm("sinfo", &["--noheader", "--format=%t %D"]).contains("idle 2").then_some(()));
        Some(cluster)
    }
    /// What there is to know where the test failed: the queue, and the ends of all logs.
    fn tell(&self) {
        println!("{}", self.slurm("squeue", &["--array", "--format=%F_%K %T %S %r"]));
        let studies = fs::read_dir(self.folders[1].join("studies")).into_iter().flatten().flatten().map(|entry| entry.path().join("slurm"));
        for folder in studies.chain([self.folders[0].clone()]) {
            for file in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
                if file.extension().is_some_and(|extension| extension == "out" || extension == "log") {
                    let text = String::from_utf8_lossy(&fs::read(&file).unwrap_or_default()).into_owned();
                    let lines: Vec<&str> = text.lines().collect();
                    println!("-- {}\n{}", file.display(), lines[lines.len().saturating_sub(12)..].join("\n"));
                }
            }
        }
    }
    /// A daemon that ends with this test, however that ends.
    fn daemon(&self, program: &str, arguments: &[&str], log: &str) -> Child {
        let log = fs::File::options().create(true).append(true).open(self.folders[0].join(format!("{log}.out"))).unwrap();
        let both = log.try_clone().unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", program]).args(arguments).current_dir(&self.folders[0]).env("SLURM_CONF", &self.conf);
        command.stdin(Stdio::null()).stdout(log).stderr(both).spawn().unwrap()
    }
    fn start_controller(&mut self) {
        self.controller = Some(self.daemon("slurmctld", &["-D"], "controller"));
    }
    /// The controller writes its state down and ends.
    fn stop_controller(&mut self) {
        let controller = self.controller.as_mut().unwrap();
        assert!(Command::new("kill").arg(controller.id().to_string()).status().unwrap().success());
        within(60, "the controller's end", || controller.try_wait().unwrap());
        self.controller = None;
    }
    /// Processes that work in a folder of ours.
    fn processes(&self) -> Vec<String> {
        let ours = |pid: &String| {
            let folder = fs::read_link(format!("/proc/{pid}/cwd"));
            *pid != std::process::id().to_string() && folder.is_ok_and(|folder| self.folders.iter().any(|our| folder.starts_with(our)))
        };
        let all = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        all.filter(|name| name.bytes().all(|c| c.is_ascii_digit())).filter(ours).collect()
    }
    fn command(&self, program: &str, arguments: &[&str]) -> Output {
        Command::new(program).args(arguments).env("SLURM_CONF", &self.conf).output().unwrap()
    }
    /// What a program of Slurm says; nothing where it is refused.
    fn slurm(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program, arguments);
        if output.status.success() { stdout(&output) } else { String::new() }
    }
    fn sweep(&self, folder: &Folder, more: &str) -> Output {
        folder.command(&format!("sweep {more}")).env("SLURM_CONF", &self.conf).output().unwrap()
    }
    /// Tasks that run, as Slurm names them.
    fn running(&self) -> Vec<String> {
        let text = self.slurm("squeue", &["--noheader", "--array", "--states=RUNNING", "--format=%F_%K"]);
        text.lines().map(|line| line.trim().to_owned()).collect()
    }
    /// Sends a task's script the signal that Slurm sends shortly before the time limit; whether its program heard of it.
    fn warn(&self, task: &str, logs: &Path) -> bool {
        let log = logs.join(format!("{task}.log"));
        // Some versions send it, believe that they did not, and try again for a minute.
        let mut scancel = Command::new("scancel").args(["--batch", "--signal=USR1", task]).env("SLURM_CONF", &self.conf).spawn().unwrap();
        let heard = within(60, "a task is over or stopping", || {
            let stopping = fs::read_to_string(&log).is_ok_and(|log| log.contains("stopping after this slice"));
            if stopping { Some(true) } else { (!self.running().contains(&task.to_owned())).then_some(false) }
        });
        let _ = scancel.kill();
        let _ = scancel.wait();
        heard
    }
    /// Does something to a task that was not seen before, once its run has a checkpoint and Slurm lets it; which that was.
    fn to_a_task(&self, folder: &Folder, seen: &[&str], mut act: impl FnMut(&str, &str) -> bool) -> String {
        within(120, "a task that something can be done to", || {
            let tasks = self.running().into_iter().filter(|task| !seen.contains(&task.as_str()));
            tasks.into_iter().find(|task| trainer(folder, task).is_some_and(|process| act(task, &process)))
        })
    }
}

/// The process of a task's run, where that has a checkpoint.
fn trainer(folder: &Folder, task: &str) -> Option<String> {
    let (job, number) = task.split_once('_')?;
    let jobs: serde_json::Value = serde_json::from_slice(&fs::read(only(&folder.0.join("studies")).join("slurm/jobs.json")).ok()?).ok()?;
    let job = jobs["jobs"].as_array()?.iter().find(|known| known["id"] == job)?;
    let hash = job["tasks"][number.parse::<usize>().ok()? - 1][0].as_str()?.to_owned();
    let mut runs = fs::read_dir(folder.0.join("runs")).ok()?.flatten().map(|entry| entry.path());
    let run = runs.find(|run| run.file_name().is_some_and(|name| name.to_string_lossy().ends_with(&hash)))?;
    if !run.join("checkpoint.safetensors").exists() {
        return None;
    }
    fs::read_to_string(run.join(".lock")).ok().filter(|process| !process.is_empty())
}

fn only(folder: &Path) -> PathBuf {
    let all: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].clone()
}

fn done(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(output), stderr(output));
}

fn table(folder: &Folder) -> String {
    fs::read_to_string(only(&folder.0.join("studies")).join("study.csv")).unwrap()
}

#[test]
fn a_cluster_with_troubles_gives_what_one_machine_gives() {
    let daemons = Folder::new("slurm-cluster");
    // A folder that shells and scripts of Slurm would read wrongly.
    let folder = Folder::new("slurm's \"5%\" #1");
    let Some(mut cluster) = Cluster::start(&daemons.0, &folder.0) else { return };
    let here = Folder::new("slurm-here");
    for folder in [&folder, &here] {
        fs::write(folder.file("s.toml"), STUDY).unwrap();
    }
    done(&here.command("sweep s.toml --jobs 2").output().unwrap());

    let refused = cluster.sweep(&folder, "s.toml --slurm --partition nowhere");
    assert_eq!(refused.status.code(), Some(1), "{}", stdout(&refused));
    let told = stderr(&refused);
    assert!(
        told.contains("sbatch refused: invalid partition specified: nowhere") && told.contains("job-1-") && told.contains(".sh (9 tasks)"),
        "{told}"
    );
    let submitted = cluster.sweep(&folder, "s.toml --slurm --partition main --time 30 --array-limit 3");
    done(&submitted);
    let text = stdout(&submitted);
    // Dense networks first: the lottery tickets stand on them.
    assert!(text.contains("submitted job 1: 9 tasks\n"), "{text}");
    // Tasks that run already have numbers of their own, so that the next job need not be the second.
    let tickets = text.split_once(": 3 tasks, after 1\n").and_then(|(before, _)| Some(before.rsplit_once("submitted job ")?.1.to_owned()));
    let tickets = tickets.unwrap_or_else(|| panic!("{text}"));
    assert!(text.contains("pending") && text.contains("1_1"), "{text}");
    let again = cluster.sweep(&folder, "s.toml --slurm");
    done(&again);
    assert!(!stdout(&again).contains("submitted"), "what is in the queue is not submitted twice: {}", stdout(&again));

    let logs = only(&folder.0.join("studies")).join("slurm");
    // The first, a parent, is killed; another is told that its time is nearly over; a third is put back into the queue.
    let others: Vec<String> = (2..10).map(|task| format!("1_{task}")).collect();
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    let kill = |_: &str, process: &str| Command::new("kill").args(["-9", process]).status().unwrap().success();
    let killed = cluster.to_a_task(&folder, &others, kill);
    let warn = |task: &str, _: &str| cluster.warn(task, &logs);
    let warned = cluster.to_a_task(&folder, &[&killed], warn);
    let requeue = |task: &str, _: &str| cluster.command("scontrol", &["requeue", task]).status.success();
    let requeued = cluster.to_a_task(&folder, &[&killed, &warned], requeue);
    // The controller goes, and comes again.
    cluster.stop_controller();
    let nobody = cluster.sweep(&folder, "s.toml --slurm");
    assert_eq!(nobody.status.code(), Some(1), "{}", stdout(&nobody));
    assert!(stderr(&nobody).contains("squeue refused: "), "{}", stderr(&nobody));
    cluster.start_controller();
    within(60, "the controller", || cluster.command("squeue", &[]).status.success().then_some(()));
    let resumed = |task: &str| fs::read_to_string(logs.join(format!("{task}.log"))).is_ok_and(|log| log.contains("resumed   after epoch"));
    for task in [&warned, &requeued] {
        // Slurm lets what it put back wait for two minutes; nobody has to. Said once, since each change has it plan anew.
        within(120, "a task is back in the queue", || {
            let state = cluster.slurm("squeue", &["--noheader", "--array", "--format=%T", &format!("--jobs={task}")]);
            let waits = state.trim() == "PENDING";
            let now = || cluster.command("scontrol", &["update", &format!("JobId={task}"), "StartTime=now"]).status.success();
            ((waits && now()) || resumed(task)).then_some(())
        });
        within(120, "a task goes on", || resumed(task).then_some(()));
    }

    // What waits for the killed one waits for its second try.
    let second = cluster.sweep(&folder, "s.toml --slurm");
    let (text, told) = (stdout(&second), stderr(&second));
    done(&second);
    assert!(text.contains("its task 1_1 ended without results") && text.contains("it is submitted again"), "{text}{told}");
    let job = text.split_once("submitted job ").and_then(|(_, rest)| rest.split_once(": 1 task\n")).map(|(job, _)| job);
    let job = job.unwrap_or_else(|| panic!("{text}"));
    let after = cluster.slurm("squeue", &["--noheader", "--array", "--format=%K %E", &format!("--jobs={tickets}")]);
    assert!(after.lines().any(|line| line.contains(&format!("afterany:{job}_"))), "after {job}: {after}");
    let last = cluster.sweep(&folder, "s.toml --slurm --wait");
    done(&last);
    assert!(stdout(&last).contains("runs      12 of 12 are finished"), "{}", stdout(&last));
    assert_eq!(table(&folder), table(&here), "to the byte");

    // What fails is listed, with what it said last.
    fs::write(folder.file("t.toml"), STUDY.replace("epochs = 40", "epochs = 1")).unwrap();
    let plan = folder.command("sweep t.toml --out t --dry-run --json").output().unwrap();
    let plan: serde_json::Value = serde_json::from_str(&stdout(&plan)).unwrap();
    let run = folder.0.join(plan["runs"][1]["folder"].as_str().unwrap());
    fs::create_dir_all(&run).unwrap();
    fs::write(run.join("summary.json"), "{").unwrap();
    let failed = cluster.sweep(&folder, "t.toml --out t --slurm --wait --chunk 5");
    let (text, told) = (stdout(&failed), stderr(&failed));
    assert_eq!(failed.status.code(), Some(1), "{text}{told}");
    assert!(text.contains(": 2 tasks\n") && text.contains("runs      11 of 12 are finished"), "{text}{told}");
    assert!(text.contains("          error: run ") && text.contains("it is damaged"), "{text}{told}");
}

#[test]
fn without_slurm_there_is_a_list_of_commands() {
    let folder = Folder::new("slurm-print it's");
    fs::write(folder.file("s.toml"), STUDY.replace("epochs = 40", "epochs = 1").replace("seeds = 3", "seeds = 1")).unwrap();
    let printed = folder.command("sweep s.toml --print --chunk 2").output().unwrap();
    done(&printed);
    let text = stdout(&printed);
    assert!(text.contains("# Part 1 of 2: 2 commands,") && text.contains("# Part 2 of 2: 1 command,"), "{text}");
    // All of standard output is a script, for a shell that starts anywhere; the study is then finished.
    done(&Command::new("sh").args(["-ec", &text]).current_dir("/").env("SPARRING_DATA", folder.file("data")).output().unwrap());
    let collected = folder.command("sweep s.toml --collect").output().unwrap();
    done(&collected);
    assert!(stdout(&collected).contains("runs      4 of 4 are finished"), "{}", stdout(&collected));
    // Nothing is left to hand over.
    done(&folder.command("sweep s.toml --slurm").env("PATH", "/nonexistent").output().unwrap());
    let none = folder.command("sweep s.toml --print").output().unwrap();
    done(&none);
    assert_eq!(stdout(&none), "");
}

#[test]
fn what_cannot_be_handed_over_is_said() {
    let folder = Folder::new("slurm-wrong");
    fs::write(folder.file("s.toml"), STUDY).unwrap();
    let refused = |flags: &str, code: i32, words: &[&str]| {
        let output = folder.command(&format!("sweep s.toml --out s {flags}")).env("PATH", folder.file("bin")).output().unwrap();
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{flags}: {told}");
        assert!(words.iter().all(|word| told.contains(word)), "{flags}: {told}");
    };
    for (flags, words) in [
        ("--slurm --time soon", ["'soon' for '--time", "expected minutes, hours:minutes:seconds or days-hours"]),
        ("--slurm --time 2", ["'2' for '--time", "expected at least 300 seconds, found 120"]),
        ("--print --array-limit 0", ["'0' for '--array-limit", "expected a whole number from 1"]),
        ("--slurm --chunk 0", ["'0' for '--chunk", "expected a whole number from 1"]),
        ("--slurm --partition=", ["--partition", "a value is required"]),
        ("--time 90", ["--slurm", "--print"]),
        ("--wait", ["required", "--slurm"]),
        ("--slurm --print", ["--slurm", "cannot be used with"]),
        ("--slurm --jobs 2", ["--jobs", "cannot be used with"]),
    ] {
        refused(flags, 2, &words);
    }
    assert!(!folder.0.join("s").exists(), "nothing was written");
    refused("--slurm", 1, &["there is no 'sbatch' here", "--print"]);
    // An sbatch that refuses, and one that says something else.
    fs::create_dir(folder.file("bin")).unwrap();
    let sbatch = |text: &str| {
        // Written beside its place: a file that is open for writing cannot be run.
        fs::write(folder.file("sbatch"), format!("#!/bin/sh\n{text}\n")).unwrap();
        assert!(Command::new("chmod").args(["755", &folder.file("sbatch")]).status().unwrap().success());
        fs::rename(folder.file("sbatch"), folder.file("bin/sbatch")).unwrap();
    };
    sbatch("echo 'sbatch: error: no such account' >&2; echo 'sbatch: error: Batch job submission failed' >&2; exit 1");
    refused("--slurm", 1, &["job-1-", ".sh (9 tasks)", "sbatch refused: no such account; Batch job submission failed"]);
    sbatch("exit 3");
    refused("--slurm", 1, &["sbatch refused: exit status: 3"]);
    sbatch("echo welcome");
    refused("--slurm", 1, &["sbatch answered 'welcome'", "a job's number was expected"]);
    // A damaged record.
    let jobs = folder.file("s/slurm/jobs.json");
    for (text, words) in [("{\"jobs\": [", "EOF"), ("", "EOF"), ("{\"jobs\": 3}", "expected a sequence"), ("{}", "missing field `jobs`")] {
        fs::write(&jobs, text).unwrap();
        for flag in ["--slurm", "--print"] {
            refused(flag, 1, &["s/slurm/jobs.json is damaged", words, "remove it"]);
        }
    }
    // Tasks that nobody submitted.
    fs::write(&jobs, "{\"jobs\": [{\"id\": \"7\", \"tasks\": []}]}").unwrap();
    refused("--slurm", 1, &["there is no 'squeue' here"]);
    assert_eq!(folder.command("sweep s.toml --out s --print").output().unwrap().status.code(), Some(0));
}
