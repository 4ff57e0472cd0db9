//! Compressed copies beside the files of a built page, for servers that send prepared ones.
//!
//! Node makes them: it is here anyway, its zlib has brotli, and it compresses on all cores. The lightest crate for brotli would add more to
//! xtask's build than all that it has. Without copies a page of 1.3 MB of WebAssembly goes over the line three times as heavy.

use std::path::Path;

use anyhow::Result;

use crate::offline;
use crate::process;
use crate::workspace::Workspace;

/// What gets smaller. Scores and pictures do not, and datasets are large.
const KINDS: [&str; 7] = ["html", "js", "css", "wasm", "json", "svg", "txt"];

/// The two that `server` sends, as small as each can, for files that are compressed once and sent often. What becomes no smaller
/// gets no copy.
const SCRIPT: &str = "
const { readFileSync, writeFileSync } = require('fs');
const { promisify } = require('util');
const zlib = require('zlib');
const ways = {
  br: (bytes) => promisify(zlib.brotliCompress)(bytes, { params: { [zlib.constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }),
  gz: (bytes) => promisify(zlib.gzip)(bytes, { level: 9 }),
};
Promise.all(process.argv.slice(1).flatMap((file) => Object.entries(ways).map(async ([ending, way]) => {
  const bytes = readFileSync(file);
  const small = await way(bytes);
  if (small.length < bytes.length) writeFileSync(`${file}.${ending}`, small);
}))).catch((error) => { console.error(error); process.exit(1); });
";

/// Writes the copies of what the page in `dist` consists of.
pub fn write(ws: &Workspace, dist: &Path) -> Result<()> {
    let mut files = offline::files(dist)?;
    files.push(offline::WORKER.to_owned());
    files.retain(|file| Path::new(file).extension().and_then(|e| e.to_str()).is_some_and(|e| KINDS.contains(&e)));
    process::output(ws.command("node").current_dir(dist).args(["-e", SCRIPT, "--"]).args(files)).map(|_| ())
}
