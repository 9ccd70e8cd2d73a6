//! A fleet file with a mistake is refused as a whole, with the place and what would be right.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;

use fleet_testkit::TestFleet;

const WEB: &str = "[process.web]\ncommand = 'sleep 600'\n";

/// The mistakes that are said of a file, without its name.
fn mistakes(text: &str) -> Vec<String> {
    let fleet = TestFleet::new();
    fs::write(fleet.scratch().join("bad.env"), "# fine\nA=1\nhunter2\n").unwrap();
    let path = fleet.scratch().join("fleet.toml");
    fs::write(&path, text).unwrap();
    let run = |option: &str| fleet.run("fleet-spawn").arg("--file").arg(&path).arg(option);
    let ran = run("--check").fails_with(2).stdout_is("").stderr_lacks("hunter2");
    let started = run("--apply").fails_with(2).stdout_is("");
    assert_eq!(started.stderr(), ran.stderr(), "a start is refused with the same words");
    assert!(!fleet.file("processes").exists(), "nothing is left");
    assert!(ran.stderr().contains("nothing was started"), "{ran}");
    let place = |line: &str| Some(line.split_once("fleet.toml' line ")?.1.to_owned());
    ran.stderr().lines().filter_map(place).collect()
}

#[track_caller]
fn only_mistake(text: &str, expected: &str) {
    let found = mistakes(text);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with(expected), "{found:#?}");
}

#[test]
fn of_the_process_itself() {
    for (line, expected) in [
        ("comand = 'x'", "3 column 1: there is no key 'comand' (did you mean 'command'?)"),
        ("gpu = 1", "3 column 1: there is no key 'gpu'"),
        ("gpus = 0", "3 column 8: \"0\" is no number of GPUs; write 1 to"),
        ("gpus = '0,1'", "3 column 8: \"0,1\" names GPUs by their numbers"),
        ("gpus = 'all'", "3 column 8: \"all\" is no number of GPUs and no UUID"),
        ("gpus = 1\ngpu_memory = '0'", "4 column 14: no program runs in \"0\" of memory"),
        (
            "gpu_memory = '10G'",
            "3 column 14: --gpu-memory says how much each GPU of --gpus has free",
        ),
        (
            "gpus = 1\nenv = { CUDA_VISIBLE_DEVICES = '0' }",
            "1 column 10: CUDA_VISIBLE_DEVICES is set",
        ),
        ("grace = 'soon'", "3 column 9: \"soon\" is no duration"),
        ("stop_signal = 'TREM'", "3 column 15: "),
        ("restart = 'sometimes'", "3 column 11: \"sometimes\" is no restart policy"),
        ("replicas = 0", "3 column 12: there are 1 to 10000 replicas"),
        ("slots = 0", "3 column 9: a line has at least one slot"),
        ("profile = 'no'", "3 column 11: there is no profile 'no'"),
        (
            "after = 'webb'",
            "3 column 9: 'after' names 'webb', and there is no such process (did you mean 'web'?)",
        ),
        ("after = 'web'", "3 column 9: these wait for each other: web -> web"),
        ("env_file = 'bad.env'", "3 column 12: '"),
        ("env_file = 'no.env'", "3 column 12: cannot read the environment file '"),
        ("cwd = '/no/such'", "3 column 7: cannot start in '/no/such'"),
        ("port = 8080\nconnection_file = true", "3 column 8: a connection file needs five ports"),
        ("port = 70000", "3 column 8: \"70000\" is no port"),
        ("port = 8080\nreplicas = 2", "3 column 8: 'web-0' and 'web-1' want the same port 8080"),
    ] {
        only_mistake(&format!("{WEB}{line}\n"), expected);
    }
    let found = mistakes(&format!("{WEB}env_file = 'bad.env'\n"));
    assert!(found[0].contains("bad.env' line 3: expected NAME=VALUE"), "{found:?}");
}

