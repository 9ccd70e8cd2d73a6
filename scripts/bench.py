#!/usr/bin/env python3
"""Measures what fleet costs, side by side with what one would use instead, and prints one table.

    scripts/bench.py                 everything, at most 12 minutes
    scripts/bench.py --only capture  one group (repeatable); --help names them

Works on the programs in target/release (`make build`). Peers that are not installed are left out;
`scripts/setup.sh --bench` installs them. Missing a bar is no error: the table says so.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# The groups stand in the folder of the same name; nothing is to be left beside them.
sys.dont_write_bytecode = True

from bench import alerts, capture, curves, history, lists, listen, logs, measure, rest, start  # noqa: E402
from bench.base import BIN, ROWS, Bench, table  # noqa: E402

GROUPS = {
    "sizes": start.sizes, "spawn": start.spawn, "file": start.start_files,
    "idle": rest.idle, "queue": rest.queue, "health": rest.health,
    "list": lists.listing, "stop": lists.stop,
    "metrics": measure.metrics, "gpus": measure.gpus, "listen": listen.listen,
    "curves": curves.curves, "history": history.stored_samples,
    "capture": capture.capture, "follow": logs.follow, "since": logs.since,
    "search": logs.search, "merge": logs.merge,
    "alerts": alerts.alerts,
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=GROUPS, help="this group (repeatable)")
    parser.add_argument("--limit", type=float, default=720, metavar="SECONDS",
                        help="start no further group after so long (default: 720)")
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
