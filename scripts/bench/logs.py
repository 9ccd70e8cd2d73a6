"""Reading logs: search, levels and fields, the merge by time, the way to the last minutes, and following."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from bench.base import BIN, REPO, ms, row, switches, wait_until

LOGS = BIN / "fleet-logs"
TOOLS = REPO / "target" / "bench-tools" / "bin"

# One word in ten thousand lines, two of them, and shapes with and without a word to look for.
RARE = "checkpoint-quarantined"
TWO = [RARE, "upstream reset"]
REGEX = r"queue is [0-9]+% full, 99[0-9] waiting"
SHAPE = r"[A-Za-z]{9}-[a-z]{11} [a-z]+=99[0-9]$"


class Kept:
    """A home of runs that ended, whose logs are written by scripts/bench/lines.c."""

    def __init__(self, bench, kind, count, megabytes):
        self.home, self.gigabytes = bench.home(), count * megabytes / 1000
        self.first = int(time.time()) - 3600
        self.files = []
        for number in range(count):
            file = self.run(f"p{number}") / "current"
            # All of them within the same hour, so that lines of all stand between each other.
            words = [kind, megabytes, self.first, 3_000_000_000_000 // (megabytes * 9000), number + 1, file]
            subprocess.run([bench.program("lines"), *map(str, words)], check=True)
            self.files.append(str(file))

    def run(self, name):
        return kept_run(self.home, name)

    def command(self, *words):
        return [str(LOGS), *map(str, words)]

    def rate(self, command, cores=None):
        """Gigabytes a second of the quickest of three, with what it writes going through a pipe."""
        seconds = min(piped(command, self.home.env, cores)[0] for _ in range(3))
        return self.gigabytes / seconds

    def lines(self, *words):
        """How many lines are counted."""
        out = subprocess.run(self.command(*words, "--count", "-o", "jsonl"), env=self.home.env,
                             capture_output=True, text=True, check=True).stdout
        return sum(json.loads(line)["lines"] for line in out.splitlines())


def kept_run(home, name):
    """The log folder of a run that has just ended."""
    folder = home.path / "processes" / name / "1" / "log"
    folder.mkdir(parents=True)
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    record = {"kind": "process", "ts": now, "id": name, "run": 1, "attempt": 1, "state": "completed",
              "boot": "b", "host": "h", "command": ["true"], "cwd": "/", "restarts": 0,
              "spawned_at": now, "started_at": now, "ended_at": now}
    with (home.path / "registry.jsonl").open("a") as registry:
        registry.write(json.dumps(record, separators=(",", ":")) + "\n")
    return folder


def piped(command, env=None, cores=None):
    """Seconds until the last byte came through a pipe, and kilobytes at most."""
    limit = (lambda: os.sched_setaffinity(0, cores)) if cores else None
    begin = time.perf_counter()
    tool = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=limit)
    with open(os.devnull, "wb", 0) as sink:
        while (count := os.splice(tool.stdout.fileno(), sink.fileno(), 1 << 20)) > 0:
            pass
    _, status, usage = os.wait4(tool.pid, 0)
    tool.returncode = os.waitstatus_to_exitcode(status)
    if tool.returncode not in (0, 1) or count:
        raise RuntimeError(f"failed: {command[:6]}")
    return time.perf_counter() - begin, usage.ru_maxrss


def program(name):
    """Where a peer is, if it is."""
    own = TOOLS / name
    return str(own) if own.exists() else shutil.which(name)


def gigabytes(rate):
    return f"{rate:.2f} GB/s"


def against(what, mine, name, theirs, bar=None):
    """A row of two rates; the bar is on the times."""
    row(what, gigabytes(mine), f"{name} {gigabytes(theirs)}", theirs / mine, bar)


# Search.


def search(bench):
    kept = Kept(bench, "text", 10, 100)
    asked = {
        "a literal": ["-F", "-g", RARE],
        "two literals": ["-F", *(word for text in TWO for word in ("-g", text))],
        "a regular expression with words": ["-g", REGEX],
        "a regular expression without": ["-g", SHAPE],
    }
    for name, words in asked.items():
        count_lines(kept, f"counting {name} in 1 GB", words)
    with_context(kept)
    by_level(kept)
    slow_peers(bench, kept)
    drop(kept)
    by_field(bench)


def count_lines(kept, what, words):
    mine = kept.rate(kept.command(*words, "--count"))
    found = kept.lines(*words)
    peers = [word.replace("-g", "-e") for word in words]
    for name, options, bar in (("rg", ["-c", "-I"], 1.3 if "regular" in what else 1.5), ("grep", ["-c", "-E", "-h"], None)):
        if not program(name):
            continue
        patterns = peers if name == "rg" else [word for word in peers if word != "-F"]
        command = [program(name), *options, *patterns, *kept.files]
        out = subprocess.run(command, capture_output=True, text=True, env=plain_locale()).stdout
        theirs = sum(int(line.rsplit(":", 1)[-1]) for line in out.splitlines())
        if theirs != found:
            raise RuntimeError(f"{what}: {found} lines, {name} finds {theirs}")
        against(what, mine, name, kept.rate(with_locale(command)), bar)


def plain_locale():
    return dict(os.environ, LC_ALL="C")


def with_locale(command):
    return ["env", "LC_ALL=C", *command]


def with_context(kept):
    mine = kept.rate(kept.command("-F", "-g", RARE, "-C", 8, "-o", "table", "--no-id"))
    for name, options, bar in (("rg", ["-I", "-N", "-F", "-C8"], 1.5), ("grep", ["-h", "-F", "-C8"], None)):
        if program(name):
            theirs = kept.rate(with_locale([program(name), *options, RARE, *kept.files]))
            against("a literal with 8 lines around it", mine, name, theirs, bar)


def by_level(kept):
    core = {min(os.sched_getaffinity(0))}
    mine = kept.rate(kept.command("--level", "error", "-o", "jsonl"), core)
    row("--level error -o jsonl, one core", gigabytes(mine), "", round(mine, 2), -0.5, " GB/s")


def slow_peers(bench, kept):
    """Those that take a second for each hundredth of it read one file."""
    mine = kept.rate(kept.command("-F", "-g", RARE, "--count"))
    size = os.path.getsize(kept.files[0]) / 1e9
    commands = {
        "lnav": ["-n", "-c", f":filter-in {RARE}", kept.files[0]],
        "agrind": ["-f", kept.files[0], f'"{RARE}" | count'],
    }
    for name, words in commands.items():
        if program(name):
            env = dict(os.environ, HOME=str(bench.folder))
            against("counting a literal in 1 GB", mine, name, size / piped([program(name), *words], env)[0])


def drop(kept):
    shutil.rmtree(kept.home.path)


# Fields of JSON lines.


def by_field(bench):
    kept = Kept(bench, "json", 10, 50)
    cores = sorted(os.sched_getaffinity(0))
    command = kept.command("--field", "level=error", "-o", "jsonl")
    one = kept.rate(command, {cores[0]})
    row("--field level=error, one core", gigabytes(one), "", round(one, 2), -0.4, " GB/s")
    if len(cores) > 1:
        two = kept.rate(command, set(cores[:2]))
        against("  two cores", two, "one core", one)
    if kept.lines("--field", "level=error") != kept.lines("-F", "-g", '"level":"error"'):
        raise RuntimeError("--field and the text disagree")
    plain = bench.folder / "plain.jsonl"
    subprocess.run([bench.program("lines"), "plain", "30", "1795327200", "1000", "1", plain], check=True)
    for name, words in {"jq": ["-c"], "jaq": ["-c"]}.items():
        if program(name):
            seconds, _ = piped([program(name), *words, 'select(.level == "error")', str(plain)])
            against("--field level=error, one core", one, name, 0.03 / seconds)
    drop(kept)


# The merge by time.


def merge(bench):
    small = Kept(bench, "text", 10, 10)
    _, little = piped(small.command("-o", "table"), small.home.env)
    drop(small)
    kept = Kept(bench, "text", 10, 100)
    command = kept.command("-o", "table")
    _, much = piped(command, kept.home.env)
    mine = kept.rate(command)
    theirs = kept.rate(with_locale(["sort", "-m", *kept.files]))
    against("merging 10 files of 100 MB by time", mine, "sort -m", theirs, 1)
    row("  memory", f"{much / 1024:.0f} MB", f"of 10 MB each {little / 1024:.0f} MB", much / little, 1.5)
    whole, torn = tracebacks(kept)
    row("  tracebacks torn", f"{torn} of {whole + torn}", "", torn, 0, "")
    drop(kept)


def tracebacks(kept, lines=500_000):
    """How many of the tracebacks among the first lines are whole, and how many are not."""
    tool = subprocess.Popen(kept.command("-o", "table"), env=kept.home.env, stdout=subprocess.PIPE, text=True)
    head = [line for _, line in zip(range(lines), tool.stdout)]
    tool.stdout.close()
    tool.wait()
    whole = torn = 0
    for at, line in enumerate(head[:-6]):
        if "Traceback (most" in line:
            name = line.split()[0]
            # Its lines stand behind each other, or are shown as one.
            own = [other for other in head[at:at + 6] if other.split()[0] == name]
            is_whole = "ValueError: bad batch" in line or (len(own) == 6 and "ValueError" in own[5])
            whole, torn = whole + is_whole, torn + (not is_whole)
    return whole, torn


# The last minutes of much.


def since(bench, files=1000, megabytes=10, hours=7):
    """Files of 10 MB that were set aside every few hours; all but the last are sparse in the middle."""
    home = bench.home()
    folder = kept_run(home, "old")
    now = int(time.time())
    step = hours * 3600 * 1_000_000_000 // (megabytes * 8000)
    for number in range(files):
        first = now - (files - number) * hours * 3600
        file = folder / "current"
        if number >= files - 3:
            write_lines(bench, megabytes, first, step, file)
        else:
            write_sparse(bench, megabytes, first, hours, file)
        if number < files - 1:
            file.rename(folder / f"{file.open().readline().split()[0]}.log")
    took = bench.median_ms(20, LOGS, "--since", "-5m", env=home.env)
    shown = len(home.tool("fleet-logs", "--since", "-5m").splitlines())
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e9
    row(f"--since -5m of {files:,} files, {size:.0f} GB", ms(took), f"{shown} lines", round(took * 1000, 2), 20, " ms")
    last = bench.median_ms(20, LOGS, "-n", "10", env=home.env)
    row("  -n 10", ms(last))
    shutil.rmtree(home.path)


def write_lines(bench, megabytes, first, step, file):
    words = ["text", megabytes, first, step, first, file]
    subprocess.run([bench.program("lines"), *map(str, words)], check=True)


def write_sparse(bench, megabytes, first, hours, file):
    """A megabyte's first and last lines with the rest between them left out."""
    end = file.with_suffix(".end")
    write_lines(bench, 0.05, first, 1_000_000, file)
    write_lines(bench, 0.05, first + hours * 3600 - 60, 1_000_000, end)
    with file.open("r+b") as out:
        out.seek(megabytes * 1_000_000 - end.stat().st_size)
        out.write(end.read_bytes())
    end.unlink()


