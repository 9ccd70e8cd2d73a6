//! What is known of a traceback.

use serde::Serialize;

/// What printed a traceback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Python, and what runs in it.
    Python,
    /// Rust.
    Rust,
    /// Go.
    Go,
    /// Java, Kotlin, Scala.
    Java,
    /// JavaScript in Node.
    Node,
    /// C and C++: aborts and sanitizers.
    Native,
}

impl Language {
    /// The word for it in records.
    pub fn word(self) -> &'static str {
        match self {
            Language::Python => "python",
            Language::Rust => "rust",
            Language::Go => "go",
            Language::Java => "java",
            Language::Node => "node",
            Language::Native => "native",
        }
    }
}

/// One step of a stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Frame {
    /// The function, where it is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The file, where it is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in the file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// What is known of a traceback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Traceback {
    /// What printed it.
    pub language: Language,
    /// The type of the error that was raised in the end: `ValueError`, `java.io.IOException`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What the error said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The frames of the error that was raised in the end, in the order of the text.
    pub frames: Vec<Frame>,
    /// The same for errors that are the same: 16 hexadecimal digits.
    pub fingerprint: String,
    /// Torch's rank whose lines they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<String>,
    /// It has more lines or bytes than a group may have; what follows stands alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}
