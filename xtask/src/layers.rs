//! The order of layers, and no circles: what may import what, checked on the source.
//!
//! A module that imports upwards, or two that import each other, can only be understood and changed together. The compiler
//! allows both, so this walks every `crate::` and `super::` path of every file, tests left out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::stages::Counts;
use crate::workspace::Workspace;

/// The modules of `core` from the ground up: each imports only what stands before it. `docs/ARCHITECTURE.md` has the picture.
const CORE: [&str; 24] = [
    "error",
    "bf16",
    "names",
    "argsort",
    "rng",
    "platform",
    "formats",
    "ops",
    "layout",
    "device::info",
    "cpu",
    "gpu",
    "device",
    "sparse",
    "data",
    "net",
    "corrupt",
    "hardness",
    "attack",
    "config",
    "events",
    "record",
    "train",
    "golden",
];

/// Every crate with modules of its own.
const CRATES: [&str; 6] = ["core", "figures", "app", "cli", "xtask", "bridge"];

/// Checks every crate; the error names each import that runs up or closes a circle, with file and line.
pub fn check(ws: &Workspace) -> Result<Counts> {
    let mut faults = Vec::new();
    let mut files = 0;
    for name in CRATES {
        let sources = Sources::read(&ws.root, &ws.root.join(name).join("src"))?;
        files += sources.files.len();
        let imports = sources.imports();
        let order: &[&str] = if name == "core" { &CORE } else { &[] };
        if name == "core" {
            faults.extend(upward(&imports, &sources, order));
        }
        faults.extend(circles(&imports, order));
    }
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    println!("{files} files of {} crates: no import runs up, none closes a circle", CRATES.len());
    Ok(Counts::ONE)
}

/// Segments of a module's path, the crate's root being empty.
type Module = Vec<String>;

/// What a file's tokens say: each path that begins at the crate or at a parent, and where.
struct Reference {
    from: Module,
    path: Module,
    /// Whether it is a `pub use`, and so a second name of what it leads to.
    exported: bool,
    at: String,
}

/// One import between modules.
struct Import {
    from: Module,
    to: Module,
    at: String,
}

struct Sources {
    files: BTreeMap<Module, PathBuf>,
    references: Vec<Reference>,
}

impl Sources {
    fn read(root: &Path, src: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        collect(src, &mut Vec::new(), &mut files)?;
        let mut references = Vec::new();
        for (module, file) in &files {
            let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
            let tokens = TokenStream::from_str(&text).map_err(|e| anyhow::anyhow!("{}: {e}", file.display()))?;
            let shown = file.strip_prefix(root).unwrap_or(file).display().to_string();
            scan(tokens, module, &shown, &mut references);
        }
        Ok(Self { files, references })
    }

    /// Every reference that leads from one module into another.
    fn imports(&self) -> Vec<Import> {
        let names: BTreeMap<Module, &Module> =
            self.references.iter().filter(|r| r.exported).map(|r| (joined(&r.from, r.path.last()), &r.path)).collect();
        let lead = |reference: &Reference| {
            let mut path = reference.path.clone();
            // A re-export of a re-export is as deep as it gets.
            for _ in 0..4 {
                let Some((known, target)) = (1..=path.len()).find_map(|n| Some((n, *names.get(&path[..n])?))) else { break };
                if *target == path[..known] {
                    break;
                }
                path = target.iter().chain(&path[known..]).cloned().collect();
            }
            let depth = (0..=path.len()).rev().find(|n| *n == 0 || self.files.contains_key(&path[..*n])).unwrap_or(0);
            path.truncate(depth);
            Import { from: reference.from.clone(), to: path, at: reference.at.clone() }
        };
        // A parent and its child are one thing.
        self.references.iter().map(lead).filter(|i| !i.from.starts_with(&i.to) && !i.to.starts_with(&i.from)).collect()
    }
}

fn joined(module: &[String], name: Option<&String>) -> Module {
    module.iter().chain(name).cloned().collect()
}

/// The files below a folder by the module they are. Files and folders of tests are left out.
fn collect(dir: &Path, module: &mut Module, files: &mut BTreeMap<Module, PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("{} cannot be read", dir.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if name == "tests" || name == "bin" {
            continue;
        }
        if path.is_dir() {
            module.push(name);
            collect(&path, module, files)?;
            module.pop();
        } else if path.extension().is_some_and(|e| e == "rs") {
            let root = name == "mod" || (module.is_empty() && (name == "lib" || name == "main"));
            files.insert(if root { module.clone() } else { joined(module, Some(&name)) }, path);
        }
    }
    Ok(())
}

