#!/usr/bin/env python3
"""Measures what fleet costs, side by side with what one would use instead, and prints one table.

    scripts/bench.py                 everything, at most 10 minutes
    scripts/bench.py --only capture  one group: sizes, spawn, file, idle, queue, health, list, stop, metrics, gpus, listen,
                                     curves, history, capture

Works on the programs in target/release (`make build`). Peers that are not installed are left out;
`scripts/setup.sh --bench` installs them. Missing a bar is no error: the table says so.
"""

import argparse
import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
BIN = REPO / "target" / "release"
SOURCES = REPO / "scripts" / "bench"
ROWS = []


# What all groups use.


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


# Size and start-up.


# Megabytes. fleet-shim is resident; fleet-metrics has HTTP, TLS and zstd.
SIZES = {"fleet-shim": 1.0, "fleet-metrics": 8.0}


def sizes(bench):
    for program in sorted(BIN.glob("fleet-*")):
        if not os.access(program, os.X_OK) or program.suffix:
            continue
        size, bar = program.stat().st_size, SIZES.get(program.name, 4.0)
        row(f"size of {program.name}", f"{size:,} B", "", round(size / 1e6, 2), bar, " MB")
    tool = bench.median_ms(300, BIN / "fleet-ps", "--version")
    least = bench.median_ms(300, bench.program("hello"))
    row("start of fleet-ps --version", ms(tool), f"static C hello {ms(least)}", tool / least, 2)


# Starting.


