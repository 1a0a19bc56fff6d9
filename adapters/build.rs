//! Embeds every file of `providers/<domain>/`, packed, so that adding a provider is adding a file.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use flate2::Compression;
use flate2::write::DeflateEncoder;

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?);
    let providers = root.join("providers");
    println!("cargo:rerun-if-changed={}", providers.display());
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    let mut entries = Vec::new();
    for domain in sorted(&providers)? {
        println!("cargo:rerun-if-changed={}", domain.display());
        for file in sorted(&domain)? {
            if file.extension().is_some_and(|extension| extension == "yaml") {
                println!("cargo:rerun-if-changed={}", file.display());
                let (domain, name) = (stem(&domain), stem(&file));
                let packed = out.join(format!("{domain}-{name}.deflate"));
                fs::write(&packed, pack(&fs::read(&file)?)?)?;
                entries.push(format!(
                    "    BuiltIn {{ domain: {domain:?}, name: {name:?}, packed: include_bytes!({:?}) }}",
                    packed.display().to_string(),
                ));
            }
        }
    }
    fs::write(out.join("built_in.rs"), format!("&[\n{}\n]\n", entries.join(",\n")))
}

fn pack(text: &[u8]) -> io::Result<Vec<u8>> {
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::best());
    packer.write_all(text)?;
    packer.finish()
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}
