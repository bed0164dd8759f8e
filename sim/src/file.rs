//! Output files, written whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// Writes a file under a name beside its own and renames it when it is complete.
///
/// # Errors
/// When the folder does not exist, or cannot be written to. The file is as it was then.
pub fn write_whole(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = fs::File::create(&part).and_then(|mut file| {
        file.write_all(contents)?;
        file.sync_all()
    });
    let result = written.and_then(|()| fs::rename(&part, path));
    if result.is_err() {
        // What was written of it is of no use; the first error is the one to report.
        let _ = fs::remove_file(&part);
    }
    result
}