def cost_of(command, env, left_behind):
    """Wall and CPU seconds of a shell loop, with what its daemons have used so far."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    subprocess.run(["sh", "-c", command], env=env, check=True)
    wall = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu + sum(cpu_seconds(pid) for pid in left_behind())


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


def spawn_bare(bench, count):
    idle = bench.program("idle")
    loop = f"for i in $(seq {count}); do setsid -f {idle} </dev/null >/dev/null 2>&1; done"
    cost = cost_of(loop, None, lambda: pids_of(idle))
    end_all(idle)
    return cost


def spawn_fleet(bench, count):
    home, idle = bench.home(), bench.program("idle")
    loop = f"for i in $(seq {count}); do fleet-spawn --name p$i -- {idle} >/dev/null; done"
    living = lambda: pids_of(idle) + home.supervisors()
    cost = cost_of(loop, home.env, living)
    home.tool("fleet-stop", "--all", "--force")
    return cost


def spawn_one(bench):
    home, idle = bench.home(), bench.program("idle")
    bare = bench.median_ms(100, "setsid", "-f", idle)
    end_all(idle)
    fleet = bench.median_ms(100, BIN / "fleet-spawn", "--", idle, env=home.env)
    home.tool("fleet-stop", "--all", "--force")
    row("spawn one, to running", ms(fleet), f"setsid -f {ms(bare)}", fleet / bare)


def spawn_peers(bench, wall_of_100):
    """Other supervisors that can be told to start a command, 100 in sequence."""
    idle = bench.program("idle")
    if shutil.which("tsp"):
        env = dict(os.environ, TS_SOCKET=str(bench.folder / "tsp"), TS_SLOTS="200")
        loop = f"for i in $(seq 100); do tsp {idle} >/dev/null; done"
        begin = time.monotonic()
        subprocess.run(["sh", "-c", loop], env=env, check=True)
        wall = time.monotonic() - begin
        subprocess.run(["tsp", "-K"], env=env, check=False)
        end_all(idle)
        row("spawn 100", f"{wall_of_100:.2f} s", f"task-spooler {wall:.2f} s", wall_of_100 / wall)
    if shutil.which("pm2"):
        env = dict(os.environ, PM2_HOME=str(bench.folder / "pm2"))
        pm2 = lambda *w: subprocess.run(["pm2", *w], env=env, stdout=subprocess.DEVNULL)
        pm2("ping")
        begin = time.monotonic()
        for i in range(3):
            pm2("start", idle, "--name", f"p{i}")
        wall = (time.monotonic() - begin) / 3 * 100
        pm2("kill")
        row("spawn 100", f"{wall_of_100:.2f} s", f"pm2 {wall:.1f} s", wall_of_100 / wall)


def spawn(bench):
    spawn_one(bench)
    bare, fleet = [], []
    for _ in range(3):
        bare.append(spawn_bare(bench, 1000))
        fleet.append(spawn_fleet(bench, 1000))
    for part, name, bar in ((0, "wall", 2), (1, "CPU", 1.5)):
        mine, theirs = min(c[part] for c in fleet), min(c[part] for c in bare)
        figure, peer = f"{mine:.2f} s", f"setsid -f {theirs:.2f} s"
        row(f"spawn 1,000 in sequence, {name}", figure, peer, mine / theirs, bar)
    spawn_peers(bench, spawn_fleet(bench, 100)[0])


def start_file(bench, count):
    """A fleet of so many in a file, started by one command."""
    home, idle = bench.home(), bench.program("idle")
    file = bench.folder / "fleet.toml"
    file.write_text("".join(f'[process.p{i}]\ncommand = ["{idle}"]\n' for i in range(count)))
    living = lambda: pids_of(idle) + home.supervisors()
    cost = cost_of(f"fleet-spawn --file {file} >/dev/null", home.env, living)
    home.tool("fleet-stop", "--all", "--force")
    return cost


def start_files(bench):
    bare, fleet = [], []
    for _ in range(5):
        bare.append(spawn_bare(bench, 100))
        fleet.append(start_file(bench, 100))
    wall, bare_wall = min(c[0] for c in fleet), min(c[0] for c in bare)
    loop = f"for i in $(seq 100); do {bench.program('hello')} >/dev/null & done; wait"
    looped = min(wall_seconds(["sh", "-c", loop]) for _ in range(5))
    row("a file with 100, wall", f"{wall:.2f} s", f"fork and exec {looped:.2f} s", wall / looped, 2)
    row("a file with 100, wall", f"{wall:.2f} s", f"setsid -f {bare_wall:.2f} s", wall / bare_wall, 2)
    cpu, bare_cpu = min(c[1] for c in fleet), min(c[1] for c in bare)
    row("a file with 100, CPU", f"{cpu:.2f} s", f"setsid -f {bare_cpu:.2f} s", round(cpu, 2), 0.5, " s")


def wall_seconds(command):
    begin = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - begin


# The supervisor at rest.


def memory(bench):
    home = bench.home()
    home.spawn_many(20, bench.program("idle"))
    os.sync()  # pages of a freshly written program count as private and dirty until then
    time.sleep(1)
    report_memory("idle", home.records())
    done = bench.folder / "flooded"
    flood = [bench.program("flood"), "200", "100", "4096", done]
    home.tool("fleet-spawn", "--name", "flood", "--", *flood)
    wait_until(done.exists, 60)
    time.sleep(1)
    report_memory("after a flood", [r for r in home.records() if r["id"] == "flood"])
    home.tool("fleet-stop", "--all", "--force")


def report_memory(when, records):
    shim = statistics.median(private_dirty_kb(r["shim"]["pid"]) for r in records)
    keeper = statistics.median(private_dirty_kb(r["shim"]["keeper"]) for r in records)
    row(f"private memory of a shim, {when}", f"{shim:g} kB", "", shim, 100, " kB")
    both = shim + keeper
    row(f"  and its keeper, {when}", f"{keeper:g} kB", "together", both, 150, " kB")


def idle(bench, count=1000, seconds=30):
    memory(bench)
    home = bench.home()
    home.spawn_many(count, bench.program("idle"))
    time.sleep(2)
    pids = home.supervisors()
    time.sleep(1)
    woken, used = sum(map(switches, pids)), sum(map(cpu_seconds, pids))
    time.sleep(seconds)
    woken, used = sum(map(switches, pids)) - woken, sum(map(cpu_seconds, pids)) - used
    row(f"wake-ups of {count:,} shims and keepers in {seconds} s", str(woken), "", woken, 0, "")
    row(f"CPU of {count:,} shims and keepers in {seconds} s", f"{used:.4f} s")
    home.tool("fleet-stop", "--all", "--force")


# Waiting in line.


def queue(bench, count=500, seconds=15):
    home, program = bench.home(), bench.program("idle")
    line = ("--queue=gpu", "--", program)
    home.tool("fleet-spawn", "--name", "holder", *line)
    loop = f'for i in $(seq {count}); do fleet-spawn --name q$i --queue=gpu -- {program} >/dev/null; done'
    subprocess.run(["sh", "-c", loop], env=home.env, check=True)
    time.sleep(2)
    waiting = [r for r in home.records() if r["state"] == "queued"]
    pids = [pid for r in waiting for pid in (r["shim"]["pid"], r["shim"]["keeper"])]
    time.sleep(1)
    woken, used = sum(map(switches, pids)), sum(map(cpu_seconds, pids))
    time.sleep(seconds)
    woken, used = sum(map(switches, pids)) - woken, sum(map(cpu_seconds, pids)) - used
    row(f"wake-ups of {len(waiting)} queued shims and keepers in {seconds} s", str(woken), "", woken, 0, "")
    row(f"CPU of {len(waiting)} queued shims and keepers in {seconds} s", f"{used:.4f} s")
    report_memory("queued", waiting)
    report_turns(home)
    home.tool("fleet-stop", "--all", "--force")


def report_turns(home, times=10):
    """From the end of who holds the slot to the start of the next one, by their own records."""
    pauses = []
    for holder, following in zip(["holder", *(f"q{i}" for i in range(1, times))],
                            (f"q{i}" for i in range(1, times + 1))):
        ended = json.loads(home.tool("fleet-stop", "--force", "-o", "jsonl", holder))["ended_at"]
        record = home.path / "processes" / following / "1" / "record.json"
        wait_until(lambda: json.loads(record.read_text())["state"] == "running")
        started = json.loads(record.read_text())["started_at"]
        pauses.append((moment(started) - moment(ended)).total_seconds())
    row("from the end of a holder to the start of the next", ms(statistics.median(pauses)))


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
# Health checks.


def health(bench, count=20, seconds=30):
    """Shims with a tcp check every 10 s beside idle ones, then many of them with a quick check."""
    figures = {}
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as server:
        threading.Thread(target=accept_all, args=(server,), daemon=True).start()
        port = server.getsockname()[1]
        for kind, options in (("idle", ""), ("with a tcp check", f"--health-tcp 127.0.0.1:{port} --health-interval 10s")):
            home = bench.home()
            spawn_checked(bench, home, count, options)
            time.sleep(12)
            pids = home.supervisors()
            woken, used = sum(map(switches, pids)), sum(map(cpu_seconds, pids))
            time.sleep(seconds)
            woken, used = sum(map(switches, pids)) - woken, sum(map(cpu_seconds, pids)) - used
            memory = statistics.median(private_dirty_kb(r["shim"]["pid"]) for r in home.records())
            figures[kind] = (memory, woken, used)
            home.tool("fleet-stop", "--all", "--force")
        server.shutdown(socket.SHUT_RDWR)
    (idle_kb, _, _), (memory, woken, used) = figures["idle"], figures["with a tcp check"]
    row("private memory of a shim with a tcp check", f"{memory:g} kB", f"idle {idle_kb:g} kB", memory, 100, " kB")
    checks = count * seconds / 10
    row(f"wake-ups of {count} of them in {seconds} s, per check", f"{woken}", f"{checks:g} checks", woken / checks, 2.5)
    row("  CPU of one check", f"{used / checks * 1e6:.0f} µs")


def spawn_checked(bench, home, count, options):
    loop = f'for i in $(seq {count}); do fleet-spawn --name p$i {options} -- {bench.program("idle")} >/dev/null; done'
    subprocess.run(["sh", "-c", loop], env=home.env, check=True)


def accept_all(server):
    with contextlib.suppress(OSError):
        while True:
            server.accept()[0].close()


# Listing.


def listing(bench):
    for count, bar in ((100, 3), (1000, 6)):
        home = bench.home()
        home.spawn_many(count, bench.program("idle"))
        mine = bench.median_ms(50, BIN / "fleet-ps", env=home.env)
        ps = bench.median_ms(20, "ps", "-eo", "pid,lstart,args")
        peer = f"ps -e {ms(ps)}: {mine / ps:.2f}x"
        row(f"fleet-ps of {count:,}", ms(mine), peer, round(mine * 1000, 2), bar, " ms")
        home.tool("fleet-stop", "--all", "--force")
    history(bench)


def history(bench):
    """A registry that 100,000 lines were written to, before and after it is compacted."""
    home = bench.home()
    home.tool("fleet-spawn", "--name", "old", "--wait", "ended", "--", "true")
    home.tool("fleet-spawn", "--name", "living", "--", bench.program("idle"))
    registry = home.path / "registry.jsonl"
    lines = registry.read_text().splitlines()
    ended = json.loads(next(line for line in lines if '"completed"' in line))
    with registry.open("a") as file:
        for i in range(100_000):
            ended["id"], ended["run"] = f"old-{i % 1000}", i // 1000 + 1
            file.write(json.dumps(ended, separators=(",", ":")) + "\n")
    size = registry.stat().st_size / 1e6
    begin = time.monotonic()
    home.tool("fleet-ps", "--no-heal")
    row("fleet-ps, 100,000 lines not compacted", ms(time.monotonic() - begin), f"{size:.0f} MB")
    begin = time.monotonic()
    home.tool("fleet-ps", "--prune")
    row("  compacting them", ms(time.monotonic() - begin))
    after = bench.median_ms(50, BIN / "fleet-ps", env=home.env)
    row("  fleet-ps after that", ms(after), "", round(after * 1000, 2), 3, " ms")


# Stopping.


def stop(bench):
    took = []
    for _ in range(2):
        home = bench.home()
        home.spawn_many(1000, bench.program("idle"))
        begin = time.monotonic()
        home.tool("fleet-stop", "--all")
        took.append(time.monotonic() - begin)
    best = min(took)
    row("fleet-stop --all of 1,000", f"{best:.2f} s", "", round(best, 2), 1, " s")


# Measuring.

# Who belongs to whom, as fleet-metrics knows it, psutil finds by one pass over all processes.
PSUTIL = """
import psutil, sys
pids = [int(line) for line in open(sys.argv[1]) if int(line) > 0]
for _ in range(int(sys.argv[2])):
    parents = {process.pid: process.info["ppid"] for process in psutil.process_iter(["ppid"])}
    psutil.virtual_memory(), psutil.swap_memory(), psutil.cpu_times(), psutil.getloadavg()
    psutil.disk_usage("/"), psutil.disk_io_counters(), psutil.net_io_counters()
    for process in map(psutil.Process, pids):
        with process.oneshot():
            process.cpu_times(), process.memory_info(), process.io_counters(), process.num_fds()
            process.num_threads(), process.status(), process.num_ctx_switches(), process.nice()
            process.rlimit(psutil.RLIMIT_NOFILE), process.create_time()
            process.memory_full_info(), process.net_connections()
