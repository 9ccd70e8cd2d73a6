//! What must not be read by others: it stands in the environment or in a file, never in the configuration.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fleet_config::Fault;

use crate::error::ChannelError;
use crate::keys::Keys;

/// Longest content of a file that is taken for a secret, in bytes.
const MOST: u64 = 16 << 10;

/// Where a secret stands. It holds none itself, so that it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// In a variable of the environment, of this name.
    Environment(String),
    /// In a file, which only its owner and group may read.
    File(PathBuf),
}

impl Secret {
    /// Reads `NAME_env = "VARIABLE"` or `NAME_file = "path"`.
    ///
    /// # Errors
    /// There is neither or there are both, or the secret itself stands in the file.
    pub fn load(keys: &mut Keys, name: &str) -> Result<Secret, Fault> {
        let at = keys.at();
        Secret::find(keys, name)?.ok_or_else(|| {
            Fault::new(at, format!("this channel needs '{name}_env' or '{name}_file'"))
                .hint(remedy(name))
        })
    }

    /// As [`Secret::load`], but there may be none.
    ///
    /// # Errors
    /// There are both, or the secret itself stands in the file.
    pub fn find(keys: &mut Keys, name: &str) -> Result<Option<Secret>, Fault> {
        if let Some(plain) = keys.text(name)? {
            let message = format!("'{name}' is a secret and does not stand in this file");
            return Err(Fault::new(plain.span().start, message).hint(remedy(name)));
        }
        Secret::elsewhere(keys, name)
    }

    /// `NAME_env` or `NAME_file` of what is not always a secret.
    pub(crate) fn elsewhere(keys: &mut Keys, name: &str) -> Result<Option<Secret>, Fault> {
        let variable = keys.text(&format!("{name}_env"))?;
        let path = keys.text(&format!("{name}_file"))?;
        match (variable, path) {
            (Some(_), Some(path)) => {
                let message = format!("'{name}_env' and '{name}_file' do not go together");
                Err(Fault::new(path.span().start, message))
            }
            (Some(variable), None) if variable.get_ref().is_empty() => {
                Err(Fault::new(variable.span().start, "this names no variable"))
            }
            (Some(variable), None) => Ok(Some(Secret::Environment(variable.into_inner()))),
            (None, Some(path)) => Ok(Some(Secret::File(PathBuf::from(path.into_inner())))),
            (None, None) => Ok(None),
        }
    }

    /// The secret itself, without the line end of its file.
    ///
    /// # Errors
    /// There is no such variable or file, or others may read the file.
    pub fn read(&self) -> Result<String, ChannelError> {
        let text = match self {
            Secret::Environment(variable) => env::var(variable)
                .map_err(|_| ChannelError::NoVariable { variable: variable.clone() })?,
            Secret::File(path) => file(path)?,
        };
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(ChannelError::Empty { place: self.place() });
        }
        Ok(text.to_owned())
    }

    /// Where it stands, in words.
    fn place(&self) -> String {
        match self {
            Secret::Environment(variable) => format!("the variable '{variable}'"),
            Secret::File(path) => format!("'{}'", path.display()),
        }
    }
}

fn remedy(name: &str) -> String {
    format!(
        "write {name}_env = \"VARIABLE\" or {name}_file = \"path\"; a secret stands in the \
         environment or in a file of its own"
    )
}

fn file(path: &Path) -> Result<String, ChannelError> {
    let failed = |source| ChannelError::File { path: path.to_owned(), source };
    let meta = fs::metadata(path).map_err(failed)?;
    if !meta.is_file() || meta.len() > MOST {
        return Err(ChannelError::NoSecret { path: path.to_owned() });
    }
    if meta.permissions().mode() & 0o007 != 0 {
        return Err(ChannelError::Open { path: path.to_owned() });
    }
    fs::read_to_string(path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::keys;

    fn written(text: &str, mode: u32) -> (tempfile::TempDir, Secret) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (folder, Secret::File(path))
    }

    #[test]
    fn a_secret_is_named_never_written() {
        let found = |text| Secret::find(&mut keys(text), "token").map_err(|f| f.message);
        let variable = Secret::Environment("TOKEN".to_owned());
        assert_eq!(found("token_env = 'TOKEN'"), Ok(Some(variable)));
        assert_eq!(found("token_file = 'a/b'"), Ok(Some(Secret::File(PathBuf::from("a/b")))));
        assert_eq!(found(""), Ok(None));
        for bad in ["token = 'hunter2'", "token_env = ''", "token_env = 'A'\ntoken_file = 'b'"] {
            let message = found(bad).unwrap_err();
            assert!(!message.contains("hunter2"), "{message}");
        }
        assert!(Secret::load(&mut keys(""), "token").is_err());
    }

    #[test]
    fn the_line_end_of_its_file_is_no_part_of_it() {
        let (_folder, secret) = written("hunter2\r\n", 0o600);
        assert_eq!(secret.read().unwrap(), "hunter2");
    }

    #[test]
    fn what_others_may_read_or_what_is_empty_is_refused() {
        for (text, mode) in [("hunter2", 0o644), ("\n", 0o600)] {
            let (_folder, secret) = written(text, mode);
            let words = secret.read().unwrap_err().to_string();
            assert!(!words.contains("hunter2"), "{words}");
        }
        let none = Secret::Environment("FLEET_NO_SUCH_VARIABLE".to_owned());
        assert!(none.read().unwrap_err().to_string().contains("FLEET_NO_SUCH_VARIABLE"));
        assert!(Secret::File(PathBuf::from("/dev/null")).read().is_err());
    }
}
