"""Supervisors at rest, in line, and with health checks."""

import contextlib
import json
import os
import socket
import statistics
import subprocess
import threading
import time
from datetime import datetime

from bench.base import cpu_seconds, ms, private_dirty_kb, row, switches, wait_until


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
