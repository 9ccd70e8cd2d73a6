//! What is printed, in which form and order.

use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn a_scrape_can_be_printed_in_both_formats() {
    let mut fleet = Fleet::new();
    fleet.start("a");
    let text = out(&fleet.run(&["-o", "prometheus"]));
    assert!(text.contains("\nfleet_process_threads{id=\"a\",name=\"a\"} 1\n"), "{text}");
    let running = "\nfleet_process_state{id=\"a\",name=\"a\",state=\"running\"} 1\n";
    assert!(text.contains(running), "{text}");
    let open = out(&fleet.run(&["-o", "openmetrics"]));
    assert!(open.contains("# TYPE fleet_process info\n") && open.ends_with("# EOF\n"), "{open}");
}

#[test]
fn of_several_rounds_a_scrape_is_the_newest() {
    let fleet = Fleet::new();
    let output = fleet.run(&["-o", "openmetrics", "--count", "2", "--interval", "100ms"]);
    assert_eq!((err(&output), output.status.code()), (String::new(), Some(0)));
    assert_eq!(out(&output).matches("# EOF").count(), 1);
    assert!(out(&output).contains("\nfleet_host_cpu_ratio "), "{}", out(&output));
    let output = fleet.run(&["-o", "prometheus", "-f"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("--output-file FILE.prom"), "{}", err(&output));
}

/// A follower that ends with the test.
struct Follower(Child);

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn each_round_replaces_the_file_as_a_whole() {
    let fleet = Fleet::new();
    let file = fleet.path("fleet.prom");
    let args = ["-f", "--interval", "100ms", "-o", "openmetrics", "--output-file"];
    let tool = fleet.command(&args).arg(&file).stdin(Stdio::null()).spawn().unwrap();
    let _tool = Follower(tool);
    until("the file is there", || file.exists());
    let first = fs::read_to_string(&file).unwrap();
    until("the file is another one", || {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.ends_with("# EOF\n"), "half a file: {text}");
        text != first
    });
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    fs::write(fleet.path("plain"), "").unwrap();
    assert_eq!(mode, fs::metadata(fleet.path("plain")).unwrap().permissions().mode());
}

#[test]
fn a_follower_outlives_a_file_that_cannot_be_written() {
    let fleet = Fleet::new();
    let file = fleet.path("none/fleet.prom");
    let args = ["-f", "--interval", "100ms", "-o", "prometheus", "--output-file"];
    let mut command = fleet.command(&args);
    let tool = command.arg(&file).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut tool = Follower(tool);
    let mut said = BufReader::new(tool.0.stderr.take().unwrap()).lines();
    let line = said.next().unwrap().unwrap();
    assert!(line.contains("cannot write") && line.contains("fleet.prom"), "{line}");
    fs::create_dir(fleet.path("none")).unwrap();
    until("the file is there", || file.exists());
    let output = fleet.run(&["-o", "prometheus", "--output-file", "/dev/null/x.prom"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn the_first_by_a_field() {
    let mut fleet = Fleet::new();
    for id in ["b", "c", "a"] {
        fleet.start(id);
    }
    let ids = |args: &[&str]| -> Vec<String> {
        fleet.samples(args).iter().map(|s| s.id.as_ref().unwrap().to_string()).collect()
    };
    let all = ["--no-host", "--no-fleet"];
    assert_eq!(ids(&all), ["b", "c", "a"]);
    assert_eq!(ids(&[&all[..], &["--sort", "id"]].concat()), ["a", "b", "c"]);
    assert_eq!(ids(&[&all[..], &["--sort", "-id", "--top", "2"]].concat()), ["c", "b"]);
    let table = out(&fleet.run(&[&all[..], &["-o", "table"]].concat()));
    let names: Vec<&str> = table.lines().skip(1).map(|line| &line[..1]).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let output = fleet.run(&["--sort", "memry_bytes", "--count", "2", "--interval", "100ms"]);
    let said = "fleet-metrics: no sample has a field 'memry_bytes' to sort by; did you mean \
                'memory_bytes'?\n";
    assert_eq!((err(&output).as_str(), output.status.code()), (said, Some(0)));
}

#[test]
fn a_view_shows_its_measures_alone() {
    let mut fleet = Fleet::new();
    fleet.start("a");
    for sample in fleet.samples(&["--type", "memory"]) {
        assert!(sample.measures.memory_bytes.is_some() && sample.measures.fds.is_none());
        assert!(matches!(sample.subject, Subject::Host | Subject::Fleet | Subject::Process));
    }
    let table = out(&fleet.run(&["--type", "memory", "-o", "table"]));
    let head = table.lines().next().unwrap();
    assert!(head.starts_with("NAME") && head.contains("MEMORY%"), "{table}");
    assert!(!head.contains("FDS"), "{table}");
    let rates = ["--type", "throughput", "--no-fleet", "--count", "2", "--interval", "100ms"];
    let samples = fleet.samples(&rates);
    let hosts: Vec<&Sample> = samples.iter().filter(|s| s.subject == Subject::Host).collect();
    assert!(!hosts[0].more.contains_key("cpu_seconds_per_second"));
    assert!(hosts[1].more["cpu_seconds_per_second"].is_number(), "{:?}", hosts[1]);
}