"""


def metrics(bench, count=100):
    home = bench.home()
    idle = bench.program("idle")
    home.spawn_many(count, f"sh -c '{idle} & exec {idle}'")
    pids = bench.folder / "pids"
    with pids.open("w") as file:
        for r in home.records():
            for member in (r["pid"], *children(r["pid"])):
                file.write(f"+{member}\n")
            file.write(f"-{r['shim']['pid']}\n-{r['shim']['keeper']}\n")
    sample_trees(bench, home, pids, f"{count} trees")
    strangers = subprocess.Popen(["sh", "-c", f"for i in $(seq 5000); do {idle} & done; wait"])
    wait_until(lambda: len(children(strangers.pid)) == 5000)
    sample_trees(bench, home, pids, f"{count} trees beside 5,000 others")
    for pid in (*children(strangers.pid), strangers.pid):
        os.kill(pid, signal.SIGKILL)
    strangers.wait()
    home.tool("fleet-stop", "--all", "--force")


def children(pid):
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def sample_trees(bench, home, pids, what):
    """CPU of one sample as a program, and of each of many rounds, where nobody pays for its start."""
    mine = min(cpu_of([BIN / "fleet-metrics"], home.env) for _ in range(30))
    theirs = min(cpu_of([bench.program("sample"), pids]) for _ in range(30))
    row(f"CPU of fleet-metrics of {what}, once", ms(mine), f"C reader {ms(theirs)}", mine / theirs, 1.5)
    mine = cpu_of_a_round([BIN / "fleet-metrics", "--interval", "100ms", "--count"], home.env)
    theirs = cpu_of_a_round([bench.program("sample"), pids])
    what = "the same, of each round with --follow"
    row(what, ms(mine), f"C reader {ms(theirs)}", mine / theirs, 1.5)
    python = python_with("psutil")
    if python:
        theirs = cpu_of_a_round([python, "-c", PSUTIL, pids])
        row(what, ms(mine), f"psutil {ms(theirs)}", mine / theirs, 0.2)


def cpu_of_a_round(command, env=None):
    """CPU seconds of one round of a command whose last argument is the number of rounds."""
    def cost(rounds):
        return min(cpu_of([*command, rounds], env) for _ in range(3))
    return (cost(31) - cost(1)) / 30


def cpu_of(command, env=None):
    """CPU seconds of a command that is silent on stderr, from start to end."""
    child = subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, env=env)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if status != 0:
        raise RuntimeError(f"failed: {command}")
    return used.ru_utime + used.ru_stime


# GPUs, by a stand-in for the driver's library: what asking costs, not what a driver costs.

PYNVML = """
from pynvml import *
nvmlInit()
for i in range(nvmlDeviceGetCount()):
    gpu = nvmlDeviceGetHandleByIndex(i)
    for call in (nvmlDeviceGetName, nvmlDeviceGetUUID, nvmlDeviceGetPciInfo_v3, nvmlDeviceGetUtilizationRates,
                 nvmlDeviceGetPowerUsage, nvmlDeviceGetEnforcedPowerLimit, nvmlDeviceGetTotalEnergyConsumption,
                 nvmlDeviceGetCurrentClocksThrottleReasons, nvmlDeviceGetEncoderUtilization,
                 nvmlDeviceGetDecoderUtilization, nvmlDeviceGetPcieReplayCounter, nvmlDeviceGetMigMode,
                 nvmlDeviceGetComputeRunningProcesses_v3, nvmlDeviceGetGraphicsRunningProcesses_v3,
                 lambda gpu: nvmlDeviceGetMemoryInfo(gpu, nvmlMemory_v2),
                 lambda gpu: nvmlDeviceGetTemperature(gpu, 0),
                 lambda gpu: nvmlDeviceGetFanSpeed_v2(gpu, 0), lambda gpu: nvmlDeviceGetProcessUtilization(gpu, 0),
                 *(lambda gpu, n=n: nvmlDeviceGetClockInfo(gpu, n) for n in (1, 2)),
                 lambda gpu: nvmlDeviceGetMaxClockInfo(gpu, 1),
                 *(lambda gpu, n=n: nvmlDeviceGetTotalEccErrors(gpu, n, 0) for n in (0, 1))):
        try:
            call(gpu)
        except NVMLError:
            pass
