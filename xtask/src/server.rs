//! A static file server on the loopback interface, for people (`serve`) and for the browser tests.
//!
//! One server for both, so that the tests see the page exactly as a person does: no reload script, the right type for wasm.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};

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
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let mut words = request.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if method != "GET" && method != "HEAD" {
        return stream.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let found = locate(target, mounts).and_then(|path| File::open(&path).ok().map(|file| (path, file)));
    let Some((path, mut file)) = found else {
        return stream
            .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 9\r\nConnection: close\r\n\r\nnot found");
    };
    let length = file.metadata()?.len();
    let kind = content_type(&path);
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nCache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\n\
         Connection: close\r\n\r\n"
    )?;
    if method == "GET" {
        std::io::copy(&mut file, &mut stream)?;
    }
    Ok(())
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
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
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
}
