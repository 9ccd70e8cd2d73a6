//! Tests of the care for files that were set aside.

use super::*;
use crate::aside::PART;
use fleet_core::Compression;
use std::io::Read;

const PLENTY: LogLimits = LogLimits {
    keep: u32::MAX,
    keep_seconds: None,
    compress: Compression::None,
    ..LogLimits::DAILY
};

fn stamp(hour: u32) -> String {
    format!("2026-11-22T{hour:02}:00:00.000000000Z")
}

fn line(hour: u32) -> String {
    format!("{} stdout F {hour}\n", stamp(hour))
}

/// A folder with a file of one line for each hour, and a current one.
fn folder(hours: &[u32]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for hour in hours {
        fs::write(dir.path().join(stamp(*hour) + PLAIN), line(*hour)).unwrap();
    }
    fs::write(dir.path().join(CURRENT), line(23)).unwrap();
    dir
}

/// The names of all files but the side indexes.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.ends_with(".idx"));
    names.sort();
    names
}

/// All lines, as a reader takes them that knows that a plain file counts.
fn lines(dir: &Path) -> String {
    let mut text = String::new();
    for stamp in aside::stamps(dir).unwrap() {
        let (plain, zst) = (format!("{stamp}.log"), format!("{stamp}.log.zst"));
        if dir.join(&plain).exists() {
            text += &fs::read_to_string(dir.join(plain)).unwrap();
        } else if dir.join(&zst).exists() {
            let file = File::open(dir.join(zst)).unwrap();
            zstd::Decoder::new(file).unwrap().read_to_string(&mut text).unwrap();
        } else {
            let file = File::open(dir.join(format!("{stamp}.log.gz"))).unwrap();
            flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
        }
    }
    text + &fs::read_to_string(dir.join(CURRENT)).unwrap_or_default()
}

fn care(dir: &Path, limits: LogLimits, living: bool, now: SystemTime) -> Vec<Done> {
    let shelf = Shelf::open(dir, limits, living).unwrap().unwrap();
    let mut done = Vec::new();
    shelf.care(now, &mut |one| done.push(one.unwrap()));
    done
}

/// File and reason of each, which were all removals.
fn removed(done: &[Done]) -> Vec<String> {
    let words = |done: &Done| match &done.deed {
        Deed::Removed { why } => format!("{}: {why}", done.file),
        Deed::Compressed { .. } => panic!("{done:?}"),
    };
    done.iter().map(words).collect()
}

#[test]
fn what_is_too_old_goes_and_the_current_file_of_the_living_stays() {
    let limits = LogLimits { keep_seconds: Some(3600.0), ..PLENTY };
    let later = SystemTime::now() + Duration::from_secs(3700);
    for living in [true, false] {
        let dir = folder(&[6, 7]);
        let young = File::options().write(true).open(dir.path().join(stamp(7) + PLAIN)).unwrap();
        young.set_modified(SystemTime::now() + Duration::from_secs(200)).unwrap();
        fs::write(dir.path().join(stamp(6) + ".idx"), "").unwrap();
        let done = care(dir.path(), limits, living, later);
        let (six, seven) = (stamp(6) + PLAIN, stamp(7) + PLAIN);
        if living {
            assert_eq!(removed(&done), [format!("{six}: older than 1h00m")]);
            assert_eq!(names(dir.path()), [&*seven, CURRENT]);
        } else {
            assert_eq!(removed(&done), [&*six, CURRENT].map(|f| format!("{f}: older than 1h00m")));
            assert_eq!(names(dir.path()), [seven]);
        }
    }
}

#[test]
fn what_is_too_much_goes_oldest_first() {
    let dir = folder(&[6, 7, 8, 9]);
    let done = care(dir.path(), LogLimits { keep: 3, ..PLENTY }, true, SystemTime::now());
    assert_eq!(removed(&done), [format!("{}.log: more than 3 files", stamp(6))]);
    let newest: u64 = kept(dir.path()).unwrap()[2..].iter().map(|kept| kept.bytes).sum();
    let limits = LogLimits { total_bytes: Some(newest + 5), ..PLENTY };
    assert_eq!(care(dir.path(), limits, true, SystemTime::now()).len(), 2);
    assert!(dir.path().join(stamp(9) + ".idx").exists(), "it has a side index");
    assert!(!dir.path().join(stamp(8) + ".idx").exists(), "it went with its file");
    assert_eq!(lines(dir.path()), line(9) + &line(23));
    let limits = LogLimits { total_bytes: Some(1), ..PLENTY };
    care(dir.path(), limits, true, SystemTime::now());
    assert_eq!(names(dir.path()), [CURRENT]);
    care(dir.path(), limits, false, SystemTime::now());
    assert!(names(dir.path()).is_empty());
}

