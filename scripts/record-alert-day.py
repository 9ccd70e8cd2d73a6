#!/usr/bin/env python3
"""Records the day of samples that tests/stock_alerts.rs judges configs/alerts.toml by.

    sudo scripts/record-alert-day.py            ten minutes; FLEET_BIN names other programs

Real processes run under fleet, some well and some that misbehave at hours that stand below, and
fleet-metrics really samples them. Only time is made shorter: a tenth of a second stands for the
fifteen seconds between two samples, so that a day takes ten minutes, and times and durations in the
records are stretched again. What is measured as a share of time, such as cpu_percent, is as it was.

It writes to tests/data/alerts:

    day.jsonl.zst   the samples, with the fields that rules read
    day.toml        the truth, from the schedule below: which alert is right, of whom, from when to when

A file system that fills up is a small one of its own at /dev/shm, which only this script sees; that
is what it must be root for. The records hold no path, host or person of the machine.
"""

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

FACTOR = 150.0                  # seconds of the day in a second
ROUND = 15.0                    # seconds of the day from one sample to the next
DAY = datetime(2026, 11, 22, tzinfo=timezone.utc)
HOUR = 3600.0 / FACTOR          # seconds that stand for an hour
REPOSITORY = Path(__file__).resolve().parent.parent
DATA = REPOSITORY / "tests" / "data" / "alerts"
BIN = Path(os.environ.get("FLEET_BIN", REPOSITORY / "target" / "release"))

# What is wrong, of whom, from which hour to which: written down as the truth.
TRUTH = [
    ("process_memory_large", "leaker", 6.0, 7.0, "has grown beyond 1000 MiB since two o'clock"),
    ("memory_leak", "leaker", 2.0, 7.0, "grows by 250 MiB an hour and gives nothing back"),
    ("process_failed", "crasher", 5.0, 6.0, "exits with 3"),
    ("fleet_unwell", "", 5.0, 6.0, "crasher has failed"),
    ("loss_plateau", "stuck", 7.5, 10.0, "its loss falls no more"),
    ("p_value_high", "trial", 8.0, 9.0, "its p-value rises from 0.02 to 0.2"),
    ("connections_many", "pool", 9.0, 9.5, "leaves 120 connections open"),
    ("silent_process", "spinner", 10.0, 11.0, "says nothing more in that loop"),
    ("process_failed", "crasher", 11.5, 12.0, "exits with 3 again"),
    ("fleet_unwell", "", 11.5, 12.0, "crasher has failed again"),
    ("silent_process", "hanger", 12.0, 14.0, "waits for ever for a lock"),
    ("p_value_high", "trial", 14.0, 15.0, "its p-value rises again"),
    ("process_restarts", "looper", 15.0, 16.0, "exits with 1 at each start"),
    ("crash_loop", "looper", 15.0, 16.0, "fleet gives it up"),
    ("fleet_unwell", "", 15.0, 16.0, "looper has failed"),
    ("disk_filling", "/dev/shm", 16.0, 17.75, "runs full within two hours"),
    ("loss_nan", "diverger", 19.0, 19.5, "its loss is NaN"),
    ("connections_many", "pool", 20.0, 20.5, "leaves 120 connections open"),
    ("queue_depth_high", "queue_depth", 21.0, 21.5, "nobody takes from the queue"),
    ("diversity_low", "evolver", 22.0, 22.4, "all individuals are alike"),
    ("champion_unchanged", "evolver", 22.5, 23.25, "nobody is better for 45 iterations"),
]

# The fields that are kept: those that tell records apart, and those that rules read.
KEPT = """kind ts subject id run name state step labels health reasons exit
restarts cpu_percent memory_bytes memory_percent memory_limit_percent connections uptime_seconds
silent_seconds log_lines success error runs_ended success_percent disk_percent
disk_available_bytes inodes_percent loss p_value diversity champion success_rate queue_depth""".split()
STRETCHED = ["uptime_seconds", "silent_seconds"]
SUBJECTS = ["process", "host", "fleet", "disk", "custom", "collector"]


# ------------------------------------------------------------------ the jobs, each a process

