//! Standard output: what is written to it, and whether that arrived.
//!
//! A reader that has seen enough (`| head`) closes the pipe, and that is no failure; a disk that is full is one. Without one place for
//! both, each command would end in its own way, some of them in a panic.

use std::io::{self, Write};
use std::sync::OnceLock;

/// The first failure.
static FAILURE: OnceLock<io::Error> = OnceLock::new();

/// Writes. What fails is kept for the end of the program: the work goes on, since its files are there all the same.
pub fn write(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    note(out.write_all(bytes).and_then(|()| out.flush()));
}

/// Writes a line.
pub fn line(text: impl std::fmt::Display) {
    write(format!("{text}\n").as_bytes());
}

/// Keeps what failed, unless it is that nobody reads any more.
pub fn note(result: io::Result<()>) {
    if let Err(error) = result
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _ = FAILURE.set(error);
    }
}

/// What failed first.
pub fn failure() -> Option<&'static io::Error> {
    FAILURE.get()
}