"""


def gpus(bench, count=8, times=200):
    library = bench.folder / "libnvidia-ml.so.1"
    source = REPO / "crates" / "fleet-testkit" / "standin" / "nvml.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, source], check=True)
    state = bench.folder / "gpus"
    lines = (f"gpu {i} 80 40 81920 20480 60 400000 H100\nproc {i} {1000 + i} 20000 80\n" for i in range(count))
    state.write_text("".join(lines))
    none = bench.home()
    env = dict(none.env, FLEET_STANDIN_GPUS=str(state))
    mine = bench.median_ms(50, BIN / "fleet-gpus", env=dict(env, FLEET_NVML=str(library)))
    row(f"fleet-gpus, {count} GPUs of a stand-in", ms(mine))
    python = python_with("pynvml")
    if python:
        path = dict(env, LD_LIBRARY_PATH=str(bench.folder))
        theirs = bench.median_ms(20, python, "-c", PYNVML, env=path)
        row("the same", ms(mine), f"pynvml {ms(theirs)}", mine / theirs, 1)
    command = [str(BIN / "fleet-gpus"), "--serve"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=dict(env, FLEET_NVML=str(library)), **pipes) as server:
        def ask():
            server.stdin.write('{"within_ms":5000}\n')
            server.stdin.flush()
            server.stdout.readline()
        ask()
        begin = time.monotonic()
        for _ in range(times):
            ask()
        row("one of its answers while it stays", ms((time.monotonic() - begin) / times))
        server.stdin.close()
    plain, asked = (bench.median_ms(50, BIN / "fleet-metrics", *more, env=none.env)
                    for more in (["--no-gpu"], []))
    row("fleet-metrics on a machine without GPUs", ms(asked), f"--no-gpu {ms(plain)}",
        asked / plain, 1.1)


# Storing samples, and asking about them.

HOURS_BY_JQ = """
reduce (inputs | select(.subject == "process")) as $s ({};
  ($s.id + $s.ts[0:13]) as $at
  | .[$at] |= {n: (.n + 1), cpu: (.cpu + $s.cpu_percent), memory: (.memory + $s.memory_bytes),
      max: ([.max, $s.cpu_percent] | max), top: ([.top, $s.memory_bytes] | max)})
