"""What all groups of benchmarks use: the table, a folder with helpers, homes, and ways to measure."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent.parent
BIN = REPO / "target" / "release"
SOURCES = REPO / "scripts" / "bench"
ROWS = []


def row(what, figure, peer="", ratio=None, bar=None, unit="x"):
    """Adds a line to the table; it is ok while `ratio` is at most `bar` (at least, if negative)."""
    if bar is None or ratio is None:
        verdict = ""
    elif bar < 0:
        verdict = "ok" if ratio >= -bar else "MISSED"
    else:
        verdict = "ok" if ratio <= bar else "MISSED"
    sign = "" if bar is None else ("≥ " if bar < 0 else "≤ ") + f"{abs(bar):g}{unit}"
    shown = "" if ratio is None else f"{ratio:.2f}{unit}" if unit == "x" else f"{ratio:g}{unit}"
    ROWS.append((what, figure, peer, shown, sign, verdict))
    print(f"  {what}: {figure} {peer} {shown} {sign} {verdict}", file=sys.stderr)


def table():
    """Prints all lines, aligned."""
    rows = [("what", "figure", "peer", "ratio", "bar", "")] + ROWS
    widths = [max(len(r[i]) for r in rows) for i in range(6)]
    for r in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(r, widths)).rstrip())


def ms(seconds):
    return f"{seconds * 1000:.2f} ms"


def cpu_seconds(pid):
    """CPU of all threads of a process so far, to the nanosecond where the kernel counts so."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def switches(pid):
    """How often a process woke up by itself: a voluntary switch is a sleep that ended."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("voluntary_ctxt_switches"):
            return int(line.split()[1])
    return 0


def private_dirty_kb(pid):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty"):
            return int(line.split()[1])
    return 0


def wait_until(happened, seconds=20):
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            raise RuntimeError("waited in vain")
        time.sleep(0.005)


class Bench:
    """A temporary folder with the programs that are measured against, and homes within it."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.homes = []
        for source in SOURCES.glob("*.c"):
            self.compile(source)
        os.sync()

    def compile(self, source):
        for flags in (["-static"], []):
            command = ["cc", "-O2", *flags, "-o", self.folder / source.stem, source]
            if subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0:
                return
        sys.exit(f"bench: cannot compile {source}")

    def program(self, name):
        return str(self.folder / name)

    def home(self):
        """A fresh home: folders that were deleted slow those that are made after."""
        home = Home(self.folder / f"home{len(self.homes)}")
        self.homes.append(home)
        return home

    def median_ms(self, times, *command, env=None):
        """Median and least time of a command from start to end."""
        run = [self.program("repeat"), str(times), *map(str, command)]
        # Daemons keep the stderr that they were given: a pipe would never end.
        out = subprocess.run(run, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                             env=env, timeout=120)
        if out.returncode != 0:
            raise RuntimeError(f"failed: {command}")
        return float(out.stdout.split()[0]) / 1000

    def end(self):
        for home in self.homes:
            home.tool("fleet-stop", "--all", "--force", check=False)
        for name in ("idle", "flood"):
            end_all(self.program(name))


class Home:
    """A fleet of its own."""

    def __init__(self, path):
        self.path = path
        self.env = dict(os.environ, FLEET_HOME=str(path), PATH=f"{BIN}:{os.environ['PATH']}")

    def tool(self, *words, check=True):
        command = [str(BIN / words[0]), *map(str, words[1:])]
        out = subprocess.run(command, env=self.env, capture_output=True, text=True)
        if check and out.returncode != 0:
            raise RuntimeError(f"{command} ended with {out.returncode}: {out.stderr}")
        return out.stdout

    def records(self):
        return [json.loads(line) for line in self.tool("fleet-ps", "-o", "jsonl").splitlines()]

    def spawn_many(self, count, command):
        """Starts `count` processes in sequence, from one shell."""
        loop = f'for i in $(seq {count}); do fleet-spawn --name p$i -- {command} >/dev/null; done'
        subprocess.run(["sh", "-c", loop], env=self.env, check=True)

    def shims(self):
        return [r["shim"]["pid"] for r in self.records()]

    def supervisors(self):
        """Pids of all shims and keepers."""
        return [pid for r in self.records() for pid in (r["shim"]["pid"], r["shim"]["keeper"])]

def pids_of(program):
    """All processes that execute this file."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.readlink(entry / "exe") == program:
                    found.append(int(entry.name))
            except OSError:
                pass
    return found


def end_all(program):
    """Ends all of them; a queue may start more while it is being stopped."""

    def none_left():
        for pid in pids_of(program):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        return not pids_of(program)

    wait_until(none_left)

def children(pid):
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

def wall_seconds(command):
    begin = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - begin

def seconds_of(*command):
    """The least of three runs."""
    def once():
        begin = time.monotonic()
        subprocess.run([str(word) for word in command], stdout=subprocess.DEVNULL, check=True)
        return time.monotonic() - begin
    return min(once() for _ in range(3))

def cpu_of(command, env=None):
    """CPU seconds of a command that is silent on stderr, from start to end."""
    child = subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, env=env)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if status != 0:
        raise RuntimeError(f"failed: {command}")
    return used.ru_utime + used.ru_stime

def best_of(times, command, env):
    """Least seconds and most kilobytes of a command."""
    least, most = float("inf"), 0
    for _ in range(times):
        begin = time.monotonic()
        process = subprocess.Popen(list(map(str, command)), env=env, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise RuntimeError(f"failed: {command}")
        least, most = min(least, time.monotonic() - begin), max(most, usage.ru_maxrss)
    return least, most

@contextlib.contextmanager
def watched(command, env):
    """The pid of a command that is ended afterwards."""
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()

def python_with(module):
    for python in (REPO / "target" / "bench-venv" / "bin" / "python", sys.executable):
        if Path(python).exists():
            probe = [str(python), "-c", f"import {module}"]
            if subprocess.run(probe, stderr=subprocess.DEVNULL).returncode == 0:
                return str(python)
    return None
