//! A static file server on the loopback interface, for people (`serve`) and for the browser tests.
//!
//! One server for both, so that the tests see the page exactly as a person does: no reload script, the right type for wasm, compressed
//! where the build has made a compressed copy (`compress`).

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result};

/// An encoding as HTTP names it, and how the name of a file's compressed copy ends (`compress` writes them). The smaller one first.
const ENCODINGS: [(&str, &str); 2] = [("br", "br"), ("gzip", "gz")];

/// A folder shown under a path; the longest prefix wins.
pub struct Mount {
    /// Begins and ends with '/'.
    pub prefix: &'static str,
    pub dir: PathBuf,
}

/// A bound server, not yet answering.
pub struct Server {
    listener: TcpListener,
    mounts: Arc<Vec<Mount>>,
}

impl Server {
    /// Binds 127.0.0.1; port 0 takes a free one.
    pub fn bind(port: u16, mut mounts: Vec<Mount>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .with_context(|| format!("port {port} of 127.0.0.1 cannot be used; name another one with --port"))?;
        mounts.sort_by_key(|mount| std::cmp::Reverse(mount.prefix.len()));
        Ok(Self { listener, mounts: Arc::new(mounts) })
    }

    /// Where it answers.
    pub fn url(&self) -> Result<String> {
        Ok(format!("http://{}/", self.listener.local_addr()?))
    }

    /// Answers until the process ends.
    pub fn run(self) {
        for stream in self.listener.incoming().flatten() {
            let mounts = Arc::clone(&self.mounts);
            // A client that goes away in the middle is no trouble of ours.
            std::thread::spawn(move || answer(stream, &mounts).ok());
        }
    }
}

fn answer(mut stream: TcpStream, mounts: &[Mount]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let (mut accepted, mut known) = (String::new(), String::new());
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        match header.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("accept-encoding") => value.trim().clone_into(&mut accepted),
            Some((name, value)) if name.eq_ignore_ascii_case("if-none-match") => value.trim().clone_into(&mut known),
            _ => {}
        }
        header.clear();
    }
    let mut words = request.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if method != "GET" && method != "HEAD" {
        return stream.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let Some((path, encoding, mut file)) = locate(target, mounts).and_then(|path| sent(path, &accepted)) else {
        return stream
            .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 9\r\nConnection: close\r\n\r\nnot found");
    };
    let meta = file.metadata()?;
    let length = meta.len();
    // What is sent is named by its size and time, so that whoever has it already is not sent it again.
    let time = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok()).map_or(0, |t| t.as_nanos());
    let tag = format!("\"{length:x}-{time:x}{encoding}\"");
    let always = format!(
        "ETag: {tag}\r\nVary: Accept-Encoding\r\nCache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    );
    if known.split(',').any(|name| name.trim() == tag) {
        return write!(stream, "HTTP/1.1 304 Not Modified\r\n{always}");
    }
    let coded = if encoding.is_empty() { String::new() } else { format!("Content-Encoding: {encoding}\r\n") };
    let kind = content_type(&path);
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{coded}Content-Length: {length}\r\n{always}")?;
    if method == "GET" {
        std::io::copy(&mut file, &mut stream)?;
    }
    Ok(())
}

/// What is sent of a file: the first compressed copy that is accepted and not older than the file, else the file as it is. With it the
/// file's own path, which says its type, and the name of the encoding.
fn sent(path: PathBuf, accepted: &str) -> Option<(PathBuf, &'static str, File)> {
    let changed = |file: &File| file.metadata().and_then(|meta| meta.modified()).ok();
    let whole = File::open(&path).ok()?;
    for (encoding, ending) in ENCODINGS {
        if accepts(accepted, encoding)
            && let Ok(copy) = File::open(copy_of(&path, ending))
            && changed(&copy) >= changed(&whole)
        {
            return Some((path, encoding, copy));
        }
    }
    Some((path, "", whole))
}

/// The name of a file's copy.
fn copy_of(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// Whether a file is the copy of one beside it.
pub fn is_copy(file: &Path) -> bool {
    let ending = file.extension().and_then(|e| e.to_str());
    ENCODINGS.iter().any(|(_, of_copy)| ending == Some(of_copy)) && file.with_extension("").is_file()
}

/// Whether an `Accept-Encoding` has this one; a weight of 0 refuses it.
fn accepts(header: &str, encoding: &str) -> bool {
    header.split(',').any(|part| {
        let mut words = part.split(';').map(str::trim);
        words.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding))
            && words.filter_map(|w| w.strip_prefix("q=")).all(|q| q.parse::<f32>().is_ok_and(|q| q > 0.0))
    })
}