| length
"""

HOURS_BY_SQL = """select id, substr(ts, 1, 13), count(*), avg(cpu), max(cpu), avg(memory), max(memory)
from samples where ts >= '2000' group by 1, 2"""


def stored_samples(bench, days=30, processes=20, interval=15):
    home = bench.home()
    build = ["cargo", "build", "--release", "--quiet", "-p", "fleet-history", "--example", "fill_history"]
    subprocess.run(build, cwd=REPO, check=True)
    fill = [BIN / "examples" / "fill_history", home.path, days, processes, interval]
    begin = time.monotonic()
    subprocess.run(list(map(str, fill)), check=True)
    count = days * 86400 // interval * (processes + 1)
    took = time.monotonic() - begin
    row(f"storing {count:,} samples, days closed", f"{took:.0f} s", f"{count / took:,.0f} a second")
    files = [path for path in (home.path / "metrics").glob("*.zst")]
    size = sum(path.stat().st_size for path in files) / count
    printed = len(home.tool("fleet-metrics", "--since", "-1h").splitlines()[0]) + 1
    row("  size of one, with roll-ups", f"{size:.0f} B", f"as printed {printed} B", size / printed)
    ask_history(bench, home)
    follow_and_record(bench)


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


def ask_history(bench, home):
    metrics = BIN / "fleet-metrics"
    hours = [metrics, "--since", "-30d", "--window", "1h"]
    mine, memory = best_of(3, hours, home.env)
    row("  --since -30d --window 1h", f"{mine:.2f} s", "", round(mine, 2), 2, " s")
    row("    its memory", f"{memory / 1024:.0f} MB", "", round(memory / 1024, 1), 100, " MB")
    theirs = sqlite_seconds(bench, home)
    tenth, _ = best_of(3, [metrics, "--since", "-10d", "--window", "1h"], home.env)
    row("  --since -10d --window 1h", f"{tenth:.2f} s", f"sqlite {theirs:.2f} s", tenth / theirs)
    percentiles, _ = best_of(3, [*hours, "--agg", "p50,p95,p99,rate"], home.env)
    row("    percentiles and rates", f"{percentiles:.2f} s")
    samples, memory = best_of(1, [metrics, "--since", "-30d", "--window", "61m"], home.env)
    row("  windows that no roll-up fits", f"{samples:.2f} s", f"{memory / 1024:.0f} MB")
    if not (shutil.which("jq") and shutil.which("zstdcat")):
        return
    day = sorted((home.path / "metrics").glob("????-??-??.jsonl.zst"))[-1]
    date = day.name[:10]
    span = ["--since", f"{date}T00:00:00Z", "--until", f"{date}T23:59:59.999999Z"]
    mine, _ = best_of(3, [metrics, *span, "--window", "1h"], home.env)
    jq = f"zstdcat '{day}' | jq -n '{HOURS_BY_JQ}'"
    theirs, _ = best_of(1, ["sh", "-c", jq], home.env)
    row("  one day from its samples", f"{mine:.2f} s", f"zstdcat | jq {theirs:.1f} s", mine / theirs)


def sqlite_seconds(bench, home):
    """Seconds of the same question to a table of the same samples, which was filled before."""
    table = sqlite3.connect(bench.folder / "samples.db")
    table.execute("create table samples (ts text, id text, cpu real, memory int)")
    lines = subprocess.Popen([BIN / "fleet-metrics", "--since", "-10d", "--no-host"], env=home.env,
                             stdout=subprocess.PIPE)
    samples = map(json.loads, lines.stdout)
    rows = ((s["ts"], s["id"], s["cpu_percent"], s["memory_bytes"]) for s in samples)
    table.executemany("insert into samples values (?, ?, ?, ?)", rows)
    table.commit()
    lines.wait()
    begin = time.monotonic()
    table.execute(HOURS_BY_SQL).fetchall()
    return time.monotonic() - begin


def follow_and_record(bench, count=100):
    home = bench.home()
    home.spawn_many(count, bench.program("idle"))
    follow = [str(BIN / "fleet-metrics"), "--follow", "--record", "--interval"]
    with watched([*follow, "5s"], home.env) as pid:
        time.sleep(7.5)
        before = cpu_seconds(pid)
        time.sleep(30)
        share = (cpu_seconds(pid) - before) / 30 * 100
        row(f"--follow --interval 5s --record of {count}", f"{share:.3f} %", "", round(share, 3), 0.2, " %")
    with watched([*follow, "100ms"], home.env) as pid:
        time.sleep(3)
        before = private_dirty_kb(pid)
        # A hundred rounds of a hundred.
        time.sleep(10)
        row("  memory before and after 10,000 samples", f"{before} kB", f"{private_dirty_kb(pid)} kB")
    home.tool("fleet-stop", "--all", "--force")


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


# Scrapes.


def listen(bench, count=100, at_once=50):
    home = bench.home()
    home.spawn_many(count, bench.program("idle"))
    command = [str(BIN / "fleet-metrics"), "--listen", str(free_port()), "--interval", "5s"]
    with scraped(command, int(command[2]), home.env) as (port, tool):
        one, many = scrape_seconds(port, 100), scrapes_at_once(port, at_once)
        row(f"a scrape of {count} processes", ms(one), "", round(one * 1000, 2), 2, " ms")
        row(f"{at_once} scrapes at once, each", ms(many / at_once), f"all {ms(many)}")
        row("memory of fleet-metrics --listen, private", f"{private_dirty_kb(tool.pid)} kB")
    for name, words in exporters(bench).items():
        if shutil.which(name) is None:
            continue
        port = free_port()
        with scraped([name, *words, f"127.0.0.1:{port}"], port) as (port, _):
            theirs = scrape_seconds(port, 20)
            row(f"a scrape of {count} processes", ms(one), f"{name} {ms(theirs)}", one / theirs)
    home.tool("fleet-stop", "--all", "--force")


def exporters(bench):
    """Peers, each with its words up to the address that it listens on."""
    config = bench.folder / "process-exporter.yml"
    config.write_text('process_names:\n- name: "{{.Comm}}:{{.PID}}"\n  comm: [idle]\n')
    return {
        "prometheus-process-exporter": ["-config.path", str(config), "-web.listen-address"],
        "prometheus-node-exporter": ["--no-collector.systemd", "--web.listen-address"],
    }


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@contextlib.contextmanager
def scraped(command, port, env=None):
    """Runs an exporter until its port answers with metrics, and ends it afterwards."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, env=env, stdout=quiet, stderr=quiet) as tool:
        try:
            wait_until(lambda: answers(port))
            yield port, tool
        finally:
            tool.terminate()


