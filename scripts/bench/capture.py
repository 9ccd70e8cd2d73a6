"""Capturing output: each logger returns the seconds of the writer and its own CPU seconds."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.base import cpu_seconds, pids_of, row, wait_until


class Flood:
    """A writer of so many megabytes, in lines and in writes of these sizes."""

    def __init__(self, bench, megabytes, line, write, bar=False):
        self.bench, self.megabytes, self.done = bench, megabytes, None
        self.more = ["bar"] if bar else []
        self.words = [bench.program("flood"), str(megabytes), str(line), str(write)]
        self.turn = 0

    def command(self):
        self.turn += 1
        self.done = self.bench.folder / f"flood{id(self)}-{self.turn}"
        return [*self.words, str(self.done), *self.more]

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


def into_folder(flood, command, config=None):
    """Through a pipe into a program that writes a folder, whose name ends its command."""
    folder = flood.folder()
    if config:
        (folder / "config").write_text(config)
    result = through_pipe(flood, [*command, str(folder)])
    shutil.rmtree(folder)
    return result


def by_cat(flood):
    return into_folder(flood, ["sh", "-c", 'exec cat >"$0/log"'])


def by_s6(flood):
    return into_folder(flood, ["s6-log", "T", "n3", "s10000000"])


def by_svlogd(flood):
    return into_folder(flood, ["svlogd", "-ttt"], config="s10000000\nn3\n")


def by_multilog(flood):
    return into_folder(flood, ["multilog", "t", "n3", "s10000000"])


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
    "multilog": ("multilog", by_multilog),
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
    fold(bench)


def fold(bench, megabytes=400):
    """Progress bars against lines of the same bytes: the writer's time, and CPU of the shim."""
    def cost(bar):
        runs = [by_fleet(Flood(bench, megabytes, 100, 65536, bar)) for _ in range(3)]
        return [min(run[part] for run in runs) for part in (0, 1)]
    for name, bars, lines in zip(("time of the writer", "CPU of the shim"), cost(True), cost(False)):
        row(f"progress bars, {name}", f"{bars:.2f} s", f"lines {lines:.2f} s", bars / lines, 1.1)


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
    if "64 KiB" in kind:
        row(f"capture, {kind}", f"{rate['fleet']:.0f} MB/s", "", round(rate["fleet"]), -400, " MB/s")
        row("  CPU of the logger", f"{cost['fleet']:.2f} s/GB", "", round(cost["fleet"], 2), 3, " s/GB")
    for peer in best:
        if peer == "fleet":
            continue
        bars = (-0.6, 2) if peer == "cat > file" else (None, None)
        figure, other = f"{rate['fleet']:.0f} MB/s", f"{peer} {rate[peer]:.0f} MB/s"
        row(f"capture, {kind}", figure, other, rate["fleet"] / rate[peer], bars[0])
        figure, other = f"{cost['fleet']:.2f} s/GB", f"{peer} {cost[peer]:.2f} s/GB"
        ratio = cost["fleet"] / cost[peer] if cost[peer] else None
        row("  CPU of the logger", figure, other, ratio, bars[1])
