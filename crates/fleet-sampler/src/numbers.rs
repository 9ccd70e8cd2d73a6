//! Numbers as they are written: finite, and no longer than what was measured.

/// Rounded to two digits behind the point.
pub(crate) fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Rounded to three digits behind the point.
pub(crate) fn millis(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// A part of a whole in percent; unknown where either is, or where the whole is nothing.
pub(crate) fn share(part: Option<u64>, whole: Option<u64>) -> Option<f64> {
    let whole = whole.filter(|whole| *whole > 0)?;
    Some(hundredths(part? as f64 / whole as f64 * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_nothing_is_unknown() {
        assert_eq!(share(Some(1), Some(0)), None);
        assert_eq!(share(None, Some(1)), None);
        assert_eq!(share(Some(1), Some(3)), Some(33.33));
    }
}
