//! A command as it is written in a file.

use crate::wish::Words;

/// Why words are no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadCommand {
    /// There is nothing to execute.
    #[error("the command is empty")]
    Empty,
    /// A quote is open, or a backslash is last.
    #[error("the quotes of the command are not balanced")]
    Quotes,
    /// A shell takes one text.
    #[error("a command for a shell is one text, not a list")]
    ListForShell,
}

/// The argument vector: a list as it is, a text split as a shell would or given to one.
pub(crate) fn argument_vector(words: &Words, shell: bool) -> Result<Vec<String>, BadCommand> {
    let vector = match (words, shell) {
        (Words::List(_), true) => return Err(BadCommand::ListForShell),
        (Words::List(list), false) => list.clone(),
        (Words::Text(text), true) if text.trim().is_empty() => return Err(BadCommand::Empty),
        (Words::Text(text), true) => ["sh", "-c", text].map(str::to_owned).to_vec(),
        (Words::Text(text), false) => shlex::split(text).ok_or(BadCommand::Quotes)?,
    };
    match vector.first() {
        Some(program) if !program.is_empty() => Ok(vector),
        _ => Err(BadCommand::Empty),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(text: &str, shell: bool) -> Result<Vec<String>, BadCommand> {
        argument_vector(&Words::Text(text.to_owned()), shell)
    }

    #[test]
    fn a_text_is_split_and_never_run_by_a_shell() {
        let split = text("python 'my train.py' --lr \"3e-4\" $HOME | x", false).unwrap();
        assert_eq!(split, ["python", "my train.py", "--lr", "3e-4", "$HOME", "|", "x"]);
        assert_eq!(text("a | b", true).unwrap(), ["sh", "-c", "a | b"]);
        assert_eq!(text("a 'b", false), Err(BadCommand::Quotes));
        assert_eq!(text(" ", false), Err(BadCommand::Empty));
        assert_eq!(text("''", false), Err(BadCommand::Empty));
        assert_eq!(text(" ", true), Err(BadCommand::Empty));
        let list = Words::List(vec!["a b".to_owned()]);
        assert_eq!(argument_vector(&list, false).unwrap(), ["a b"]);
        assert_eq!(argument_vector(&list, true), Err(BadCommand::ListForShell));
    }

    proptest! {
        #[test]
        fn what_is_quoted_for_a_shell_is_split_into_the_same_words(
            mut words in prop::collection::vec("[^\0]*", 1..5)
        ) {
            words[0].insert(0, 'x');
            let line = shlex::try_join(words.iter().map(String::as_str)).unwrap();
            prop_assert_eq!(text(&line, false).unwrap(), words);
        }

        #[test]
        fn any_text_is_split_or_refused(words in ".*") {
            let _ = text(&words, false);
        }
    }
}
