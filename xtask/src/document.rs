//! The page's document as it is sent: its style sheets stand in it, and the security policy allows these and no other.
//!
//! What is painted first then needs one round trip. Linked sheets are a second one, which on a slow line is longer than all else together.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// What the policy says where sheets are linked.
const LINKED: &str = "style-src 'self'";

/// Writes the linked style sheets of the page in `dist` into its document, and removes their files.
pub fn write(ws: &Workspace, dist: &Path) -> Result<()> {
    let path = dist.join("index.html");
    let text = std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let (without, sheets) = taken_out(&text);
    let mut style = String::new();
    for sheet in &sheets {
        let file = dist.join(sheet);
        style.push_str(&std::fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?);
        std::fs::remove_file(&file).with_context(|| format!("{} cannot be removed", file.display()))?;
    }
    // Read as a browser reads it: a line ends in one character.
    let style = style.replace("\r\n", "\n");
    let hash = sha256(ws, &dist.join("style.css"), &style)?;
    let text = put_in(&without, &style, &hash).with_context(|| format!("{} has no place for its style", path.display()))?;
    std::fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
}

/// The hash of a text as the policy writes it: Node's, which reads it from this file.
fn sha256(ws: &Workspace, file: &Path, text: &str) -> Result<String> {
    let script =
        "process.stdout.write(require('crypto').createHash('sha256').update(require('fs').readFileSync(process.argv[1])).digest('base64'))";
    std::fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))?;
    let hash = process::output(ws.command("node").args(["-e", script, "--"]).arg(file));
    std::fs::remove_file(file).with_context(|| format!("{} cannot be removed", file.display()))?;
    hash
}

/// A document without its links to style sheets, and what they named, in order.
fn taken_out(text: &str) -> (String, Vec<String>) {
    let (mut out, mut sheets) = (String::with_capacity(text.len()), Vec::new());
    let mut rest = text;
    while let Some(at) = rest.find("<link ") {
        let end = rest[at..].find('>').map_or(rest.len(), |end| at + end + 1);
        let tag = &rest[at..end];
        let sheet = tag.split_once("href=\"").and_then(|(_, href)| href.split('"').next()).filter(|_| tag.contains("rel=\"stylesheet\""));
        match sheet {
            Some(href) => {
                out.push_str(&rest[..at]);
                sheets.push(href.trim_start_matches("./").to_owned());
            }
            None => out.push_str(&rest[..end]),
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    (out, sheets)
}

/// The document with this style, whose hash the policy names in place of files.
fn put_in(text: &str, style: &str, hash: &str) -> Result<String> {
    if text.matches(LINKED).count() != 1 || text.matches("</head>").count() != 1 || style.is_empty() {
        bail!("it needs linked style sheets, one head, and one policy that says \"{LINKED}\"");
    }
    let text = text.replace(LINKED, &format!("style-src 'sha256-{hash}'"));
    Ok(text.replace("</head>", &format!("<style>{style}</style></head>")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn sheets_stand_in_the_document_in_their_order_and_other_links_stay() {
        let text = "<head><meta content=\"style-src 'self'; x\"><link rel=\"stylesheet\" href=\"./a-1.css\" integrity=\"i\"/>\n\
                    <link rel=\"icon\" href=\"icon.svg\"><link rel=\"stylesheet\" href=\"b.css\"></head><body></body>";
        let (without, sheets) = taken_out(text);
        assert_eq!(sheets, ["a-1.css", "b.css"]);
        let out = put_in(&without, "p {}", "HASH=").unwrap();
        assert_eq!(
            out,
            "<head><meta content=\"style-src 'sha256-HASH='; x\">\n<link rel=\"icon\" href=\"icon.svg\"><style>p {}</style></head><body></body>"
        );
        assert!(put_in("<head></head>", "p {}", "HASH=").is_err());
        assert!(put_in(&out, "p {}", "HASH=").is_err());
    }
}
