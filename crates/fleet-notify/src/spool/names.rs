//! Names of folders and files in the spool.

use fleet_core::Timestamp;

/// The folder of dead letters, which no channel's folder is named.
pub(super) const DEAD: &str = "dead";

/// The end of an entry's name.
const SUFFIX: &str = ".json";

/// The name of a channel's folder: its own name, with what a file name cannot or should not have as
/// `%` and two hexadecimal digits.
pub(super) fn folder_of(channel: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let text: String = channel
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).into() } else { format!("%{byte:02x}") })
        .collect();
    if text == DEAD { "%64ead".to_owned() } else { text }
}

/// The channel of a folder; nothing if no channel's folder has this name.
pub(super) fn channel_of(folder: &str) -> Option<String> {
    if folder == DEAD {
        return None;
    }
    let (mut bytes, mut rest) = (Vec::new(), folder.as_bytes());
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
        }
    }
    let channel = String::from_utf8(bytes).ok()?;
    (folder_of(&channel) == folder).then_some(channel)
}

/// The name of an entry, later than `newest`: a clock that was set back must not turn their order
/// around.
pub(super) fn entry_name(created: Timestamp, newest: Option<&str>, id: &str) -> String {
    let after = newest.and_then(moment_of).map_or(0, |nanos| nanos.saturating_add(1));
    let nanos = created.nanos().max(after).max(0);
    let id: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{nanos:020}-{id}{SUFFIX}")
}

/// When an entry of this name was made, in nanoseconds.
pub(super) fn moment_of(name: &str) -> Option<i64> {
    name.split_once('-')?.0.parse().ok()
}

/// The id of the notification in a file of this name; nothing if no entry is named so.
pub(super) fn id_of(name: &str) -> Option<&str> {
    let (moment, id) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    let digits = moment.len() == 20 && moment.bytes().all(|byte| byte.is_ascii_digit());
    (digits && !id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn channels_have_folders_that_lead_nowhere_else() {
        for (channel, folder) in [
            ("slack", "slack"),
            ("slack-vision_2", "slack-vision_2"),
            ("dead", "%64ead"),
            ("..", "%2e%2e"),
            ("a/b", "a%2fb"),
            ("größe", "gr%c3%b6%c3%9fe"),
        ] {
            assert_eq!(folder_of(channel), folder);
            assert_eq!(channel_of(folder).as_deref(), Some(channel));
        }
        for strange in ["dead", "%", "%6", "%zz", "a.b", "%ff", "%C3"] {
            assert_eq!(channel_of(strange), None, "{strange}");
        }
    }

    #[test]
    fn names_are_in_the_order_of_their_making() {
        let late = entry_name(Timestamp::from_nanos(9_000), None, "b");
        let clock_back = entry_name(Timestamp::from_nanos(5), Some(&late), "a");
        assert_eq!(late, "00000000000000009000-b.json");
        assert_eq!(clock_back, "00000000000000009001-a.json");
        assert_eq!((id_of(&late), id_of("x.json"), id_of(".tmp1")), (Some("b"), None, None));
    }

    proptest! {
        #[test]
        fn every_channel_has_its_own_folder(channel: String, other: String) {
            let folder = folder_of(&channel);
            prop_assert!(!folder.contains(['/', '.']));
            let back = channel_of(&folder);
            prop_assert_eq!(back.as_deref(), Some(channel.as_str()));
            let _ = channel_of(&other);
            let _ = id_of(&other);
        }
    }
}
