//! Output files, written whole or not at all.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

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
    // Two processes that write the same file do not meet.
    write_by(path, &part_of(path, &format!(".{}.part", std::process::id())), write)
}

/// As [`write_streamed`], of a file that is written again and again: what a process that was killed
/// has left of it is overwritten.
///
/// # Errors
/// Those of [`write_streamed`].
pub fn replace_streamed<T, E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<fs::File>) -> Result<T, E>,
) -> Result<T, E> {
    write_by(path, &part_of(path, ".part"), write)
}

/// Sees to it that the name of a file that was renamed outlives the system.
///
/// # Errors
/// When the folder cannot be written to.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

fn part_of(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

fn write_by<T, E: From<io::Error>>(
    path: &Path,
    part: &Path,
    write: impl FnOnce(&mut BufWriter<fs::File>) -> Result<T, E>,
) -> Result<T, E> {
    let result = write_part(part, write).and_then(|value| {
        fs::rename(part, path)?;
        Ok(value)
    });
    if result.is_err() {
        // What was written of it is of no use; the first error is the one to report.
        let _ = fs::remove_file(part);
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
