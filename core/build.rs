//! Embeds the shaders without comments and indentation: in the page every byte is loaded by every visitor.

mod bare;

use std::path::Path;
use std::{env, fs, io};

use bare::bare;

fn main() -> io::Result<()> {
    // Asked for when it runs: clones that share a target folder share this program as well.
    println!("cargo:rerun-if-env-changed=CARGO_MANIFEST_DIR");
    let shaders = Path::new(&env::var_os("CARGO_MANIFEST_DIR").ok_or(io::ErrorKind::NotFound)?).join("../shaders");
    let out = Path::new(&env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?).join("shaders");
    println!("cargo:rerun-if-changed={}", shaders.display());
    for folder in ["", "shared"] {
        fs::create_dir_all(out.join(folder))?;
        for entry in fs::read_dir(shaders.join(folder))? {
            let path = entry?.path();
            let (Some(name), Some("wgsl")) = (path.file_name(), path.extension().and_then(|e| e.to_str())) else { continue };
            fs::write(out.join(folder).join(name), bare(&fs::read_to_string(&path)?))?;
        }
    }
    Ok(())
}
