"""Listing and stopping many."""

import json
import time

from bench.base import BIN, ms, row


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
