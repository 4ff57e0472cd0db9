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
use std::time::{Duration, Instant};

use common::{Folder, stderr, stdout};

const STUDY: &str = "[base]\ndataset = \"builtin\"\nmodel = \"tiny\"\nsubset = \"all\"\ncontrol = false\nlimit_train = 128\nlimit_test = 40\n\
                     batch_size = 16\nepochs = 60\ndevice = \"cpu\"\n[axes]\nseeds = 3\nlearners = [\"dense\", \"set@0.2\", \"rigl@0.2\", \"lth@0.3\"]\n";
const PACKAGES: &str = "slurm-wlm munge";

/// The daemons, and where they live; all end with this.
struct Cluster {
    folder: PathBuf,
    conf: PathBuf,
    controller: Option<Child>,
    others: Vec<Child>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for mut child in self.others.drain(..).chain(self.controller.take()) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn has(program: &str) -> bool {
    Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// What a task that runs forever would be waited for.
fn within(seconds: u64, what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < Duration::from_secs(seconds), "{what}: not within {seconds} s");
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Cluster {
    /// `None` where Slurm is not installed, or this is not root, as its daemons have to be.
    fn start(folder: &Path) -> Option<Self> {
        let id = Command::new("id").arg("-u").output().unwrap();
        if stdout(&id).trim() != "0" || !["munged", "slurmctld", "slurmd", "sbatch"].into_iter().all(has) {
            println!(
                "skipped: Slurm is not here, or this is not root; on Debian: sudo apt-get install --yes --no-install-recommends {PACKAGES}"
            );
            return None;
        }
        let at = |name: &str| folder.join(name).display().to_string();
        for part in ["state", "spool-n1", "spool-n2"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        let host = stdout(&Command::new("hostname").output().unwrap()).trim().to_owned();
        let conf = folder.join("slurm.conf");
        let nodes: String = [1, 2]
            .map(|n| format!("NodeName=n{n} NodeHostname={host} NodeAddr=127.0.0.1 Port={} CPUs=2 State=UNKNOWN\n", free_port()))
            .concat();
        let text = format!(
            "ClusterName=test\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={}\nAuthType=auth/munge\nAuthInfo=socket={}\nSlurmUser=root\n\
             StateSaveLocation={}\nSlurmdSpoolDir={}\nSlurmctldPidFile={}\nSlurmdPidFile={}\nProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\n\
             JobAcctGatherType=jobacct_gather/none\nSelectType=select/cons_tres\nSelectTypeParameters=CR_CPU\nMpiDefault=none\nReturnToService=2\n\
             SchedulerParameters=sched_interval=1,bf_interval=1\nSlurmdParameters=config_overrides\nKillWait=10\nMinJobAge=30\n{nodes}\
             PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP\n",
            free_port(),
            at("munge.socket"),
            at("state"),
            at("spool-%n"),
            at("controller.pid"),
            at("node-%n.pid"),
        );
        fs::write(&conf, text).unwrap();
        fs::write(folder.join("key"), (0..1024u32).map(|i| (i * 31 % 251) as u8).collect::<Vec<u8>>()).unwrap();
        assert!(Command::new("chmod").args(["400", &at("key")]).status().unwrap().success());
        let munged = Command::new("munged")
            .args(["--foreground", "--force", &format!("--key-file={}", at("key")), &format!("--socket={}", at("munge.socket"))])
            .args([&format!("--pid-file={}", at("munged.pid")), &format!("--log-file={}", at("munged.log"))])
            .arg(format!("--seed-file={}", at("munged.seed")))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut cluster = Self { folder: folder.to_owned(), conf, controller: None, others: vec![munged] };
        within(20, "munged", || folder.join("munge.socket").exists());
        cluster.start_controller();
        for node in ["n1", "n2"] {
            let child = cluster.daemon("slurmd", &["-D", "-N", node], node);
            cluster.others.push(child);
        }
        within(60, "nodes", || stdout(&cluster.slurm("sinfo", &["--noheader", "--format=%t %D"])).contains("idle 2"));
        Some(cluster)
    }
    fn daemon(&self, program: &str, arguments: &[&str], log: &str) -> Child {
        let log = fs::File::options().create(true).append(true).open(self.folder.join(format!("{log}.log"))).unwrap();
        let both = log.try_clone().unwrap();
        Command::new(program).args(arguments).env("SLURM_CONF", &self.conf).stdout(log).stderr(both).spawn().unwrap()
    }
    fn start_controller(&mut self) {
        self.controller = Some(self.daemon("slurmctld", &["-D"], "controller"));
    }
    fn slurm(&self, program: &str, arguments: &[&str]) -> Output {
        Command::new(program).args(arguments).env("SLURM_CONF", &self.conf).output().unwrap()
    }
    fn sweep(&self, folder: &Folder, more: &str) -> Output {
        folder.command(&format!("sweep s.toml --slurm {more}")).env("SLURM_CONF", &self.conf).output().unwrap()
    }
    /// Tasks that run, as Slurm names them.
    fn running(&self) -> Vec<String> {
        let text = stdout(&self.slurm("squeue", &["--noheader", "--array", "--states=RUNNING", "--format=%F_%K"]));
        text.lines().map(|line| line.trim().to_owned()).collect()
    }
    /// A task that comes to run for the first time since these were seen, once its run has a checkpoint.
    fn under_way(&self, folder: &Folder, seen: &[String]) -> (String, String) {
        let mut found = None;
        within(120, "a run with a checkpoint", || {
            found = self
                .running()
                .into_iter()
                .filter(|task| !seen.contains(task))
                .find_map(|task| Some((task.clone(), self.trainer(folder, &task)?)));
            found.is_some()
        });
        found.unwrap()
    }
    /// The process of a task's run, where that has a checkpoint.
    fn trainer(&self, folder: &Folder, task: &str) -> Option<String> {
        let (job, number) = task.split_once('_')?;
        let study = only(&folder.0.join("studies"));
        let jobs: serde_json::Value = serde_json::from_slice(&fs::read(study.join("slurm/jobs.json")).ok()?).ok()?;
        let job = jobs["jobs"].as_array()?.iter().find(|known| known["id"] == job)?;
        let hash = job["tasks"][number.parse::<usize>().ok()? - 1][0].as_str()?.to_owned();
        let runs = fs::read_dir(folder.0.join("runs")).ok()?.flatten().map(|entry| entry.path());
        let run = runs.into_iter().find(|run| run.file_name().is_some_and(|name| name.to_string_lossy().ends_with(&hash)))?;
        if !run.join("checkpoint.safetensors").exists() {
            return None;
        }
        fs::read_to_string(run.join(".lock")).ok().filter(|process| !process.is_empty())
    }
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
    let folder = Folder::new("slurm");
    let Some(mut cluster) = Cluster::start(&folder.0.join("cluster")) else { return };
    let here = Folder::new("slurm-here");
    for folder in [&folder, &here] {
        fs::write(folder.file("s.toml"), STUDY).unwrap();
    }
    done(&here.command("sweep s.toml --jobs 2").output().unwrap());

    let submitted = cluster.sweep(&folder, "--time 30 --array-limit 3");
    done(&submitted);
    let text = stdout(&submitted);
    // Dense networks first: the lottery tickets stand on them.
    assert!(text.contains("submitted job 1: 9 tasks\n") && text.contains("submitted job 2: 3 tasks, after 1\n"), "{text}");
    assert!(text.contains("pending") && text.contains("1_1"), "{text}");
    let again = cluster.sweep(&folder, "");
    done(&again);
    assert!(!stdout(&again).contains("submitted"), "what is in the queue is not submitted twice: {}", stdout(&again));

    // One is killed, one is told that its time is nearly over, one is put back into the queue.
    let (killed, process) = cluster.under_way(&folder, &[]);
    assert!(Command::new("kill").args(["-9", &process]).status().unwrap().success());
    let mut seen = vec![killed.clone()];
    let (warned, _) = cluster.under_way(&folder, &seen);
    done(&cluster.slurm("scancel", &["--batch", "--signal=USR1", &warned]));
    seen.push(warned.clone());
    let (requeued, _) = cluster.under_way(&folder, &seen);
    done(&cluster.slurm("scontrol", &["requeue", &requeued]));
    // The controller goes, and comes again.
    let mut controller = cluster.controller.take().unwrap();
    controller.kill().unwrap();
    controller.wait().unwrap();
    let nobody = cluster.sweep(&folder, "");
    assert_eq!(nobody.status.code(), Some(1), "{}", stdout(&nobody));
    assert!(stderr(&nobody).contains("squeue refused: "), "{}", stderr(&nobody));
    cluster.start_controller();
    within(60, "the controller", || cluster.slurm("squeue", &[]).status.success());
    // Slurm lets what it put back wait for two minutes; nobody has to.
    for task in [&warned, &requeued] {
        within(60, "a task is back in the queue", || {
            let state = stdout(&cluster.slurm("squeue", &["--noheader", "--format=%T", &format!("--jobs={task}")]));
            state.contains("PENDING") || state.contains("RUNNING") || state.trim().is_empty()
        });
        cluster.slurm("scontrol", &["update", &format!("jobid={task}"), "StartTime=now"]);
    }

    let last = cluster.sweep(&folder, "--wait");
    let (text, told) = (stdout(&last), stderr(&last));
    done(&last);
    assert!(told.contains("its task ended without results") && told.contains("it is submitted again"), "{told}{text}");
    assert!(text.contains("runs      12 of 12 are finished"), "{text}");
    assert_eq!(table(&folder), table(&here), "to the byte");
    let log = fs::read_to_string(only(&folder.0.join("studies")).join("slurm").join(format!("{warned}.log"))).unwrap();
    assert!(log.contains("resumed   after epoch"), "{log}");
}

#[test]
fn without_slurm_there_is_a_list_of_commands() {
    let folder = Folder::new("slurm-print");
    fs::write(folder.file("s.toml"), STUDY.replace("epochs = 60", "epochs = 1").replace("seeds = 3", "seeds = 1")).unwrap();
    let printed = folder.command("sweep s.toml --print --chunk 2").output().unwrap();
    done(&printed);
    let text = stdout(&printed);
    assert!(text.contains("# Part 1 of 2: 2 commands") && text.contains("# Part 2 of 2: 1 commands"), "{text}");
    // Every line is one that a shell runs; the study is then finished.
    for line in text.lines().filter(|line| line.starts_with('/')) {
        let run = Command::new("sh").args(["-c", line]).current_dir(&folder.0).output().unwrap();
        done(&run);
    }
    let collected = folder.command("sweep s.toml --collect").output().unwrap();
    done(&collected);
    assert!(stdout(&collected).contains("runs      4 of 4 are finished"), "{}", stdout(&collected));
    let none = folder.command("sweep s.toml --slurm").env("PATH", "/nonexistent").output().unwrap();
    done(&none);
    fs::write(folder.file("s.toml"), STUDY).unwrap();
    let none = folder.command("sweep s.toml --slurm").env("PATH", "/nonexistent").output().unwrap();
    assert_eq!(none.status.code(), Some(1));
    assert!(stderr(&none).contains("there is no 'sbatch' here") && stderr(&none).contains("--print"), "{}", stderr(&none));
}