def hour():
    """What hour it is for the jobs."""
    return (time.time() - float(os.environ["DAY_BEGAN"])) / HOUR


def until(at):
    """Sleeps until this hour."""
    time.sleep(max(0.0, (at - hour()) * HOUR))


def minutes(count):
    time.sleep(count / 60 * HOUR)


def together(count, work):
    """Does the work in so many processes, of which this one waits for all."""
    children = []
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            work()
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)


def compute(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        sum(range(500))


def train(till, stuck_from=99.0, nan_from=99.0, seed=1):
    """Falls from 2.3 by a fiftieth in a hundred steps, with a little noise."""
    random.seed(seed)
    step, best = 0, 2.3
    while hour() < till:
        step += 10
        if hour() < stuck_from:
            best = 0.2 + 2.1 * 0.9998 ** step
        loss = best + random.uniform(0.0, 0.02) + (0.03 if hour() >= stuck_from else 0.0)
        print(f"step={step} loss={'nan' if hour() >= nan_from else f'{loss:.4f}'}", flush=True)
        compute(0.02)
        minutes(0.25)


def trainer():
    train(5.0)


def finetune():
    train(hour() + 4.5, seed=2)


def stuck():
    train(99.0, stuck_from=7.5, seed=3)


def diverger():
    train(99.0, nan_from=19.0, seed=4)


def etl():
    """Works for three minutes each hour, with memory that it gives back."""
    for at in range(1, 24):
        until(at)
        rows = bytearray(os.urandom(1 << 20) * 200)
        print(f"hour {at}: {len(rows)} bytes", flush=True)
        compute(3 / 60 * HOUR)
        del rows


def cache():
    """Warms up for half an hour to 200 MiB and stays so."""
    kept = []
    while True:
        if len(kept) < 40:
            kept.append(bytearray(os.urandom(1 << 16) * 80))
        print(f"{len(kept)} kept", flush=True)
        minutes(0.75)


def notebook():
    """Says three lines, and then one in five hours."""
    print("a\nb\nkernel started", flush=True)
    while True:
        minutes(300)
        print("cell done", flush=True)


def batch():
    """Says much at once, every twenty minutes."""
    while True:
        print("\n".join(f"row {n}" for n in range(200)), flush=True)
        minutes(20)


def leaker():
    """From two o'clock, in its first run, grows by 250 MiB an hour."""
    kept, begun = [], hour()
    while True:
        print("request served", flush=True)
        minutes(1)
        if begun < 1 < 2 <= hour():
            kept.append(bytearray(os.urandom(1 << 16) * int(250 / 60 * 16)))


def solver():
    """Computes for an hour, as fast as the machine lets it."""
    def solve():
        while hour() < 4.0:
            compute(0.05)

    until(3.0)
    print("solves", flush=True)
    together(6, solve)
    print("solved", flush=True)
    while True:
        minutes(30)


def spinner():
    """Says a line each minute until ten."""
    while hour() < 10.0:
        print("tick", flush=True)
        compute(0.05)
        minutes(1)

    def spin():
        while True:
            pass

    together(6, spin)


def hanger():
    """Says a line each minute, until noon in its first run."""
    begun = hour()
    while hour() < 12.0 or begun > 12.0:
        print("job done", flush=True)
        minutes(1)
    threading.Lock().acquire() and time.sleep(1e6)


def crasher():
    """Exits at five, and when it was started again, at half past eleven."""
    end = next(at for at in (5.0, 11.5, 99.0) if hour() < at)
    while hour() < end:
        print("alive", flush=True)
        minutes(1)
    sys.exit(3)


def looper():
    """Cannot start between three and four in the afternoon."""
    while not 15.0 <= hour() < 15.9:
        print("alive", flush=True)
        minutes(0.5)
    sys.exit(1)


def pool():
    """Holds ten connections; from nine, and from eight in the evening, for half an hour 120."""
    server = socket.create_server(("127.0.0.1", 0))

    def pair():
        return socket.create_connection(server.getsockname()), server.accept()[0]

    few = [pair() for _ in range(5)]
    print(f"{len(few)} connections", flush=True)
    for begin in (9.0, 20.0):
        until(begin)
        many = [pair() for _ in range(55)]
        print(f"{len(many)} connections", flush=True)
        until(begin + 0.5)
        for ends in many:
            ends[0].close(), ends[1].close()
    while True:
        minutes(30)


def emitter(values):
    """Emits the values of each minute, by one fleet-emit."""
    emit = subprocess.Popen([f"{os.environ['DAY_BIN']}/fleet-emit", "metric", "--stdin"],
                            stdin=subprocess.PIPE, text=True)
    step = 0
    while True:
        step += 1
        print(json.dumps(values(step) | {"step": step}), file=emit.stdin, flush=True)
        minutes(1)


def evolver():
    random.seed(5)
    state = {"champion": 1, "due": 0}

    def values(step):
        if step >= state["due"] and not 22.5 <= hour() < 23.25:
            state["champion"] += 1
            state["due"] = step + random.randint(2, 14)
        low = 22.0 <= hour() < 22.4
        return {"diversity": random.uniform(0.02, 0.08) if low else random.uniform(0.15, 0.4),
                "champion": state["champion"]}

    emitter(values)


def trial():
    random.seed(6)
    emitter(lambda step: {"p_value": random.uniform(0.15, 0.25) if 8.0 <= hour() < 9.0 or 14.0 <= hour() < 15.0
                          else random.uniform(0.005, 0.04)})


def null():
    """Was never significant: nothing has risen."""
    random.seed(7)
    emitter(lambda step: {"p_value": random.uniform(0.3, 0.5)})


def filler():
    """Fills the small file system from four in the afternoon, and clears it up before six."""
    until(16.0)
    with open("/dev/shm/filled", "wb") as file:
        while hour() < 17.75:
            file.write(os.urandom(1 << 18))
            file.flush()
            print("written", flush=True)
            minutes(0.5)
    os.unlink("/dev/shm/filled")
    while True:
        minutes(30)


# ------------------------------------------------------------------ the operator and the recorder

def operator(run, queue):
    """What a person does in the day: (hour, deed)."""
    spawn = run.spawn
    always = [trainer, etl, cache, notebook, batch, leaker, solver, spinner, hanger, crasher, pool,
              evolver, trial, null]
    deeds = [(0.0, lambda: [spawn(job) for job in always])]
    deeds += [(at + 0.2, lambda: run.tool("fleet-spawn", "--name", "nightly", "--", "sh", "-c",
                                          "sleep 0.5; echo done")) for at in range(24)]
    deeds += [
        (0.0, lambda: spawn(looper, "--restart", "on-failure", "--backoff", "100ms-400ms",
                            "--crash-limit", "8/1m")),
        (0.0, lambda: queue.write_text("12\n")),
        (5.5, lambda: spawn(stuck)),
        (6.0, lambda: spawn(crasher)),
        (7.0, lambda: (run.stop("leaker"), spawn(leaker))),
        (10.0, lambda: run.stop("stuck")),
        (11.0, lambda: run.stop("spinner")),
        (12.0, lambda: spawn(crasher)),
        (13.0, lambda: spawn(finetune)),
        (14.0, lambda: (run.stop("hanger"), spawn(hanger))),
        (16.0, lambda: (spawn(looper), spawn(filler))),
        (17.9, lambda: spawn(diverger)),
        (19.5, lambda: run.stop("diverger")),
        (21.0, lambda: queue.write_text("4711\n")),
        (21.5, lambda: queue.write_text("9\n")),
    ]
    for at, deed in sorted(deeds, key=lambda pair: pair[0]):
        until(at)
        deed()


class Run:
    """A fleet in a folder of its own."""

    def __init__(self, folder):
        self.environment = os.environ | {"FLEET_HOME": f"{folder}/home", "DAY_BIN": str(BIN)}
        self.environment.pop("FLEET_ID", None)
        Path(folder, "home").mkdir()

    def tool(self, name, *words, **how):
        return subprocess.run([BIN / name, *words], env=self.environment, check=True,
                              stdout=subprocess.DEVNULL, **how)

    def spawn(self, job, *options):
        name = job.__name__
        self.tool("fleet-spawn", "--name", name, *options, "--",
                  sys.executable, str(Path(__file__).resolve()), "--job", name)

    def stop(self, name):
        self.tool("fleet-stop", name)


def record(folder):
    """Lets the day pass; returns the raw lines and when it began."""
    run, queue = Run(folder), Path(folder, "queue")
    queue.write_text("12\n")
    collectors = Path(folder, "collectors.toml")
    collectors.write_text(f'[collector.queue_depth]\nfiles = "{queue}"\ninterval = "1s"\n')
    os.environ["DAY_BEGAN"] = run.environment["DAY_BEGAN"] = str(time.time())
    raw = Path(folder, "raw.jsonl")
    rounds = int(24 * 3600 / ROUND) - 40
    person = threading.Thread(target=operator, args=(run, queue), daemon=True)
    try:
        person.start()
        time.sleep(0.5)
        with open(raw, "wb") as out:
            subprocess.run([BIN / "fleet-metrics", "--count", str(rounds), "--interval",
                            f"{ROUND / FACTOR * 1000:.0f}ms", "--curves", "--collectors", collectors,
                            "-o", "jsonl"], env=run.environment, check=True, stdout=out)
        person.join(timeout=60)
    finally:
        subprocess.run([BIN / "fleet-stop", "--all", "--force"], env=run.environment,
                       stdout=subprocess.DEVNULL, check=False)
    return raw, float(os.environ["DAY_BEGAN"])


def stretched(raw, began):
    """The records that are kept, as if they had taken a day."""
    with open(raw, encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            if record["subject"] not in SUBJECTS or record.get("name") == "gpu":
                continue
            at = datetime.fromisoformat(record["ts"]).timestamp() - began
            moment = DAY + timedelta(seconds=round(at * FACTOR, 1))
            kept = {name: record[name] for name in KEPT if name in record}
            kept["ts"] = moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-5] + "Z"
            for name in STRETCHED:
                if name in kept:
                    kept[name] = round(kept[name] * FACTOR)
            if "cpu_percent" in kept:
                # A tick of the kernel's clock is a tenth of a round: there is no more to know.
                kept["cpu_percent"] = float(round(kept["cpu_percent"]))
            if "exit" in kept:
                kept["exit"] = {k: kept["exit"][k] for k in ("code", "cause") if k in kept["exit"]}
            yield json.dumps(kept, separators=(",", ":"))


def truth():
    """The truth as TOML."""
    yield "# What was wrong on the recorded day, of whom, and when: written by"
    yield "# scripts/record-alert-day.py from the schedule by which it made its processes misbehave."
    yield "# `id` is a process, a file system or a collector; the alerts of the fleet have none."
    for alert, id, begin, end, why in TRUTH:
        yield f"\n[[wrong]]\nalert = {json.dumps(alert)}\nid = {json.dumps(id)}"
        for name, at in (("from", begin), ("until", end)):
            yield f"{name} = {(DAY + timedelta(hours=at)).strftime('%Y-%m-%dT%H:%M:%SZ')}"
        yield f"why = {json.dumps(why)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--job", help=argparse.SUPPRESS)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--truth", action="store_true", help="write day.toml alone")
    args = parser.parse_args()
    if args.job:
        return globals()[args.job]()
    (DATA / "day.toml").write_text("\n".join(truth()) + "\n")
    if args.truth:
        return None
    if not args.here:
        # A name space of its own, in which the small file system is mounted.
        mounted = 'mount -t tmpfs -o size=64m tmpfs /dev/shm && exec "$@"'
        os.execvp("unshare", ["unshare", "--mount", "sh", "-c", mounted, "sh", sys.executable,
                              str(Path(__file__).resolve()), "--here"])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="fleet-day.") as folder:
        raw, began = record(folder)
        lines = "\n".join(stretched(raw, began)) + "\n"
    subprocess.run(["zstd", "-q", "-f", "-19", "-o", DATA / "day.jsonl.zst"],
                   input=lines.encode(), check=True)
    return None


if __name__ == "__main__":
    sys.exit(main())
