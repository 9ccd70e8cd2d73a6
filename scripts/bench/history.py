"""Storing samples, and asking about them."""

import shutil
import sqlite3
import subprocess
import time
import json

from bench.base import BIN, REPO, best_of, cpu_seconds, private_dirty_kb, row, watched


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
