//! Where a process is born: what could end it, or its supervisor's files, from outside.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use fleet_cli::talk;
use fleet_registry::Home;

/// Says once for each home what is dangerous about this place.
pub(crate) fn warn_once(home: &Home) {
    let told = home.path().join("warned");
    if told.exists() {
        return;
    }
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let service = service(&groups).map(|unit| {
        format!(
            "this runs inside '{unit}': when systemd stops that, it ends what was spawned from it \
             too, unless the unit says KillMode=process"
        )
    });
    let network = fleet_os::is_on_network(home.path()).then(|| {
        format!(
            "'{}' is on a network file system: locks and pipes may fail there; set FLEET_HOME to a \
             folder on a local disk",
            home.path().display()
        )
    });
    let warnings: Vec<String> = service.into_iter().chain(network).collect();
    if warnings.is_empty() {
        return;
    }
    warnings.iter().for_each(talk);
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(told);
    // Without the file it is said again next time, which is better than never.
    let _ = file.and_then(|mut file| file.write_all(warnings.join("\n").as_bytes()));
}

/// The service whose cgroup this is, by proc_pid_cgroup(5): the unified hierarchy, or systemd's
/// own of version 1. A user's manager (`user@1000.service`) lasts, and what is below it is its.
fn service(groups: &str) -> Option<&str> {
    let path = groups.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        matches!(controllers, "" | "name=systemd").then_some(path).filter(|path| *path != "/")
    })?;
    let unit = path.rsplit('/').find(|part| part.ends_with(".service"))?;
    (!unit.starts_with("user@")).then_some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_service_is_dangerous() {
        let service_of = |text: &str| service(text).map(str::to_owned);
        assert_eq!(service_of("0::/system.slice/cron.service\n").as_deref(), Some("cron.service"));
        let old = "4:memory:/a.service\n1:name=systemd:/system.slice/ssh.service/x\n0::/\n";
        assert_eq!(service_of(old).as_deref(), Some("ssh.service"));
        for text in [
            "0::/user.slice/user-1000.slice/session-3.scope\n",
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/vte-1.scope\n",
            "0::/\n",
            "",
            "garbage",
        ] {
            assert_eq!(service(text), None, "{text}");
        }
    }
}