/// The file that a request target names, where it lies inside a mount.
fn locate(target: &str, mounts: &[Mount]) -> Option<PathBuf> {
    let path = percent_decoded(target.split(['?', '#']).next()?)?;
    let mount = mounts.iter().find(|mount| path.starts_with(mount.prefix))?;
    let rest = Path::new(path.get(mount.prefix.len()..)?);
    if !rest.components().all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    let file = mount.dir.join(rest);
    let file = if file.is_dir() { file.join("index.html") } else { file };
    file.is_file().then_some(file)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|e| e.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("json" | "webmanifest") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("txt" | "md") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::io::Read;

    use super::*;

    fn get(url: &str, target: &str) -> String {
        get_with(url, target, "")
    }

    fn get_with(url: &str, target: &str, headers: &str) -> String {
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn serves_files_of_its_mounts_and_nothing_else() {
        let dir = std::env::temp_dir().join(format!("sparring-server-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("page")).unwrap();
        std::fs::create_dir_all(dir.join("extra")).unwrap();
        std::fs::write(dir.join("secret.txt"), "secret").unwrap();
        std::fs::write(dir.join("page/index.html"), "<p>page").unwrap();
        std::fs::write(dir.join("page/a b.wasm"), "wasm").unwrap();
        std::fs::write(dir.join("extra/case.json"), "{}").unwrap();
        let mounts = vec![Mount { prefix: "/", dir: dir.join("page") }, Mount { prefix: "/extra/", dir: dir.join("extra") }];
        let server = Server::bind(0, mounts).unwrap();
        let url = server.url().unwrap();
        std::thread::spawn(move || server.run());

        assert!(get(&url, "/?epochs=2").ends_with("<p>page"));
        assert!(get(&url, "/a%20b.wasm").contains("Content-Type: application/wasm"));
        assert!(get(&url, "/extra/case.json").ends_with("{}"));
        for outside in ["/../secret.txt", "/%2e%2e/secret.txt", "/extra/..%2fsecret.txt", "//etc/passwd", "/missing", "/%zz", "*"] {
            assert!(get(&url, outside).starts_with("HTTP/1.1 404"), "{outside}");
        }
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn sends_the_copy_that_is_accepted_and_what_is_known_not_again() {
        let dir = std::env::temp_dir().join(format!("sparring-encodings-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        for (name, text) in [("a.js", "plain"), ("a.js.gz", "gzipped"), ("a.js.br", "brotli"), ("b.js", "new"), ("c.js", "alone")] {
            std::fs::write(dir.join(name), text).unwrap();
        }
        let old = File::create(dir.join("b.js.br")).unwrap();
        old.set_modified(UNIX_EPOCH).unwrap();
        let server = Server::bind(0, vec![Mount { prefix: "/", dir: dir.clone() }]).unwrap();
        let url = server.url().unwrap();
        std::thread::spawn(move || server.run());

        for (accepted, encoding, body) in [
            ("gzip, deflate, br, zstd", "br", "brotli"),
            ("gzip;q=1.0, br;q=0", "gzip", "gzipped"),
            ("GZIP", "gzip", "gzipped"),
            ("identity", "", "plain"),
            ("brand", "", "plain"),
        ] {
            let answer = get_with(&url, "/a.js", &format!("accept-encoding: {accepted}\r\n"));
            assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{accepted}: {answer}");
            assert_eq!(answer.contains(&format!("Content-Encoding: {encoding}\r\n")), !encoding.is_empty(), "{accepted}: {answer}");
            assert!(answer.contains("Vary: Accept-Encoding") && answer.contains("text/javascript"), "{accepted}: {answer}");
            assert!(answer.contains(&format!("Content-Length: {}\r\n", body.len())), "{accepted}: {answer}");
        }
        for (file, body) in [("/b.js", "new"), ("/c.js", "alone")] {
            let answer = get_with(&url, file, "Accept-Encoding: br\r\n");
            assert!(answer.ends_with(body) && !answer.contains("Content-Encoding"), "{answer}");
        }
        let tag = |headers: &str| get_with(&url, "/a.js", headers).split("ETag: ").nth(1).unwrap().split("\r\n").next().unwrap().to_owned();
        let (plain, brotli) = (tag(""), tag("Accept-Encoding: br\r\n"));
        assert_ne!(plain, brotli);
        let again = get_with(&url, "/a.js", &format!("Accept-Encoding: br\r\nIf-None-Match: \"x\", {brotli}\r\n"));
        assert!(again.starts_with("HTTP/1.1 304") && again.ends_with("\r\n\r\n"), "{again}");
        assert!(get_with(&url, "/a.js", &format!("If-None-Match: {brotli}\r\n")).ends_with("plain"));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
