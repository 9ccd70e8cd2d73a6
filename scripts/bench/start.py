"""Size of the programs, and what starting processes costs."""

import os
import resource
import shutil
import subprocess
import time

from bench.base import BIN, end_all, cpu_seconds, ms, pids_of, row, wall_seconds


# Size and start-up.


# Megabytes. fleet-shim is resident; fleet-logs has regular expressions and zstd, fleet-metrics HTTP,
# TLS and zstd, fleet-alert HTTP, TLS, mail and CEL.
SIZES = {"fleet-shim": 1.0, "fleet-alert": 6.0, "fleet-logs": 6.0, "fleet-metrics": 8.0}


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
