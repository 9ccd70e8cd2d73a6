//! A fleet in a file.
mod draft;
mod merge;
mod order;
