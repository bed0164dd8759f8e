//! Tells builds of different sources apart: `ALERTABLE_SOURCES` is a number for everything that
//! decides what a search finds, for checkpoints to name.

use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    let crates = ["src", "../models/src", "../traces/src"];
    let folders: Vec<&Path> = crates.iter().map(Path::new).filter(|path| path.is_dir()).collect();
    let mut files: Vec<PathBuf> = folders.iter().flat_map(|folder| sources(folder)).collect();
    files.sort();
    let sum = files.iter().fold(0xCBF2_9CE4_8422_2325, |sum, file| {
        let name = file.to_string_lossy().replace('\\', "/");
        let text = fs::read(file).expect("sources can be read");
        add(add(sum, name.as_bytes()), &text)
    });
    for folder in folders {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    println!("cargo::rustc-env=ALERTABLE_SOURCES={sum}");
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("folders of sources can be read");
    let paths = entries.map(|entry| entry.expect("folders of sources can be read").path());
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = paths.partition(|path| path.is_dir());
    let below = folders.iter().flat_map(|folder| sources(folder));
    below.chain(files.into_iter().filter(|file| file.extension() == Some("rs".as_ref()))).collect()
}

/// FNV-1a; a byte that no text has marks the end.
fn add(sum: u64, bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .chain(&[0xFF])
        .fold(sum, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3))
}
