//! Which of two severities is worse.

/// The severities that the tools know, the mildest first.
const KNOWN: [&str; 5] = ["info", "warning", "medium", "high", "critical"];

/// The place of a severity among those that are known, higher being worse. A word that is not
/// known stands with `medium`: nobody should sleep through it, nobody should be woken by it.
pub fn rank(severity: &str) -> usize {
    KNOWN.iter().position(|known| *known == severity).unwrap_or(2)
}

/// Whether the tools know it, so that it can be said to be worse or milder than another.
pub(crate) fn is_known(severity: &str) -> bool {
    KNOWN.contains(&severity)
}
