//! Tests of the reader.

use super::*;
use crate::testing::{Log, texts};

#[test]
fn files_are_read_in_order_and_read_on() {
    let log = Log::new();
    let mut reader = Reader::new(log.dir());
    assert!(reader.next_line().unwrap().is_none());
    log.write(1, "stdout F", "a");
    assert_eq!(texts(&mut reader), ["a"]);
    log.write(2, "stdout F", "b");
    log.rotate(1);
    log.write(3, "stdout F", "c");
    log.rotate(3);
    log.write(4, "stderr F", "d");
    assert_eq!(texts(&mut reader), ["b", "c", "d"]);
    assert_eq!(texts(&mut reader), [""; 0]);
    log.write(5, "stdout F", "e");
    assert_eq!(texts(&mut reader), ["e"]);
}

#[test]
fn a_writer_that_rotates_all_the_time_is_read_exactly() {
    const LINES: i64 = 2500;
    let log = Log::new();
    let mut reader = Reader::new(log.dir());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..LINES {
                log.write(n, "stdout F", &n.to_string());
                if n % 7 == 6 {
                    log.rotate(n - 6);
                }
            }
        });
        let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
        let mut wanted = 0;
        while wanted < LINES {
            assert!(std::time::Instant::now() < end, "stuck before line {wanted}");
            for text in texts(&mut reader) {
                assert_eq!(text, wanted.to_string());
                wanted += 1;
            }
        }
    });
}

#[test]
fn what_was_removed_unread_is_said_and_the_rest_comes_once_and_in_order() {
    const LINES: i64 = 2000;
    let log = Log::new();
    let mut reader = Reader::new(log.dir());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..LINES {
                log.write(n, "stdout F", &n.to_string());
                if n % 5 == 4 && n + 1 < LINES {
                    log.rotate(n - 4);
                    if n > 15 {
                        log.remove(n - 19);
                    }
                }
            }
        });
        let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
        let mut wanted = 0;
        while wanted < LINES {
            assert!(std::time::Instant::now() < end, "stuck before line {wanted}");
            for text in texts(&mut reader) {
                let number: i64 = text.parse().unwrap();
                // What was removed before the first look is nobody's loss.
                let said = reader.lost_files() || wanted == 0;
                assert!(number == wanted || number > wanted && said, "{number}");
                wanted = number + 1;
            }
        }
    });
}

#[test]
fn a_torn_line_waits_for_its_end() {
    let log = Log::new();
    log.append(b"1970-01-01T00:00:01Z stdout F he");
    let mut reader = Reader::new(log.dir());
    assert_eq!(texts(&mut reader), [""; 0]);
    log.append(b"llo\n");
    assert_eq!(texts(&mut reader), ["hello"]);
    log.append(b"1970-01-01T00:00:02Z stdout F torn");
    assert_eq!(texts(&mut reader), [""; 0]);
    log.rotate(1);
    log.write(3, "stdout F", "next");
    assert_eq!(texts(&mut reader), ["torn", "next"]);
    log.append(b"1970-01-01T00:00:04Z stdout F end");
    assert_eq!(texts(&mut reader), [""; 0]);
    let end = reader.unfinished().unwrap();
    assert_eq!((end.text, end.partial), (b"end".as_slice(), true));
    assert!(reader.unfinished().is_none());
    log.append(b"\n1970-01-01T00:00:05Z stdo");
    assert_eq!(texts(&mut reader), [""]);
    assert!(reader.unfinished().is_none());
}

#[test]
fn a_truncated_file_is_read_anew_even_when_it_grew_past_its_old_length() {
    let log = Log::new();
    log.write(1, "stdout F", "old");
    let mut reader = Reader::new(log.dir());
    assert_eq!(texts(&mut reader), ["old"]);
    log.truncate();
    log.write(2, "stdout F", "new and longer");
    assert_eq!(texts(&mut reader), ["new and longer"]);
    log.truncate();
    assert_eq!(texts(&mut reader), [""; 0]);
    log.write(3, "stdout F", "x");
    assert_eq!(texts(&mut reader), ["x"]);
    assert_eq!(reader.truncations(), 2);
}

