//! Files, links, devices, pipes and folders as outputs.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sparring-output-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.0).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_is_replaced_whole_and_its_folder_is_made() {
    let scratch = Scratch::new("file");
    let path = scratch.0.join("a/b/out.csv");
    write(&path, b"one").unwrap();
    write(&path, b"two").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing else is left");
    let message = format!("{:#}", write(&scratch.0, b"x").unwrap_err());
    assert!(message.contains("is a folder; name a file in it"), "{message}");
}

#[cfg(unix)]
#[test]
fn links_stay_links_and_what_is_no_file_is_written_through() {
    use std::os::unix::fs::{FileTypeExt, symlink};
    let scratch = Scratch::new("links");
    let (target, link, second) = (scratch.0.join("target"), scratch.0.join("link"), scratch.0.join("second"));
    symlink("target", &link).unwrap();
    symlink(&link, &second).unwrap();
    write(&second, b"through both").unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"through both");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink() && fs::symlink_metadata(&second).unwrap().is_symlink());
    let null = scratch.0.join("null");
    symlink("/dev/null", &null).unwrap();
    for device in [Path::new("/dev/null"), &null] {
        write(device, b"gone").unwrap();
    }
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    let fifo = scratch.0.join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let reader = std::thread::spawn({
        let fifo = fifo.clone();
        move || fs::read(fifo).unwrap()
    });
    write(&fifo, b"piped").unwrap();
    assert_eq!(reader.join().unwrap(), b"piped");
    assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo());
    let circle = scratch.0.join("circle");
    symlink("circle", &circle).unwrap();
    assert!(format!("{:#}", write(&circle, b"x").unwrap_err()).contains("leads in a circle"));
    assert_eq!(scratch.names(), ["circle", "fifo", "link", "null", "second", "target"]);
}

#[test]
fn the_streams_have_several_names() {
    for (name, place) in
        [("-", Place::Stdout), ("/dev/stdout", Place::Stdout), ("/dev/fd/1", Place::Stdout), ("/dev/stderr", Place::Stderr)]
    {
        assert_eq!(Place::of(Path::new(name)).unwrap(), place, "{name}");
    }
    assert_eq!(Place::of(Path::new("./-")).unwrap(), Place::File("./-".into()));
    assert_eq!(Place::of(Path::new("/dev/fd/7")).unwrap(), Place::Through("/dev/fd/7".into()));
}

#[test]
fn an_output_that_is_an_input_is_refused() {
    let scratch = Scratch::new("inputs");
    let at = |name: &str| scratch.0.join(name);
    fs::create_dir_all(at("pictures/cat")).unwrap();
    for name in ["in.safetensors", "pictures/cat/1.PNG", "pictures/notes.csv"] {
        fs::write(at(name), "x").unwrap();
    }
    let refused = |outputs: Outputs<'_>| {
        let error = outputs.check().map(drop).unwrap_err();
        assert!(error.is::<Usage>(), "{error:#}");
        error.to_string()
    };
    let (input, other) = (at("in.safetensors"), at("pictures/../in.safetensors"));
    let message = refused(Outputs::new(false).input("--checkpoint", Some(&input)).output("--out", Some(&other)));
    assert!(
        message.contains("--out") && message.contains("is an input, --checkpoint") && message.contains("would be overwritten"),
        "{message}"
    );
    let folder = at("pictures");
    let pictures = || Outputs::new(false).images(folder.to_str().unwrap());
    assert!(refused(pictures().output("--sheet", Some(&at("pictures/cat/1.PNG")))).contains("--folder"));
    assert!(refused(pictures().output("--sheet", Some(&at("pictures/cat/new.png")))).contains("read as one the next time"));
    pictures().output("--sheet", Some(&at("new.png"))).output("--csv", Some(&at("pictures/notes.csv"))).check().unwrap();
    fs::write(at("pictures/train-labels-idx1-ubyte"), "x").unwrap();
    assert!(refused(pictures().output("--export", Some(&at("pictures/train-labels-idx1-ubyte")))).contains("would be overwritten"));
    // All of a run belongs to its checkpoint.
    fs::create_dir_all(at("run")).unwrap();
    for name in ["run/summary.json", "run/w.safetensors"] {
        fs::write(at(name), "x").unwrap();
    }
    let weights = at("run/w.safetensors");
    let folder = at("run");
    let run = || Outputs::new(false).checkpoint(&weights, Some(&folder));
    assert!(refused(run().output("--export", Some(&at("run/summary.json")))).contains("the run of --checkpoint"));
    run().output("--export", Some(&at("run/adversarial.npy"))).check().unwrap();
    let message = refused(Outputs::new(false).output("--export", Some(&at("x.npy"))).output("--sheet", Some(&at("./x.npy"))));
    assert!(message.contains("--export and --sheet are the same place"), "{message}");
    let dash = Path::new("-");
    assert!(refused(Outputs::new(false).output("--csv", Some(dash)).output("--sheet", Some(dash))).contains("the same place"));
    assert!(refused(Outputs::new(true).output("--csv", Some(dash))).contains("--csv and --json would both write to standard output"));
    assert!(Outputs::new(false).file("--out", Some(dash)).is_err_and(|e| e.is::<Usage>()));
    // A device may be named twice.
    let null = Path::new("/dev/null");
    if null.exists() {
        Outputs::new(false).output("--csv", Some(null)).output("--sheet", Some(null)).check().unwrap();
    }
}

#[test]
fn places_are_tried_and_nothing_is_left_of_it() {
    let scratch = Scratch::new("tried");
    try_folder(&scratch.0.join("a/b")).unwrap();
    assert!(scratch.names().is_empty());
    fs::write(scratch.0.join("file"), "x").unwrap();
    let message = format!("{:#}", try_folder(&scratch.0.join("file/below")).unwrap_err());
    assert!(message.contains("nothing can be written into the folder"), "{message}");
    assert!(Outputs::new(false).output("--out", Some(&scratch.0.join("file/below/out"))).check().is_err());
    assert_eq!(scratch.names(), ["file"]);
}

#[cfg(unix)]
#[test]
fn permissions_are_kept_and_read_only_files_are_not_replaced() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new("modes");
    let path = scratch.0.join("secret.csv");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    write(&path, b"new").unwrap();
    assert_eq!((fs::read(&path).unwrap(), fs::metadata(&path).unwrap().permissions().mode() & 0o777), (b"new".to_vec(), 0o600));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    let said = format!("{:#}", Outputs::new(false).output("--csv", Some(&path)).check().unwrap_err());
    assert!(said.contains("--csv") && said.contains("read-only"), "{said}");
    assert!(write(&path, b"newer").is_err());
    assert_eq!(fs::read(&path).unwrap(), b"new");
}

#[test]
fn names_as_long_as_file_systems_take_are_written_and_folders_refused_before_the_work() {
    let scratch = Scratch::new("long");
    let path = scratch.0.join(format!("{}.csv", "n".repeat(251)));
    Outputs::new(false).output("--csv", Some(&path)).check().unwrap();
    write(&path, b"x").unwrap();
    for wrong in [format!("{}.csv", "n".repeat(252)), "x.csv/".to_owned()] {
        let path = scratch.0.join(wrong);
        assert!(Outputs::new(false).output("--csv", Some(&path)).check().is_err(), "{}", path.display());
    }
}
