//! Output files, written whole or not at all.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes a file under a name beside its own and renames it when it is complete.
///
/// # Errors
/// When the folder does not exist, or cannot be written to. The file is as it was then.
pub fn write_whole(path: &Path, contents: &[u8]) -> io::Result<()> {
    write_streamed(path, |writer| writer.write_all(contents))
}

/// As [`write_whole`], of a file that is written piece by piece.
///
/// # Errors
/// Those of `write`, and when the folder does not exist, or cannot be written to.
pub fn write_streamed<T, E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<fs::File>) -> Result<T, E>,
) -> Result<T, E> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let result = write_part(&part, write).and_then(|value| {
        fs::rename(&part, path)?;
        Ok(value)
    });
    if result.is_err() {
        // What was written of it is of no use; the first error is the one to report.
        let _ = fs::remove_file(&part);
    }
    result
}

fn write_part<T, E: From<io::Error>>(
    part: &Path,
    write: impl FnOnce(&mut BufWriter<fs::File>) -> Result<T, E>,
) -> Result<T, E> {
    let mut writer = BufWriter::new(fs::File::create(part)?);
    let value = write(&mut writer)?;
    writer.flush()?;
    writer.get_ref().sync_all()?;
    Ok(value)
}