/// Walks tokens: paths are noted, modules of tests are passed over.
fn scan(tokens: TokenStream, module: &Module, file: &str, out: &mut Vec<Reference>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let ident = |i: usize| match tokens.get(i) {
        Some(TokenTree::Ident(ident)) => ident.to_string(),
        _ => String::new(),
    };
    let mut i = 0;
    let (mut tested, mut exported) = (false, false);
    while i < tokens.len() {
        match &tokens[i] {
            TokenTree::Group(group) => {
                let text = group.stream().to_string().replace(' ', "");
                if group.delimiter() == Delimiter::Bracket && (text == "cfg(test)" || text.starts_with("cfg(all(test")) {
                    tested = true;
                } else {
                    scan(group.stream(), module, file, out);
                }
            }
            TokenTree::Ident(word) => match word.to_string().as_str() {
                "mod" => {
                    if let Some(TokenTree::Group(body)) = tokens.get(i + 2) {
                        if !tested {
                            scan(body.stream(), &joined(module, Some(&ident(i + 1))), file, out);
                        }
                        i += 2;
                    }
                    tested = false;
                }
                "pub" => exported = true,
                "use" if tested => {
                    while !matches!(&tokens[i], TokenTree::Punct(p) if p.as_char() == ';') {
                        i += 1;
                    }
                    (tested, exported) = (false, false);
                }
                "use" if exported => {
                    // Of a module's own children too: `pub use child::Name`.
                    let mut paths = Vec::new();
                    let start = if matches!(tokens.get(i + 1), Some(TokenTree::Punct(_))) { i + 3 } else { i + 1 };
                    i = tree(&tokens, start, &Vec::new(), &mut paths);
                    let at = format!("{file}:{}", word.span().start().line);
                    for path in paths {
                        if let Some(path) = absolute(&path, module).or_else(|| Some(module.iter().chain(&path).cloned().collect())) {
                            out.push(Reference { from: module.clone(), path, exported: true, at: at.clone() });
                        }
                    }
                    exported = false;
                }
                "fn" | "struct" | "enum" | "trait" | "const" | "static" | "type" | "impl" => (tested, exported) = (false, false),
                "crate" | "super" => {
                    let mut paths = Vec::new();
                    let line = word.span().start().line;
                    i = tree(&tokens, i, &Vec::new(), &mut paths);
                    for path in paths.iter().filter_map(|p| absolute(p, module)) {
                        out.push(Reference { from: module.clone(), path, exported: false, at: format!("{file}:{line}") });
                    }
                    continue;
                }
                _ => {}
            },
            _ => {}
        }
        i += 1;
    }
}

/// Reads `a::b::{c, d::e}` from `at` on as the paths that it stands for; returns the index behind it.
fn tree(tokens: &[TokenTree], mut at: usize, before: &Module, out: &mut Vec<Module>) -> usize {
    let mut path = before.clone();
    let separated = |i: usize| matches!(tokens.get(i..i + 2), Some([TokenTree::Punct(a), TokenTree::Punct(b)]) if a.as_char() == ':' && b.as_char() == ':');
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(segment)) => path.push(segment.to_string()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                let mut next = 0;
                while next < inner.len() {
                    next = tree(&inner, next, &path, out);
                    while next < inner.len() && !matches!(&inner[next], TokenTree::Punct(p) if p.as_char() == ',') {
                        next += 1;
                    }
                    next += 1;
                }
                return at + 1;
            }
            _ => break,
        }
        at += 1;
        if !separated(at) {
            break;
        }
        at += 2;
    }
    out.push(path);
    at
}

/// A path from the crate's root, where it begins with `crate` or `super`.
fn absolute(path: &[String], module: &Module) -> Option<Module> {
    let ups = path.iter().take_while(|s| *s == "super").count();
    let base = match path.first()?.as_str() {
        "crate" => return Some(path[1..].to_vec()),
        "super" => module.get(..module.len().checked_sub(ups)?)?,
        _ => return None,
    };
    Some(base.iter().chain(&path[ups..]).filter(|s| *s != "self").cloned().collect())
}

/// Imports that run up the list, and modules that are not in it.
fn upward(imports: &[Import], sources: &Sources, order: &[&str]) -> Vec<String> {
    let rank = |module: &Module| {
        let fits = |entry: &&str| entry.split("::").eq(module.iter().take(entry.split("::").count()).map(String::as_str));
        order.iter().enumerate().filter(|(_, e)| fits(e)).max_by_key(|(_, e)| e.len())
    };
    let unlisted = sources.files.iter().filter(|(m, _)| !m.is_empty() && rank(m).is_none());
    let mut out: Vec<String> = unlisted
        .map(|(m, file)| format!("{}: module {} has no place in the order of layers (xtask/src/layers.rs)", file.display(), m.join("::")))
        .collect();
    for import in imports {
        if let (Some((from, low)), Some((to, high))) = (rank(&import.from), rank(&import.to))
            && to > from
        {
            out.push(format!("{}: `{low}` imports `{high}`, which stands above it (xtask/src/layers.rs)", import.at));
        }
    }
    out
}

