//! What errors that are the same have in common.

mod message;

use fleet_logline::{fields, plain};

use crate::shape::Told;
use crate::traceback::{Frame, Language};

use message::normalised;

/// Of a message so many characters count.
const MESSAGE: usize = 300;

/// Fields that hold what a structured line says.
const SAID: [&str; 5] = ["message", "msg", "event", "error", "err"];

/// The fingerprint of an error without a traceback: of what its line says, without what differs
/// from time to time.
pub fn fingerprint_of_line(text: &[u8]) -> String {
    let bare = plain(text);
    let fields = fields(&bare.text);
    let said =
        fields.as_ref().and_then(|fields| SAID.iter().find_map(|key| fields.get(*key)?.as_str()));
    let said = said.map_or_else(|| String::from_utf8_lossy(&bare.text), Into::into);
    let mut hash = Hash::default();
    hash.part("line");
    hash.part(&of_message(&said));
    hash.hex()
}

/// The fingerprint of a traceback: of the error's type, the frames of the program's own code,
/// without lines and folders, and the message without what differs from time to time.
pub(crate) fn fingerprint(language: Language, told: &Told) -> String {
    let mut hash = Hash::default();
    hash.part(language.word());
    hash.part(told.kind.as_deref().unwrap_or_default());
    let own: Vec<&Frame> = told.frames.iter().filter(|f| is_own(language, f)).collect();
    let frames = if own.is_empty() { told.frames.iter().collect() } else { own };
    let mut frames: Vec<String> = frames.into_iter().map(of_frame).collect();
    // However deep a recursion went.
    frames.dedup();
    frames.iter().for_each(|frame| hash.part(frame));
    hash.part(&of_message(told.message.as_deref().unwrap_or_default()));
    hash.hex()
}

/// The first line alone: what follows may be of something else.
fn of_message(message: &str) -> String {
    let line = message.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    normalised(&line.chars().take(MESSAGE).collect::<String>())
}

/// Function and name of the file. Numbers in them count closures, cells and proxies.
fn of_frame(frame: &Frame) -> String {
    let file = frame.file.as_deref().unwrap_or_default();
    let mut parts = file.rsplit('/');
    let tail = match parts.next().unwrap_or_default() {
        "__init__.py" => format!("{}/__init__.py", parts.next().unwrap_or_default()),
        name => name.to_owned(),
    };
    message::without_numbers(&format!("{} {tail}", frame.function.as_deref().unwrap_or_default()))
}

/// Whether a frame is of the program itself, not of a library or of the language.
fn is_own(language: Language, frame: &Frame) -> bool {
    let file = frame.file.as_deref().unwrap_or_default();
    let function = frame.function.as_deref().unwrap_or_default();
    let in_any = |parts: &[&str]| parts.iter().any(|part| file.contains(part));
    let is_any = |heads: &[&str]| heads.iter().any(|head| function.starts_with(head));
    !match language {
        Language::Python => {
            in_any(&["site-packages/", "dist-packages/", "/lib/python", "<frozen "])
        }
        Language::Rust => {
            in_any(&["/rustc/", "cargo/registry/", "cargo/git/", "./csu/", "sysdeps/"])
                || file.is_empty()
                || is_any(&["std::", "core::", "alloc::", "__rustc"])
        }
        Language::Go => in_any(&["/pkg/mod/", "/vendor/"]) || is_go_std(function, file),
        Language::Java => is_any(&[
            "java.",
            "javax.",
            "jakarta.",
            "jdk.",
            "sun.",
            "com.sun.",
            "kotlin.",
            "kotlinx.",
            "scala.",
            "groovy.",
            "org.springframework.",
            "org.apache.",
        ]),
        Language::Node => {
            in_any(&["node_modules/"]) || file.starts_with("node:") || file.starts_with('<')
        }
        Language::Native => {
            file.is_empty() || in_any(&["libsanitizer/", "/usr/", "csu/", "sysdeps/"])
        }
    }
}

/// Packages of Go's own have no dot in the first part of their name and lie in `src/` by it.
fn is_go_std(function: &str, file: &str) -> bool {
    let Some(slash) = function.rfind('/').map(|at| at + 1).or(Some(0)) else { return false };
    let name = function.get(slash..).unwrap_or_default();
    let end = slash + name.find('.').unwrap_or(0);
    let package = function.get(..end).filter(|package| !package.is_empty()).unwrap_or("runtime");
    let dotted = package.split('/').next().is_some_and(|first| first.contains('.'));
    package != "main" && !dotted && file.contains(&format!("/src/{package}/"))
}

/// FNV-1a of 64 bits: small, and the same for ever.
struct Hash(u64);

impl Default for Hash {
    fn default() -> Hash {
        Hash(0xcbf2_9ce4_8422_2325)
    }
}

impl Hash {
    /// Adds a part; a zero keeps it from its neighbours.
    fn part(&mut self, text: &str) {
        for byte in text.bytes().chain([0]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn hex(&self) -> String {
        format!("{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, file: &str) -> Frame {
        Frame { function: Some(function.to_owned()), file: Some(file.to_owned()), line: Some(1) }
    }

    #[test]
    fn lines_differ_by_what_they_say() {
        let of = |text: &str| fingerprint_of_line(text.as_bytes());
        assert_eq!(
            of("2026-11-22 06:00:00 ERROR worker-3: lost 10.0.0.1:5432 after 3.5 s"),
            of("2027-01-02 16:30:09 ERROR worker-12: lost 10.0.0.17:5433 after 12 s"),
        );
        assert_ne!(of("ERROR: lost the database"), of("ERROR: lost the cache"));
        assert_eq!(of("ERROR: x"), of("ERROR: x"));
        assert_eq!(of("ERROR: x").len(), 16);
    }

    #[test]
    fn own_frames_alone_count() {
        for (language, own, foreign) in [
            (
                Language::Python,
                frame("load", "/srv/app/data.py"),
                frame("get", "/usr/lib/python3/dist-packages/x.py"),
            ),
            (
                Language::Go,
                frame("main.main", "/home/a/src/main/x.go"),
                frame("net/http.(*conn).serve", "/usr/local/go/src/net/http/server.go"),
            ),
            (
                Language::Go,
                frame("github.com/a/b.F", "/go/src/github.com/a/b/b.go"),
                frame("panic", "/usr/lib/go-1.19/src/runtime/panic.go"),
            ),
            (
                Language::Java,
                frame("App.main", "App.java"),
                frame("java.lang.Thread.run", "Thread.java"),
            ),
            (
                Language::Node,
                frame("read", "/srv/app/x.js"),
                frame("Module.load", "node:internal/modules/cjs/loader"),
            ),
        ] {
            assert!(is_own(language, &own), "{own:?}");
            assert!(!is_own(language, &foreign), "{foreign:?}");
            let told = |frames: &[&Frame]| Told {
                frames: frames.iter().map(|f| (*f).clone()).collect(),
                ..Told::default()
            };
            let alone = fingerprint(language, &told(&[&own]));
            assert_eq!(fingerprint(language, &told(&[&foreign, &own, &own])), alone);
            assert_ne!(fingerprint(language, &told(&[&foreign])), alone);
        }
    }
}
