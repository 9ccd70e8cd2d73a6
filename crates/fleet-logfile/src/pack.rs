//! Packing a file that was set aside.
//!
//! A packed file is made of many frames, each the packed form of some whole lines, so that a
//! reader can begin at any of them. It is made under a name of its own, synced, given its name, and
//! only then the plain file is removed: at each step every line is in a whole file, and where that
//! is true of both, the plain one counts.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use flate2::write::GzEncoder;
use fleet_core::Compression;
use zstd::bulk::Compressor;

use crate::aside::{GZIP, PART, PLAIN, ZSTD};

/// So much of the lines goes into one frame, and the rest of the last line.
const FRAME: u64 = 1 << 20;

/// No line of a log is longer; what is may be cut.
const LONGEST: u64 = 64 << 10;

/// Beyond level 3 zstd takes twice the time for a few per cent.
const LEVEL: i32 = 3;

/// Packs the file of this stamp and removes the plain one; returns the name and the size of the
/// packed one, or nothing if the file is gone.
///
/// # Errors
/// It cannot be read, or the packed one not be written: then nothing is left of that.
pub(crate) fn pack(
    folder: &Path,
    stamp: &str,
    form: Compression,
) -> io::Result<Option<(String, u64)>> {
    let ending = if form == Compression::Gzip { GZIP } else { ZSTD };
    let packed = format!("{stamp}{ending}");
    let (part, whole) = (folder.join(format!("{packed}{PART}")), folder.join(&packed));
    let plain = folder.join(format!("{stamp}{PLAIN}"));
    let source = match File::open(&plain) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        source => source?,
    };
    let written = write(&source, &part, form).and_then(|size| {
        fs::rename(&part, &whole)?;
        File::open(folder)?.sync_all()?;
        Ok(size)
    });
    let size = match written {
        Ok(size) => size,
        Err(error) => {
            let _ = fs::remove_file(&part);
            // Whoever writes the log removed all of it meanwhile, for there were too many.
            return if plain.exists() { Err(error) } else { Ok(None) };
        }
    };
    match fs::remove_file(&plain) {
        Err(e) if e.kind() == ErrorKind::NotFound => fs::remove_file(&whole).map(|()| None),
        removed => removed.map(|()| Some((packed, size))),
    }
}

/// Writes the packed form, with the time of the last line as that of the file: how long it is kept
/// counts from there.
fn write(source: &File, part: &Path, form: Compression) -> io::Result<u64> {
    let before = source.metadata()?;
    let mut out =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(part)?;
    let mut lines = BufReader::new(source);
    let mut packer = Packer::new(form)?;
    let mut chunk = Vec::new();
    loop {
        next_frame(&mut lines, &mut chunk)?;
        // Of nothing, too, one frame is made: no frame at all is no packed file.
        out.write_all(&packer.frame(&chunk)?)?;
        if lines.fill_buf()?.is_empty() {
            break;
        }
    }
    out.set_modified(before.modified()?)?;
    out.sync_all()?;
    let after = source.metadata()?;
    if (before.len(), before.modified()?) != (after.len(), after.modified()?) {
        return Err(io::Error::other("it was written to meanwhile"));
    }
    Ok(out.metadata()?.len())
}

/// Takes the lines of the next frame.
fn next_frame(lines: &mut impl BufRead, chunk: &mut Vec<u8>) -> io::Result<()> {
    chunk.clear();
    lines.by_ref().take(FRAME).read_to_end(chunk)?;
    if chunk.last().is_some_and(|&last| last != b'\n') {
        lines.by_ref().take(LONGEST).read_until(b'\n', chunk)?;
    }
    Ok(())
}

enum Packer {
    Zstd(Box<Compressor<'static>>),
    Gzip,
}

impl Packer {
    fn new(form: Compression) -> io::Result<Packer> {
        if form == Compression::Gzip {
            return Ok(Packer::Gzip);
        }
        let mut zstd = Compressor::new(LEVEL)?;
        zstd.include_checksum(true)?;
        Ok(Packer::Zstd(Box::new(zstd)))
    }

    fn frame(&mut self, lines: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Packer::Zstd(zstd) => zstd.compress(lines),
            Packer::Gzip => {
                let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::default());
                gzip.write_all(lines)?;
                gzip.finish()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    const STAMP: &str = "2026-11-22T12:00:00.000000000Z";

    fn unpacked(path: &Path) -> Vec<u8> {
        let file = File::open(path).unwrap();
        let mut bytes = Vec::new();
        if path.extension().is_some_and(|e| e == "gz") {
            flate2::read::MultiGzDecoder::new(file).read_to_end(&mut bytes).unwrap();
        } else {
            zstd::Decoder::new(file).unwrap().read_to_end(&mut bytes).unwrap();
        }
        bytes
    }

    #[test]
    fn what_is_packed_comes_back_to_the_byte_with_the_time_of_its_last_line() {
        let lines: Vec<u8> = (0..200_000)
            .flat_map(|n| format!("{STAMP} stdout F line {n}\n").into_bytes())
            .collect();
        let long = vec![b'x'; 3 << 20];
        let texts = [b"torn".to_vec(), Vec::new(), lines, long];
        for (form, text) in texts
            .iter()
            .flat_map(|text| [Compression::Zstd, Compression::Gzip].map(|form| (form, text)))
        {
            let dir = tempfile::tempdir().unwrap();
            let plain = dir.path().join(format!("{STAMP}.log"));
            fs::write(&plain, text).unwrap();
            let then = SystemTime::now() - Duration::from_secs(1000);
            File::options().write(true).open(&plain).unwrap().set_modified(then).unwrap();
            let (name, size) = pack(dir.path(), STAMP, form).unwrap().unwrap();
            let packed = dir.path().join(name);
            let meta = fs::metadata(&packed).unwrap();
            assert_eq!((meta.len(), meta.modified().unwrap()), (size, then));
            assert_eq!(unpacked(&packed), *text);
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn each_frame_holds_whole_lines_and_its_own_size() {
        let dir = tempfile::tempdir().unwrap();
        let text = "0123456789 0123456789 012345678\n".repeat(100_000);
        fs::write(dir.path().join(format!("{STAMP}.log")), &text).unwrap();
        let (name, _) = pack(dir.path(), STAMP, Compression::Zstd).unwrap().unwrap();
        let bytes = fs::read(dir.path().join(name)).unwrap();
        let (mut rest, mut frames, mut total) = (&bytes[..], 0, 0);
        while !rest.is_empty() {
            let length = zstd::zstd_safe::find_frame_compressed_size(rest).unwrap();
            let (frame, after) = rest.split_at(length);
            let size = zstd::zstd_safe::get_frame_content_size(frame).unwrap().unwrap();
            assert_eq!(zstd::decode_all(frame).unwrap().last(), Some(&b'\n'));
            (rest, frames, total) = (after, frames + 1, total + size);
        }
        assert_eq!((frames, total), (4, text.len() as u64));
    }

    #[test]
    fn where_it_cannot_be_written_the_plain_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(format!("{STAMP}.log")), "line\n").unwrap();
        // A folder has the name.
        fs::create_dir(dir.path().join(format!("{STAMP}.log.zst"))).unwrap();
        assert!(pack(dir.path(), STAMP, Compression::Zstd).is_err());
        assert!(!dir.path().join(format!("{STAMP}.log.zst.part")).exists());
        assert_eq!(fs::read(dir.path().join(format!("{STAMP}.log"))).unwrap(), b"line\n");
        assert!(
            pack(dir.path(), "2026-11-22T13:00:00.000000000Z", Compression::Zstd)
                .unwrap()
                .is_none()
        );
    }
}