def answers(port):
    try:
        return b" 200 " in scrape(port)[:20]
    except OSError:
        return False


def scrape(port):
    """A scrape as Prometheus makes it: a connection, a request, the answer to its end."""
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    with socket.create_connection(("127.0.0.1", port), timeout=30) as peer:
        peer.sendall(f"GET /metrics HTTP/1.0\r\nHost: x\r\nAccept: {accept}\r\n\r\n".encode())
        parts = []
        while part := peer.recv(1 << 20):
            parts.append(part)
    return b"".join(parts)


def scrape_seconds(port, times):
    seconds = []
    for _ in range(times):
        begin = time.monotonic()
        scrape(port)
        seconds.append(time.monotonic() - begin)
        time.sleep(0.01)
    return statistics.median(seconds)


def scrapes_at_once(port, count):
    """From the first of so many scrapes to the end of the last; each must succeed."""
    bodies, gate = [], threading.Barrier(count + 1)

    def one():
        gate.wait()
        bodies.append(scrape(port))

    scrapers = [threading.Thread(target=one) for _ in range(count)]
    for scraper in scrapers:
        scraper.start()
    gate.wait()
    begin = time.monotonic()
    for scraper in scrapers:
        scraper.join()
    if len(bodies) != count or not all(b" 200 " in body[:20] for body in bodies):
        raise RuntimeError("a scrape failed")
    return time.monotonic() - begin
# Training curves: from a log of which one line in ten is of a training, and from tfevents.


PLAIN_REGEX = r"""
import re, sys, time
pair = re.compile(rb"(\w+)[=:] ?([-+]?[0-9.]+(?:e[-+]?[0-9]+)?|nan)\b")
begin, count = time.monotonic(), 0
for line in open(sys.argv[1], "rb"):
    found = pair.findall(line)
    if any(b"loss" in key for key, _ in found):
        count += sum(1 for _, value in found if float(value) is not None)
print(time.monotonic() - begin)
"""

ACCUMULATOR = """
import sys, time
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
begin = time.monotonic()
read = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
read.Reload()
count = sum(len(read.Scalars(tag)) for tag in read.Tags()["scalars"])
print(time.monotonic() - begin)
"""


