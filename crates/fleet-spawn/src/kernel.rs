//! Jupyter connection files: where a kernel listens, and the key that its clients sign with
//! (jupyter-client.readthedocs.io, "Connection files").

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;

use fleet_cli::{Exit, Failure};
use fleet_core::Spec;
use fleet_registry::{Home, RunDir};
use serde_json::json;

use crate::ports::{Ports, replace};
use crate::wish::Wish;

/// Shell, iopub, stdin, control, heartbeat.
const PORTS: u16 = 5;
const PLACE: &[u8] = b"{connection_file}";

/// The ports that are wanted: with a connection file, five.
///
/// # Errors
/// Another number of them was asked for.
pub(crate) fn wanted_ports(wish: &Wish) -> Result<Option<Ports>, Failure> {
    let ports = wish.port.as_ref().map(|port| port.value);
    match (wish.connection_file == Some(true), ports) {
        (true, None | Some(Ports::Auto(PORTS))) => Ok(Some(Ports::Auto(PORTS))),
        (true, Some(_)) => {
            let words = "a connection file needs five ports";
            Err(Failure::new(Exit::CouldNot, words).hint("say --port auto:5, or leave --port out"))
        }
        (false, ports) => Ok(ports),
    }
}

/// Names the connection file in the spec, and in the command where it is wanted there.
pub(crate) fn name_file(spec: &mut Spec, home: &Home) {
    let path = home.run(&spec.id, spec.run).connection_file();
    let fill_in = |argument: &OsString| {
        OsString::from_vec(replace(argument.as_bytes(), PLACE, path.as_os_str().as_bytes()))
    };
    spec.command = spec.command.iter().map(fill_in).collect();
    spec.connection_file = Some(path.to_string_lossy().into_owned());
}

/// Writes the connection file with a fresh key, which is nowhere else.
///
/// # Errors
/// The folder cannot be written.
pub(crate) fn write_file(dir: &RunDir, spec: &Spec) -> io::Result<()> {
    let [shell, iopub, stdin, control, heartbeat] = spec.ports[..] else { return Ok(()) };
    let key: String = fleet_os::random_bytes()?.iter().map(|byte| format!("{byte:02x}")).collect();
    let content = json!({
        "shell_port": shell,
        "iopub_port": iopub,
        "stdin_port": stdin,
        "control_port": control,
        "hb_port": heartbeat,
        "ip": "127.0.0.1",
        "transport": "tcp",
        "signature_scheme": "hmac-sha256",
        "key": key,
        "kernel_name": spec.id,
    });
    let path = dir.connection_file();
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(format!("{content:#}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(port: Option<&str>, file: bool) -> Option<Option<Ports>> {
        let port = port.map(|port| port.parse().unwrap());
        let wish = Wish { port, connection_file: Some(file), ..Wish::default() };
        wanted_ports(&wish).ok()
    }

    #[test]
    fn a_kernel_has_five_ports() {
        assert_eq!(ports(None, true), Some(Some(Ports::Auto(5))));
        assert_eq!(ports(Some("auto:5"), true), Some(Some(Ports::Auto(5))));
        assert_eq!(ports(Some("auto:4"), true), None);
        assert_eq!(ports(Some("9600"), true), None);
        assert_eq!(ports(Some("auto"), false), Some(Some(Ports::Auto(1))));
        assert_eq!(ports(None, false), Some(None));
    }
}