#[test]
fn of_its_kpis() {
    for (text, expected) in [
        ("target = 'low'", "4 column 10: \"low\" is no number to compare with"),
        ("target = inf", "4 column 10: \"inf\" is no number to compare with"),
        ("direction = 'dwon'", "4 column 13: \"dwon\" is no direction; write up or down"),
        ("baselin = 1", "4 column 1: there is no key 'baselin' (did you mean 'baseline'?)"),
        ("target = 1", "3 column 14: the KPI 'loss' does not say which way is better"),
        ("direction = 'up'\nmetric = ''", "3 column 14: the KPI 'loss' names no metric"),
    ] {
        only_mistake(&format!("{WEB}[process.web.kpi.loss]\n{text}\n"), expected);
    }
    only_mistake(
        &format!("{WEB}kpi = {{ 'a b' = {{ direction = 'up' }} }}\n"),
        "3 column 9: a KPI's name holds letters, digits and '_'",
    );
}

#[test]
fn of_its_command() {
    for (text, expected) in [
        ("[process.a]\nport = 'auto'\n", "1 column 10: there is no command"),
        ("[process.a]\ncommand = \"say 'x\"\n", "2 column 11: the quotes of the command are not"),
        ("[process.a]\ncommand = ''\n", "2 column 11: the command is empty"),
        ("[process.a]\ncommand = []\n", "2 column 11: the command is empty"),
        (
            "[process.a]\ncommand = ['x']\nshell = true\n",
            "3 column 9: a command for a shell is one text",
        ),
        ("[process.'a b']\ncommand = 'x'\n", "1 column 10: a name holds only letters"),
    ] {
        only_mistake(text, expected);
    }
}

#[test]
fn of_the_file_as_a_whole() {
    for (text, expected) in [
        ("[proces.a]\n", "1 column 2: there is no key 'proces' (did you mean 'process'?)"),
        ("[process.a]\ncommand = \n", "2 column "),
        (
            "[profile.a]\nprofile = 'b'\n[profile.b]\nprofile = ['a']\n",
            "2 column 11: profiles build on each other: a -> b -> a",
        ),
        ("[profile.a]\nprofile = 'b'\n", "2 column 11: there is no profile 'b'"),
        (
            "[process.a]\ncommand = 'x'\nafter = 'b'\n[process.b]\ncommand = 'x'\nafter = ['a:healthy']\n",
            "3 column 9: these wait for each other: a -> b -> a",
        ),
        (
            "[process.a]\ncommand = 'x'\nport = 8080\n[process.b]\ncommand = 'x'\nport = 8080\n",
            "6 column 8: 'a' and 'b' want the same port 8080",
        ),
        (
            "[process.a]\ncommand = 'x'\nreplicas = 1\n[process.a-0]\ncommand = 'x'\n",
            "4 column 10: 'a' has a process 'a-0', too",
        ),
    ] {
        only_mistake(text, expected);
    }
}

#[test]
fn several_mistakes_are_all_said() {
    let found = mistakes(
        "[process.a]\ncomand = 'x'\ngrace = 'soon'\n[process.b]\n[process.c]\ncommand = 'x'\nafter = 'd'\n",
    );
    let lines: Vec<&str> = found.iter().map(|line| line.split_once(' ').unwrap().0).collect();
    assert_eq!(lines, ["2", "3", "4", "7"], "{found:#?}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let fleet = TestFleet::new();
    let run = fleet.run("fleet-spawn").args(["--file", "/no/such.toml"]).fails_with(2);
    run.stderr_has("cannot read the fleet file '/no/such.toml'");
    let path = fleet.scratch().join("latin.toml");
    fs::write(&path, b"# \xe9\n").unwrap();
    fleet.run("fleet-spawn").arg("--file").arg(&path).fails_with(2).stderr_has("latin.toml");
    fleet.run("fleet-spawn").arg("--file").arg(fleet.scratch()).fails_with(2);
}
