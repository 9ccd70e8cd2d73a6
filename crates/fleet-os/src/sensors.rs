//! Temperatures: `/sys/class/hwmon`, and where that has none `/sys/class/thermal`
//! (sysfs-class-hwmon, sysfs-class-thermal).

use std::fs;
use std::path::{Path, PathBuf};

/// A temperature that the machine measures.
#[derive(Clone, Debug, PartialEq)]
pub struct Sensor {
    /// The chip and what it measures: `coretemp/Package id 0`, `nvme/Composite`.
    pub name: String,
    /// Degrees Celsius.
    pub celsius: f64,
    /// Where the hardware protects itself, if it tells: degrees Celsius.
    pub limit_celsius: Option<f64>,
}

/// More than any machine has; a driver that goes astray must not fill the records.
const MOST: usize = 256;

/// All temperatures under this /sys, by name. One that cannot be read, of a disk that sleeps for
/// example, is left out.
pub fn sensors(sys: &Path) -> Vec<Sensor> {
    let mut found: Vec<Sensor> =
        folders(&sys.join("class/hwmon"), "hwmon").iter().flat_map(|chip| of_chip(chip)).collect();
    if found.is_empty() {
        let zones = folders(&sys.join("class/thermal"), "thermal_zone");
        found = zones.iter().filter_map(|zone| of_zone(zone)).collect();
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found.truncate(MOST);
    number_namesakes(&mut found);
    found
}

/// Two chips of a kind have the same names: the second one is `nvme/Composite#2`.
fn number_namesakes(sensors: &mut [Sensor]) {
    let names: Vec<String> = sensors.iter().map(|sensor| sensor.name.clone()).collect();
    for (at, sensor) in sensors.iter_mut().enumerate() {
        let before = names[..at].iter().filter(|name| **name == names[at]).count();
        if before > 0 {
            sensor.name = format!("{}#{}", names[at], before + 1);
        }
    }
}

/// Folders of this kind, in the order of their numbers.
fn folders(of: &Path, kind: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(of) else { return Vec::new() };
    let numbered = entries.flatten().filter_map(|entry| {
        let number = entry.file_name().to_str()?.strip_prefix(kind)?.parse::<u32>().ok()?;
        Some((number, entry.path()))
    });
    let mut found: Vec<(u32, PathBuf)> = numbered.collect();
    found.sort_unstable();
    found.into_iter().map(|(_, path)| path).collect()
}

fn of_chip(chip: &Path) -> Vec<Sensor> {
    let Ok(entries) = fs::read_dir(chip) else { return Vec::new() };
    let name = word(&chip.join("name")).unwrap_or_else(|| "unknown".to_owned());
    let inputs = entries.flatten().filter_map(|entry| {
        let file = entry.file_name().into_string().ok()?;
        Some(file.strip_prefix("temp")?.strip_suffix("_input")?.to_owned())
    });
    let of_input = |number: String| {
        let file = |what: &str| chip.join(format!("temp{number}_{what}"));
        let label = word(&file("label")).unwrap_or_else(|| format!("temp{number}"));
        Some(Sensor {
            name: format!("{name}/{label}"),
            celsius: celsius(&file("input"))?,
            limit_celsius: celsius(&file("crit")).or_else(|| celsius(&file("max"))),
        })
    };
    inputs.filter_map(of_input).collect()
}

fn of_zone(zone: &Path) -> Option<Sensor> {
    let name = word(&zone.join("type"))?;
    Some(Sensor { name, celsius: celsius(&zone.join("temp"))?, limit_celsius: None })
}

fn word(file: &Path) -> Option<String> {
    let text = fs::read(file).ok()?;
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// Millidegrees as degrees. Colder than nothing can be, or hotter than a chip survives, is what
/// drivers say that know no value.
fn celsius(file: &Path) -> Option<f64> {
    let millis: i64 = word(file)?.parse().ok()?;
    (-273_150..=1_000_000).contains(&millis).then_some(millis as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(sys: &Path, file: &str, text: &str) {
        let path = sys.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn chips_come_before_zones_and_namesakes_are_numbered() {
        let sys = tempfile::tempdir().unwrap();
        put(sys.path(), "class/thermal/thermal_zone0/type", "acpitz\n");
        put(sys.path(), "class/thermal/thermal_zone0/temp", "27800\n");
        let zone = Sensor { name: "acpitz".into(), celsius: 27.8, limit_celsius: None };
        assert_eq!(sensors(sys.path()), [zone]);
        for chip in ["hwmon2", "hwmon10"] {
            put(sys.path(), &format!("class/hwmon/{chip}/name"), "nvme\n");
            put(sys.path(), &format!("class/hwmon/{chip}/temp1_input"), "41850\n");
            put(sys.path(), &format!("class/hwmon/{chip}/temp1_label"), "Composite\n");
            put(sys.path(), &format!("class/hwmon/{chip}/temp1_crit"), "84850\n");
            put(sys.path(), &format!("class/hwmon/{chip}/temp2_input"), "-2147483648\n");
        }
        let found = sensors(sys.path());
        let names: Vec<_> = found.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["nvme/Composite", "nvme/Composite#2"]);
        assert_eq!((found[0].celsius, found[0].limit_celsius), (41.85, Some(84.85)));
    }

    #[test]
    fn a_machine_without_sensors_has_none() {
        assert!(sensors(Path::new("/nowhere")).is_empty());
    }
}