/// The shortest circle through each module that is in one, among the modules of one folder; what has a place of its own in `order`
/// stands beside its parent.
fn circles(imports: &[Import], order: &[&str]) -> Vec<String> {
    let apart = |module: &Module| {
        let own = order.iter().find(|e| e.contains("::") && e.split("::").eq(module.iter().take(2).map(String::as_str)));
        own.map_or_else(|| module.clone(), |own| std::iter::once((*own).to_owned()).chain(module[2..].iter().cloned()).collect())
    };
    let mut edges: BTreeMap<Module, BTreeMap<Module, &str>> = BTreeMap::new();
    for Import { from, to, at } in imports {
        let (from, to) = (apart(from), apart(to));
        let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
        edges.entry(from[..=shared].to_vec()).or_default().entry(to[..=shared].to_vec()).or_insert(at);
    }
    let mut told: BTreeSet<BTreeSet<&Module>> = BTreeSet::new();
    let mut out = Vec::new();
    for start in edges.keys() {
        let Some(circle) = circle(start, &edges) else { continue };
        if told.insert(circle.iter().copied().collect()) {
            let step =
                |pair: &[&Module]| format!("    {}: `{}` imports `{}`", edges[pair[0]][pair[1]], pair[0].join("::"), pair[1].join("::"));
            let steps: Vec<String> = circle.windows(2).map(step).collect();
            out.push(format!("a circle of modules:\n{}", steps.join("\n")));
        }
    }
    out
}

/// The shortest way from a module back to itself, breadth first.
fn circle<'a>(start: &'a Module, edges: &'a BTreeMap<Module, BTreeMap<Module, &str>>) -> Option<Vec<&'a Module>> {
    let mut reached: BTreeMap<&Module, &Module> = BTreeMap::new();
    let mut waiting = VecDeque::from([start]);
    while let Some(here) = waiting.pop_front() {
        for next in edges.get(here).into_iter().flat_map(BTreeMap::keys) {
            if next == start {
                let mut way = vec![start, here];
                while let Some(before) = way.last().filter(|m| **m != start).and_then(|m| reached.get(m)) {
                    way.push(before);
                }
                way.reverse();
                return Some(way);
            }
            if !reached.contains_key(next) {
                reached.insert(next, here);
                waiting.push_back(next);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Reads a crate of these files.
    fn sources(name: &str, files: &[(&str, &str)]) -> Sources {
        let root = std::env::temp_dir().join(format!("sparring-layers-{}-{name}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let sources = Sources::read(&root, &root).unwrap();
        std::fs::remove_dir_all(root).unwrap();
        sources
    }

    fn edges(sources: &Sources) -> Vec<String> {
        sources.imports().iter().map(|i| format!("{} {} {}", i.from.join("::"), i.to.join("::"), i.at)).collect()
    }

    #[test]
    fn groups_parents_and_names_passed_on_lead_to_where_the_thing_stands() {
        let all = sources(
            "paths",
            &[
                ("lib.rs", "mod a; mod b; mod c;\npub use b::Thing;"),
                ("a.rs", "use crate::{Thing, c::{self, Other as More}};\nfn f() { super::c::g() }"),
                ("b/mod.rs", "mod deep;\npub use deep::Thing;"),
                ("b/deep.rs", "use super::super::c;\npub struct Thing;"),
                ("c.rs", "mod inner { fn f() { crate::a::f() } }"),
            ],
        );
        assert_eq!(
            edges(&all),
            ["a b::deep a.rs:1", "a c a.rs:1", "a c a.rs:1", "a c a.rs:2", "b::deep c b/deep.rs:1", "c::inner a c.rs:1"]
        );
        let found = circles(&all.imports(), &[]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("a.rs:1: `a` imports `c`") && found[0].contains("c.rs:1: `c` imports `a`"), "{found:?}");
    }

    #[test]
    fn tests_may_import_anything() {
        let tests = "#[cfg(test)]\nmod tests { use crate::b; }\n#[cfg(test)]\nuse crate::b::Helper;";
        let all = sources("tests", &[("a.rs", tests), ("b.rs", "use crate::a;"), ("a/tests.rs", "use crate::b;")]);
        assert_eq!(edges(&all), ["b a b.rs:1"]);
        assert!(circles(&all.imports(), &[]).is_empty());
    }

    #[test]
    fn an_import_that_runs_up_is_named_with_its_line_and_a_module_without_a_place_too() {
        let all = sources("order", &[("low.rs", "\nuse crate::high;"), ("high.rs", "use crate::low;"), ("new.rs", "")]);
        let found = upward(&all.imports(), &all, &["low", "high"]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("module new has no place"), "{found:?}");
        assert!(found[1].starts_with("low.rs:2: `low` imports `high`"), "{found:?}");
        // What has a place of its own is no part of its parent.
        let all = sources("apart", &[("a/mod.rs", "use crate::b;"), ("a/info.rs", ""), ("b.rs", "use crate::a::info;")]);
        assert!(circles(&all.imports(), &["a::info", "b", "a"]).is_empty());
        assert_eq!(circles(&all.imports(), &[]).len(), 1);
    }
}
