//! The letters of short messages: one outside of GSM 03.38 makes each message hold 70 characters, not 160.

/// The letters that cost one place.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
    ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

/// The letters that cost two.
const EXTENDED: &str = "\x0c^{}\\[~]|€";

/// A text as near to it as those letters come. Signs and pictures that have no like are left out; letters
/// of other scripts stay, since a dear message is better than one that says nothing.
pub(crate) fn friendly(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            _ if BASIC.contains(c) || EXTENDED.contains(c) => plain.push(c),
            '–' | '—' | '−' | '·' | '•' => plain.push('-'),
            '“' | '”' | '„' | '«' | '»' => plain.push('"'),
            '‘' | '’' | '‚' | '`' | '´' => plain.push('\''),
            '…' => plain.push_str("..."),
            '→' => plain.push_str("->"),
            '≥' => plain.push_str(">="),
            '≤' => plain.push_str("<="),
            '×' => plain.push('x'),
            '°' => plain.push_str("deg"),
            'µ' | 'μ' => plain.push('u'),
            _ if c.is_whitespace() => plain.push(' '),
            _ if c.is_alphanumeric() => plain.push(c),
            _ => {}
        }
    }
    plain.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn signs_become_their_like_and_pictures_vanish() {
        for (text, plain) in [
            ("loss ≥ 3 — “no” 🔥", "loss >= 3 - \"no\""),
            ("Größe\t[ok] 20 °C…", "Größe [ok] 20 degC..."),
            ("потеря", "потеря"),
            ("👩‍🚀", ""),
        ] {
            assert_eq!(friendly(text), plain);
        }
    }

    proptest! {
        #[test]
        fn what_is_left_is_of_the_letters_or_a_letter(text in ".{0,60}") {
            for c in friendly(&text).chars() {
                let cheap = BASIC.contains(c) || EXTENDED.contains(c);
                prop_assert!(cheap || c.is_alphanumeric(), "{:?}", c);
            }
        }
    }
}