def curves(bench, megabytes=200, scalars=1_000_000):
    log = bench.folder / "train.log"
    write_log(log, megabytes)
    size = log.stat().st_size / 1e6
    mine = size / seconds_of(BIN / "fleet-curves", "--last", "--file", log)
    theirs = size / min(peer_seconds(sys.executable, PLAIN_REGEX, log) for _ in range(2))
    row("curves of a log", f"{mine:.0f} MB/s", f"python's re {theirs:.0f} MB/s", mine / theirs)
    row("curves of a log, MB/s", f"{mine:.0f}", "", round(mine), -300, " MB/s")
    events = bench.folder / "run" / "events.out.tfevents.1700000000.bench"
    events.parent.mkdir()
    write_events(events, scalars)
    for name, options in (("newest only", ["--last"]), ("all as JSON lines", ["-o", "jsonl"])):
        rate = scalars / seconds_of(BIN / "fleet-curves", *options, "--file", events)
        bar = -1.0 if options == ["--last"] else None
        row(f"scalars of tfevents, {name}", f"{rate / 1e6:.2f} M/s", "", round(rate / 1e6, 2), bar, " M/s")
    python = REPO / "target" / "bench-venv" / "bin" / "python"
    probe = [str(python), "-c", "import tensorboard"]
    if python.exists() and subprocess.run(probe, stderr=subprocess.DEVNULL).returncode == 0:
        theirs = scalars / peer_seconds(python, ACCUMULATOR, events.parent)
        row("scalars of tfevents", f"{rate / 1e6:.2f} M/s", f"EventAccumulator {theirs / 1e6:.3f} M/s", rate / theirs)


