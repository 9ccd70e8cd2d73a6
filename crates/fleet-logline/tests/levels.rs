//! Lines of many programs, and the level that each has.

use fleet_logline::level;

#[test]
fn lines_of_all_programs_have_their_level() {
    let mut wrong = Vec::new();
    let mut looked_at = 0;
    for (number, entry) in include_str!("data/levels.txt").lines().enumerate() {
        let Some((expected, line)) = entry.split_once('\t').filter(|_| !entry.starts_with('#'))
        else {
            continue;
        };
        let line = line.replace("\\e", "\x1b").replace("\\t", "\t");
        for ending in ["", "\r"] {
            let found = level(format!("{line}{ending}").as_bytes());
            let found = found.map_or("-", fleet_logline::Level::word);
            if found != expected {
                wrong.push(format!("line {}: {found}, not {expected}: {line}", number + 1));
            }
        }
        looked_at += 1;
    }
    assert!(looked_at > 150, "the table was read");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
