//! A fleet in a file.
mod draft;
mod fleet;
mod member;
mod merge;
mod order;
mod profiles;