#[test]
fn removed_files_are_passed_over_and_the_folder_may_vanish() {
    let log = Log::new();
    for (stamp, text) in [(1, "a"), (2, "b"), (3, "c")] {
        log.write(stamp, "stdout F", text);
        log.rotate(stamp);
    }
    log.write(4, "stdout F", "d");
    let mut reader = Reader::new(log.dir());
    assert_eq!(reader.next_line().unwrap().unwrap().text, b"a");
    log.remove(1);
    log.remove(2);
    assert_eq!(texts(&mut reader), ["c", "d"]);
    assert!(reader.lost_files());
    std::fs::remove_dir_all(log.dir()).unwrap();
    assert_eq!(texts(&mut reader), [""; 0]);
}

#[test]
fn what_is_no_log_line_is_shown_and_counted() {
    let log = Log::new();
    log.write(7, "stderr F", "good");
    log.append(b"\xffgarbage\n\n");
    let mut reader = Reader::new(log.dir());
    reader.next_line().unwrap();
    let bad = reader.next_line().unwrap().unwrap();
    assert_eq!((bad.stamp_nanos, bad.stream), (7_000_000_000, Stream::Stdout));
    assert_eq!(bad.text, b"\xffgarbage");
    assert_eq!(texts(&mut reader), [""]);
    assert_eq!(reader.garbage(), 2);
}

#[test]
fn a_line_without_end_comes_in_pieces() {
    let log = Log::new();
    let long = "x".repeat(3 * MAX_LINE);
    log.write(1, "stderr F", &long);
    log.write(2, "stdout F", "next");
    let mut reader = Reader::new(log.dir());
    let mut joined = Vec::new();
    loop {
        let line = reader.next_line().unwrap().unwrap();
        assert_eq!(line.stream, Stream::Stderr);
        joined.extend_from_slice(line.text);
        if !line.partial {
            break;
        }
    }
    assert_eq!(joined, long.as_bytes());
    assert_eq!(texts(&mut reader), ["next"]);
    assert_eq!(reader.garbage(), 0);
}

#[test]
fn reading_may_begin_and_end_at_a_place() {
    let log = Log::new();
    for stamp in 1..=4 {
        log.write(stamp, "stdout F", &stamp.to_string());
    }
    let line = std::fs::metadata(log.dir().join(CURRENT)).unwrap().len() / 4;
    let mut first = Reader::new(log.dir());
    first.next_line().unwrap();
    let first = first.position().unwrap();
    assert_eq!(first.offset, line);
    let place = |lines| Position { offset: lines * line, ..first };
    let mut reader = Reader::at(log.dir(), place(1)).unwrap().until(place(3));
    log.rotate(1);
    assert_eq!(texts(&mut reader), ["2", "3"]);
}

#[test]
fn what_is_taken_back_from_the_end_is_not_read_twice() {
    let log = Log::new();
    let mut reader = Reader::new(log.dir());
    log.write(1, "stdout F", "a");
    log.write(2, "stdout F", "b");
    let path = log.dir().join("current");
    let size = std::fs::metadata(&path).unwrap().len();
    log.write(3, "stdout F", "taken back");
    for torn in [&b""[..], b"1970-01-01T00:00:03.0", &[b'x'; 100_000]] {
        log.append(torn);
        texts(&mut reader);
        for size in [size + 5, size] {
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            file.set_len(size).unwrap();
            assert_eq!(texts(&mut reader), [""; 0]);
        }
        assert_eq!(reader.position().unwrap().offset, size);
        log.write(4, "stdout F", "c");
        assert_eq!(texts(&mut reader), ["c"]);
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_len(size).unwrap();
    }
    assert_eq!(reader.truncations(), 0);
    assert!(reader.taken_back() >= 6);
}
