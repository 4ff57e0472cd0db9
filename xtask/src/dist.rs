//! `cargo xtask dist`: the page as static files, for any server and any path on it.
//!
//! Every address in the page is relative, so one set of files serves every path. What a path changes is the page for wrong addresses,
//! which a server shows at any depth, and what others are told of the page: whoever shows a link to it wants a whole address.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::offline;
use crate::server;

/// Where the page will be.
pub struct Place<'a> {
    /// The path on its server.
    pub base: &'a str,
    /// Its whole address, where it is known: for those who show links with a picture.
    pub url: Option<&'a str>,
    /// Where its source is.
    pub source: Option<&'a str>,
}

/// In the document, where the link to the source comes.
const SOURCE: &str = "<!-- source -->";
/// In the document, the picture of a link.
const PICTURE: &str = "content=\"og.png\"";

/// Copies the built page to `out`, tells it its place and adds what static hosts look for.
pub fn write(dist: &Path, out: &Path, place: &Place) -> Result<()> {
    let base = place.base;
    if base.contains(['"', '<', '&', '?', '#']) || !base.starts_with('/') || !base.ends_with('/') {
        bail!("--base is the path on the server, as in /sparring/ (begins and ends with '/'), found '{base}'");
    }
    if out.is_dir() && std::fs::read_dir(out)?.next().is_some() && !out.join("sw.js").is_file() {
        bail!("{} has other files in it; name an empty folder with --out", out.display());
    }
    for file in ["index.html", "page_loader.js", "sw.js"] {
        let text = std::fs::read_to_string(dist.join(file))
            .with_context(|| format!("{file} is not in {}; build the page first", dist.display()))?;
        if let Some(address) = absolute(&text) {
            bail!("{file} has the address '{address}', which is wrong wherever the page does not lie at the root");
        }
    }
    if out.exists() {
        std::fs::remove_dir_all(out).with_context(|| format!("{} cannot be emptied", out.display()))?;
    }
    copy(dist, out)?;
    let document = out.join("index.html");
    std::fs::write(&document, placed(std::fs::read_to_string(&document)?, place)?)?;
    offline::write(out)?;
    std::fs::write(out.join("404.html"), wrong_address(base))?;
    // GitHub's pages leave files out by their names unless told not to.
    std::fs::write(out.join(".nojekyll"), "")?;
    Ok(())
}

/// The document that knows its place.
fn placed(mut text: String, place: &Place) -> Result<String> {
    for (name, address) in [("--url", place.url), ("--source", place.source)] {
        let whole = |a: &str| a.starts_with("https://") && !a.contains(['"', '<', '>', '&', ' ']);
        if let Some(wrong) = address.filter(|address| !whole(address)) {
            bail!("{name} is a whole address that begins with https://, found '{wrong}'");
        }
    }
    if let Some(url) = place.url {
        let url = url.trim_end_matches('/');
        text = text.replace(PICTURE, &format!("content=\"{url}/og.png\"><meta property=\"og:url\" content=\"{url}/\""));
    }
    if let Some(source) = place.source {
        text = text.replace(SOURCE, &format!("<a href=\"{source}\">Source</a>"));
    }
    Ok(text)
}

/// An address in the text that begins at the server's root.
fn absolute(text: &str) -> Option<&str> {
    ["href=\"/", "src=\"/", "from '/", "from \"/", "import('/", "new URL('/", "new URL(\"/"].into_iter().find_map(|begin| {
        let at = text.find(begin)?;
        text.get(at..)?.split(['>', ')', '\n']).next()
    })
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("{} cannot be made", to.display()))?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to)?;
        } else if !server::is_copy(&from) {
            std::fs::copy(&from, &to).with_context(|| format!("{} cannot be copied to {}", from.display(), to.display()))?;
        }
    }
    Ok(())
}

fn wrong_address(base: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Nothing is here: Sparring</title>\n\
         <p>Nothing is here. <a href=\"{base}\">Sparring is there.</a></p>\n</html>\n"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn at(base: &str) -> Place<'_> {
        Place { base, url: None, source: None }
    }

    fn built(name: &str, page: &str) -> std::path::PathBuf {
        let dir = std::env::temp_dir().join(format!("sparring-dist-{name}-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("built/scores")).unwrap();
        for (file, text) in [
            ("index.html", page),
            ("page_loader.js", "import('./page.js')"),
            ("sw.js", include_str!("../../app/web/sw.js")),
            ("scores/a.bin", "1"),
            ("index.html.br", "br"),
        ] {
            std::fs::write(dir.join("built").join(file), text).unwrap();
        }
        dir
    }

    #[test]
    fn a_copy_serves_any_path() {
        let dir = built("copy", "<script src=\"page_loader.js\">");
        let out = dir.join("site");
        write(&dir.join("built"), &out, &at("/sparring/")).unwrap();
        // A second time over the first.
        write(&dir.join("built"), &out, &at("/sparring/")).unwrap();
        assert_eq!(std::fs::read_to_string(out.join("scores/a.bin")).unwrap(), "1");
        assert!(std::fs::read_to_string(out.join("404.html")).unwrap().contains("href=\"/sparring/\""));
        assert!(out.join(".nojekyll").is_file() && !out.join("index.html.br").exists());
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_page_that_knows_its_address_says_it_whole() {
        let page = format!("<meta property=\"og:image\" {PICTURE}>{SOURCE}");
        let place = Place { url: Some("https://a.org/b/"), source: Some("https://a.org/s"), ..at("/") };
        let out = placed(page.clone(), &place).unwrap();
        assert!(out.contains("content=\"https://a.org/b/og.png\"><meta property=\"og:url\" content=\"https://a.org/b/\">"), "{out}");
        assert!(out.ends_with("<a href=\"https://a.org/s\">Source</a>"), "{out}");
        assert_eq!(placed(page.clone(), &at("/")).unwrap(), page);
        for wrong in ["a.org", "http://a.org/", "https://a.org/\"><script>"] {
            assert!(placed(page.clone(), &Place { url: Some(wrong), ..at("/") }).is_err(), "{wrong}");
        }
        let document = include_str!("../../app/web/index.html");
        assert!(document.contains(PICTURE), "the document has a picture for links");
        assert!(include_str!("../../app/web/shell.html").contains(SOURCE), "the document has a place for its source");
    }

    #[test]
    fn an_address_from_the_root_and_a_folder_of_other_things_are_refused() {
        let dir = built("refused", "<script src=\"/page_loader.js\">");
        let error = write(&dir.join("built"), &dir.join("site"), &at("/")).unwrap_err().to_string();
        assert!(error.contains("/page_loader.js"), "{error}");
        std::fs::write(dir.join("built/index.html"), "<p>").unwrap();
        std::fs::create_dir_all(dir.join("photos")).unwrap();
        std::fs::write(dir.join("photos/cat.jpg"), "cat").unwrap();
        assert!(write(&dir.join("built"), &dir.join("photos"), &at("/")).is_err());
        assert!(dir.join("photos/cat.jpg").is_file());
        for base in ["sparring", "/sparring", "/a\"b/"] {
            assert!(write(&dir.join("built"), &dir.join("site"), &at(base)).is_err(), "{base}");
        }
        std::fs::remove_dir_all(dir).unwrap();
    }
}