# Following.

TICKS = "import time\nfor _ in range(200): print(time.monotonic_ns(), flush=True); time.sleep(0.02)"


def follow(bench, count=1000, seconds=10):
    home = bench.home()
    home.spawn_many(count, bench.program("idle"))
    command = [str(LOGS), "-f", "-n", "0", "-o", "jsonl"]
    with subprocess.Popen(command, env=home.env, stdout=subprocess.PIPE, text=True) as tool:
        try:
            wait_until(lambda: asleep(tool.pid), 30)
            time.sleep(3)
            woken, used = switches(tool.pid), cpu_of_threads(tool.pid)
            time.sleep(seconds)
            woken, used = switches(tool.pid) - woken, cpu_of_threads(tool.pid) - used
            row(f"CPU of -f on {count:,} processes in {seconds} s", f"{used * 1000:.3f} ms", f"{woken} wake-ups", round(used * 1000, 3), 0, " ms")
            home.tool("fleet-spawn", "--name", "ticks", "--", sys.executable, "-c", TICKS)
            late = sorted(delays(tool.stdout, 200))
            median = statistics.median(late)
            row("  from a write to the line of it", ms(median), f"95 of 100 within {ms(late[190])}", round(median * 1000, 2), 10, " ms")
        finally:
            tool.kill()
    home.tool("fleet-stop", "--all", "--force")


def asleep(pid):
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "S"


def cpu_of_threads(pid):
    """CPU of all threads of a process that lives, to the nanosecond."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def delays(lines, count):
    """Seconds that so many lines took which say when they were written."""
    late = []
    for line in lines:
        message = json.loads(line).get("message", "")
        if message.isdigit():
            late.append((time.monotonic_ns() - int(message)) / 1e9)
        if len(late) == count:
            break
    return late