def write_log(path, megabytes):
    """Lines as services and trainers write them; one in ten is of a training."""
    noise = ["2026-11-22 06:00:00,{0:03d} INFO server: 127.0.0.1:{1} GET /health 200 in 0.{0}ms",
             "2026-11-22 06:00:00,{0:03d} DEBUG loader: worker 3 (pid {1}) fetched shard-{1}.tar, 1024 samples",
             "  File \"/usr/lib/python3/dist-packages/torch/nn/modules/module.py\", line {1}, in _call_impl",
             "[{1}] cache: hit ratio=0.{0} size={1} evicted: {0}"]
    training = "2026-11-22 06:00:00,{0:03d} INFO train: step={1} loss=0.{1} lr=5e-05 grad_norm=1.{0}"
    lines = [(training if n % 10 == 0 else noise[n % 4]).format(n % 1000, n) for n in range(20_000)]
    block = ("\n".join(lines) + "\n").encode()
    with path.open("wb") as file:
        for _ in range(megabytes * 1_000_000 // len(block) + 1):
            file.write(block)


def write_events(path, count):
    """The scalar train/loss = 0.5 at step 7, as TensorBoard's writer framed it."""
    payload = bytes.fromhex("0900001040fc54d94110072a130a110a0a747261696e2f6c6f7373150000003f")
    record = (32).to_bytes(8, "little") + bytes.fromhex("29ed a950") + payload + bytes.fromhex("9aa41437")
    with path.open("wb") as file:
        for _ in range(count // 10_000):
            file.write(record * 10_000)


def seconds_of(*command):
    """The least of three runs."""
    def once():
        begin = time.monotonic()
        subprocess.run([str(word) for word in command], stdout=subprocess.DEVNULL, check=True)
        return time.monotonic() - begin
    return min(once() for _ in range(3))


def peer_seconds(python, program, path):
    run = subprocess.run([str(python), "-c", program, str(path)], capture_output=True, text=True, check=True)
    return float(run.stdout)


# Capturing output: each returns the writer's seconds and the logger's CPU seconds.


class Flood:
    """A writer of so many megabytes, in lines and in writes of these sizes."""

    def __init__(self, bench, megabytes, line, write):
        self.bench, self.megabytes, self.done = bench, megabytes, None
        self.words = [bench.program("flood"), str(megabytes), str(line), str(write)]
        self.turn = 0

    def command(self):
        self.turn += 1
        self.done = self.bench.folder / f"flood{id(self)}-{self.turn}"
        return [*self.words, str(self.done)]

    def finish(self, loggers):
        """Waits for the writer's end and a moment for what is in the pipe."""
        wait_until(self.done.exists, 120)
        time.sleep(0.1)
        return float(self.done.read_text()), sum(map(cpu_seconds, loggers))

    def folder(self):
        return Path(tempfile.mkdtemp(dir=self.bench.folder))


def through_pipe(flood, logger):
    """Measures a logger that reads its standard input."""
    with subprocess.Popen(flood.command(), stdout=subprocess.PIPE) as writer:
        reader = subprocess.Popen(logger, stdin=writer.stdout, stderr=subprocess.DEVNULL)
        result = flood.finish([reader.pid])
        writer.kill()
    reader.wait()
    return result


def by_cat(flood):
    folder = flood.folder()
    result = through_pipe(flood, ["sh", "-c", f"exec cat >{folder}/log"])
    shutil.rmtree(folder)
    return result


def by_s6(flood):
    folder = flood.folder()
    result = through_pipe(flood, ["s6-log", "T", "n3", "s10000000", str(folder)])
    shutil.rmtree(folder)
    return result


def by_svlogd(flood):
    folder = flood.folder()
    (folder / "config").write_text("s10000000\nn3\n")
    result = through_pipe(flood, ["svlogd", "-ttt", str(folder)])
    shutil.rmtree(folder)
    return result


def by_conmon(flood):
    """conmon wants a container runtime: a script that starts the writer and tells its pid."""
    folder = flood.folder()
    runtime, pidfile = folder / "runtime", folder / "pid"
    command = " ".join(flood.command())
    runtime.write_text(f"#!/bin/sh\n{command} &\nprintf %s $! >{pidfile}\n")
    runtime.chmod(0o755)
    options = ["-c", "x", "-u", "x", "-b", folder, "-r", runtime, "-p", pidfile, "--sync"]
    options += ["-l", f"k8s-file:{folder}/log", "--log-size-max", "10000000"]
    options += ["--socket-dir-path", folder, "--exit-dir", folder]
    conmon = subprocess.Popen(["conmon", *map(str, options)], stderr=subprocess.DEVNULL)
    wait_until(lambda: pidfile.exists() and pidfile.read_text())
    result = flood.finish(pids_of(shutil.which("conmon")))
    os.kill(int(pidfile.read_text()), signal.SIGKILL)
    conmon.wait(10)
    shutil.rmtree(folder)
    return result


def by_fleet(flood):
    home = flood.bench.home()
    home.tool("fleet-spawn", "--name", "flood", "--", *flood.command())
    result = flood.finish(home.shims())
    home.tool("fleet-stop", "--all", "--force")
    shutil.rmtree(home.path)
    return result


LOGGERS = {
    "cat > file": ("cat", by_cat),
    "fleet": ("true", by_fleet),
    "s6-log": ("s6-log", by_s6),
    "svlogd": ("svlogd", by_svlogd),
    "conmon": ("conmon", by_conmon),
}


def capture(bench):
    kinds = (
        ("100-byte lines, 64 KiB writes", 400, 100, 65536, 5),
        ("100-byte lines, one write each", 20, 100, 100, 3),
    )
    for name, megabytes, line, write, times in kinds:
        flood = Flood(bench, megabytes, line, write)
        report_capture(name, megabytes, measure_capture(flood, times))


def measure_capture(flood, times):
    """The best of several runs of each logger, in turn, so that a bad moment meets all.

    Those that no bar is about are slow, and run twice only.
    """
    results = {}
    for turn in range(times):
        for name, (program, run) in LOGGERS.items():
            if not shutil.which(program) or (turn > 1 and name not in ("cat > file", "fleet")):
                continue
            try:
                results.setdefault(name, []).append(run(flood))
            except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                print(f"bench: {name}: {error}", file=sys.stderr)
    return {name: (min(r[0] for r in runs), min(r[1] for r in runs))
            for name, runs in results.items()}


def report_capture(kind, megabytes, best):
    rate = {name: megabytes / seconds for name, (seconds, _) in best.items()}
    cost = {name: cpu / megabytes * 1000 for name, (_, cpu) in best.items()}
    for peer in best:
        if peer == "fleet":
            continue
        bars = (-0.6, 2) if peer == "cat > file" else (None, None)
        figure, other = f"{rate['fleet']:.0f} MB/s", f"{peer} {rate[peer]:.0f} MB/s"
        row(f"capture, {kind}", figure, other, rate["fleet"] / rate[peer], bars[0])
        figure, other = f"{cost['fleet']:.2f} s/GB", f"{peer} {cost[peer]:.2f} s/GB"
        ratio = cost["fleet"] / cost[peer] if cost[peer] else None
        row("  CPU of the logger", figure, other, ratio, bars[1])


GROUPS = {
    "sizes": sizes, "spawn": spawn, "file": start_files, "idle": idle, "queue": queue, "health": health,
    "list": listing, "stop": stop,
    "metrics": metrics, "gpus": gpus, "listen": listen, "curves": curves, "history": stored_samples,
    "capture": capture,
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=GROUPS, help="this group (repeatable)")
    parser.add_argument("--limit", type=float, default=600, metavar="SECONDS",
                        help="start no further group after so long (default: 600)")
    return parser.parse_args()


def machine():
    cpu = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), "unknown CPU")
    release = os.uname().release.split("-")[0]
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores ({cpu}), Linux {release}, load {load:.1f} at the start"


def main():
    args = arguments()
    if not (BIN / "fleet-shim").exists():
        sys.exit("bench: nothing is built in target/release; run: make build")
    begin, head = time.monotonic(), machine()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="fleet-bench.") as folder:
        bench = Bench(folder)
        try:
            for name in args.only or GROUPS:
                if time.monotonic() - begin > args.limit:
                    print(f"bench: out of time, {name} is left out", file=sys.stderr)
                    continue
                run_group(name, bench)
        finally:
            bench.end()
    print(f"{head}; {time.monotonic() - begin:.0f} s\n")
    table()


def run_group(name, bench):
    print(f"{name}:", file=sys.stderr)
    try:
        GROUPS[name](bench)
    except (RuntimeError, OSError, subprocess.SubprocessError, StopIteration) as error:
        print(f"bench: {name} broke off: {error}", file=sys.stderr)
        ROWS.append((f"{name}: broke off", str(error)[:60], "", "", "", ""))


if __name__ == "__main__":
    main()