#[test]
fn a_kill_at_any_step_of_packing_is_made_good_by_the_next() {
    for form in [Compression::Zstd, Compression::Gzip] {
        let limits = LogLimits { compress: form, ..PLENTY };
        let packed = folder(&[6]);
        let whole = care(packed.path(), limits, true, SystemTime::now());
        let Deed::Compressed { into, .. } = &whole[0].deed else { panic!("{whole:?}") };
        let bytes = fs::read(packed.path().join(into)).unwrap();
        let part = format!("{into}{PART}");
        // While the part is written; before the rename; before the plain file is removed.
        for (name, bytes) in [(&part, &bytes[..7]), (&part, &bytes[..]), (into, &bytes[..])] {
            let dir = folder(&[6, 7]);
            fs::write(dir.path().join(name), bytes).unwrap();
            let all = [6, 7, 23].map(line).concat();
            assert_eq!(lines(dir.path()), all, "{name}");
            care(dir.path(), limits, true, SystemTime::now());
            assert_eq!(lines(dir.path()), all, "{name}");
            let stamps = [6, 7].map(|hour| into.replace(&stamp(6), &stamp(hour)));
            assert_eq!(names(dir.path()), [&*stamps[0], &*stamps[1], CURRENT], "{name}");
        }
    }
}

#[test]
fn what_a_kill_or_a_reader_left_behind_goes_and_a_strangers_files_stay() {
    let dir = folder(&[7]);
    let (part, alone) = (stamp(7) + ".idx.4711.part", stamp(6) + ".idx");
    let strangers = ["notes.idx", "notes.idx.1.part", "x.log.zst.part"];
    for name in [&*part, &*alone].iter().chain(&strangers) {
        fs::write(dir.path().join(name), "x").unwrap();
    }
    let done = care(dir.path(), PLENTY, true, SystemTime::now());
    let mut files: Vec<&str> = done.iter().map(|done| done.file.as_str()).collect();
    files.sort_unstable();
    assert_eq!(files, [&*alone, &*part]);
    assert!(dir.path().join(stamp(7) + ".idx").exists());
    assert!(strangers.iter().all(|name| dir.path().join(name).exists()));
}

#[test]
fn times_go_the_way_of_writing_although_the_clock_was_set_back() {
    let dir = folder(&[6, 7, 8]);
    let now = SystemTime::now();
    // The first two were written with a clock that was a day ahead.
    for (hour, ahead) in [(6, 86_400), (7, 86_500), (8, 0)] {
        let file = File::options().write(true).open(dir.path().join(stamp(hour) + PLAIN));
        let then = now - Duration::from_secs(60) + Duration::from_secs(ahead);
        file.unwrap().set_modified(then).unwrap();
    }
    let mut kept = kept(dir.path()).unwrap();
    order_times(&mut kept);
    assert!(kept.is_sorted_by_key(|kept| kept.last));
    assert_eq!(kept[0].last, now - Duration::from_secs(60));
}

#[test]
fn a_trouble_with_one_file_is_told_and_the_others_are_cared_for() {
    let dir = folder(&[6, 7]);
    fs::create_dir(dir.path().join(stamp(6) + ".log.zst.part")).unwrap();
    let shelf = Shelf::open(dir.path(), LogLimits { compress: Compression::Zstd, ..PLENTY }, true);
    let (mut done, mut errors) = (0, Vec::new());
    shelf.unwrap().unwrap().care(SystemTime::now(), &mut |one| match one {
        Ok(_) => done += 1,
        Err(error) => errors.push(error.what),
    });
    assert_eq!((done, errors), (1, vec!["remove", "compress"]));
    assert_eq!(lines(dir.path()), [6, 7, 23].map(line).concat());
}

#[test]
fn one_at_a_time_cares_for_a_folder_and_none_for_one_that_is_not_there() {
    let dir = folder(&[]);
    let first = Shelf::open(dir.path(), PLENTY, true).unwrap();
    let second = File::open(dir.path()).unwrap();
    assert!(second.try_lock().is_err());
    drop(first);
    second.try_lock().unwrap();
    assert!(Shelf::open(&dir.path().join("x"), PLENTY, true).unwrap().is_none());
}
