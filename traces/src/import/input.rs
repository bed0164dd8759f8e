//! Opening captures, compressed or not.

use crate::error::Error;
use std::io::{BufRead, BufReader, Chain, Cursor, Read};

/// How the first bytes of a compressed file look.
const XZ: &[u8] = &[0xFD, b'7', b'z', b'X', b'Z', 0];
const GZIP: &[u8] = &[0x1F, 0x8B];

/// The most memory that unpacking a file may take for its dictionary, in KiB (256 MiB). What
/// `xz -9` makes needs a quarter of it.
const DICTIONARY_KIB_MAX: u32 = 256 * 1024;

/// A reader with the bytes that were looked at put back.
type Whole<R> = Chain<Cursor<Vec<u8>>, R>;

/// The text of a capture: as it is, or unpacked if it is an `.xz` or `.gz` file, which its first
/// bytes tell and not its name.
///
/// # Errors
/// When nothing can be read. What is wrong with a compressed file further on is an error of the
/// reader.
pub fn unpacked<'a>(
    mut reader: impl Read + 'a,
    file: Option<&str>,
) -> Result<Box<dyn BufRead + 'a>, Error> {
    let mut first = Vec::new();
    (&mut reader)
        .take(XZ.len() as u64)
        .read_to_end(&mut first)
        .map_err(|error| crate::lines::unreadable(file, &error))?;
    let is = |magic: &[u8]| first.starts_with(magic);
    let (is_xz, is_gzip) = (is(XZ), is(GZIP));
    let whole: Whole<_> = Cursor::new(first).chain(reader);
    Ok(if is_xz {
        let buffered = BufReader::new(whole);
        let unpacker = lzma_rust2::XzReader::new_mem_limit(buffered, true, DICTIONARY_KIB_MAX);
        Box::new(BufReader::new(unpacker))
    } else if is_gzip {
        Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(BufReader::new(whole))))
    } else {
        Box::new(BufReader::new(whole))
    })
}
