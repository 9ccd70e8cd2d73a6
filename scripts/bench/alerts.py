"""Alert rules: how many records a second, and how soon somebody is told."""

import http.server
import json
import os
import random
import shutil
import statistics
import subprocess
import threading
import time

from bench.base import BIN, REPO, ms, row

RECORDS = 1_000_000
INSTANCES = 1_000
DAY_PROCESSES = 20
CONDITION = "subject == 'process' && memory_percent > 90.0"
ORJSON = """
import sys, orjson
found = 0
for line in sys.stdin.buffer:
    record = orjson.loads(line)
    found += record["subject"] == "process" and record["memory_percent"] > 90.0
print(found)
"""


def alerts(bench):
    records = bench.folder / "records.jsonl"
    write_records(records, RECORDS)
    one_rule(bench, records)
    twenty_rules(bench, records)
    one_shot(bench, records)
    delivery(bench)
    replay(bench)
    records.unlink()


def write_records(path, count):
    """Samples of 1,000 processes, one a second each, some 250 bytes a line."""
    source = random.Random(1)
    with path.open("w") as out:
        for n in range(count):
            out.write(sample(n // INSTANCES, n % INSTANCES, source))


def sample(second, process, source, day="2026-11-22"):
    clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    return (f'{{"kind":"sample","ts":"{day}T{clock}.123456Z","subject":"process","id":"job-{process}","run":1,'
            f'"state":"running","cpu_percent":{source.random() * 60:.1f},"memory_percent":{source.random() * 30:.2f},'
            f'"memory_bytes":{source.randint(1 << 20, 1 << 29)},"threads":8,"connections":3,'
            f'"uptime_seconds":{second}.5,"step":{second},"loss":{1 + source.random():.4f}}}\n')


def rule(name, *keys):
    return "\n".join(["[[rule]]", f'name = "{name}"', 'on = "sample"', *keys]) + "\n"


def twenty():
    """Thresholds with `for`, counts, plateaus, streaks: nothing fires, all is remembered."""
    bounds = ["memory_percent > 90.0", "cpu_percent > 80.0", "memory_bytes > bytes('1000M')", "connections > 100",
              "uptime_seconds > seconds('24h')", "state == 'failed'", "threads > 500", "loss > 5.0", "state == 'lost'",
              "memory_percent > 28.0", "cpu_percent > 55.0", "step > 100000"]
    when = "when = \"subject == 'process' && {}\""
    rules = [rule(f"bound{n}", when.format(bound), 'for = "60s"') for n, bound in enumerate(bounds)]
    rules += [rule(f"count{n}", when.format(f"cpu_percent > {55 + n}"), "count = 900", 'within = "5s"') for n in range(4)]
    rules += [rule(f"plateau{n}", f'plateau = {{ field = "loss", steps = {5000 + n}, step_field = "step" }}')
              for n in range(2)]
    rules += [rule(f"times{n}", when.format(f"cpu_percent > {50 + n}"), "times = 50") for n in range(2)]
    return "".join(rules)


class Judge:
    """fleet-alert with a rules file and a home of its own."""

    def __init__(self, bench, rules):
        self.home = bench.home()
        self.rules = bench.folder / f"rules-{self.home.path.name}.toml"
        self.rules.write_text(rules)

    def command(self, *options):
        return [str(BIN / "fleet-alert"), "--home", str(self.home.path), "--rules", str(self.rules), *options]


def timed(command, source):
    """Seconds, seconds of CPU and greatest memory in kB of a command that reads a file."""
    with source.open() as given:
        begin = time.monotonic()
        process = subprocess.Popen(command, stdin=given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{command} ended with {process.returncode}")
    return time.monotonic() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def best(command, source, times=3):
    """The least seconds, and of CPU, and the memory of the quickest of some runs."""
    runs = [timed(command, source) for _ in range(times)]
    return min(seconds for seconds, _, _ in runs), min(cpu for _, cpu, _ in runs), min(runs)[2]


def core_seconds(command, source, times=3):
    """Seconds on one core, whatever else the machine does, and greatest memory in kB."""
    _, cpu, memory = best(command, source, times)
    return cpu, memory


def millions(seconds, count=RECORDS):
    return f"{count / seconds / 1e6:.2f} million/s"


def one_rule(bench, records):
    judge = Judge(bench, rule("memory", f'when = "{CONDITION}"', 'for = "60s"'))
    seconds, memory = core_seconds(judge.command("--no-notify"), records)
    said = ", ".join(f"{name} {millions(taken)}" for name, taken in peers(bench, records))
    row("one rule over 1,000,000 records, of one core", millions(seconds), said, round(RECORDS / seconds / 1e6, 2), -2, " million/s")
    row("  its memory", f"{memory / 1024:.1f} MB")


def peers(bench, records):
    """Who holds the same condition against the same records."""
    jq = ['select(.subject == "process" and .memory_percent > 90) | .id']
    venv = REPO / "target" / "bench-venv" / "bin" / "python"
    tools = REPO / "target" / "bench-tools" / "bin"
    candidates = {
        "jq": [shutil.which("jq"), "-r", *jq],
        "jaq": [shutil.which("jaq") or tools / "jaq", "-r", *jq],
        "orjson": [venv, "-c", ORJSON],
    }
    for name, command in candidates.items():
        try:
            yield name, core_seconds([str(word) for word in command], records, times=1)[0]
        except (OSError, RuntimeError):
            continue


def twenty_rules(bench, records):
    judge = Judge(bench, twenty())
    seconds, memory = core_seconds(judge.command("--no-notify"), records)
    what = f"twenty rules over as many, {INSTANCES:,} instances each"
    row(what, millions(seconds), "", round(RECORDS / seconds / 1e6, 2), -0.6, " million/s")
    row("  its memory", f"{memory / 1024:.1f} MB")


def one_shot(bench, records):
    """As from cron: twenty rules, 100 records, a memory of 1,000 instances."""
    judge = Judge(bench, twenty())
    first = bench.folder / "first.jsonl"
    with records.open() as lines, first.open("w") as out:
        out.writelines(line for _, line in zip(range(50 * INSTANCES), lines))
    timed(judge.command("--no-notify"), first)
    state = judge.home.path / "alerts" / "state.jsonl"
    state.write_text("".join(line + "\n" for line in state.read_text().splitlines()[:INSTANCES]))
    count = len(state.read_text().splitlines())
    with records.open() as lines, first.open("w") as out:
        out.writelines(line for _, line in zip(range(100), lines))
    took = statistics.median(timed(judge.command("--no-notify"), first)[0] for _ in range(40))
    row(f"one-shot: 20 rules, 100 records, {count:,} instances", ms(took), "", round(took * 1000, 2), 10, " ms")


class Receiver(http.server.BaseHTTPRequestHandler):
    """Notes when requests come."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.came.append(time.monotonic())
        self.server.arrived.set()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def delivery(bench, times=200):
    """From a record on standard input to the request that tells of it."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        server.came, server.arrived = [], threading.Event()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        channel = f'[notify]\nmax_per_hour = 100000\n[channel.webhook]\ntype = "webhook"\nurl = "{url}"\n'
        judge = Judge(bench, channel + rule("memory", f'when = "{CONDITION}"', "immediate = true"))
        waits = delays(judge, server, times)
        server.shutdown()
    if waits:
        took = statistics.median(waits)
        row("from a record to the request, median", ms(took), "", round(took * 1000, 2), 20, " ms")


def delays(judge, server, times):
    source, waits = random.Random(2), []
    with subprocess.Popen(judge.command(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, text=True) as process:
        for n in range(times):
            record = json.loads(sample(n, n, source)) | {"memory_percent": 95.0}
            server.arrived.clear()
            begin = time.monotonic()
            process.stdin.write(json.dumps(record) + "\n")
            process.stdin.flush()
            if not server.arrived.wait(10):
                raise RuntimeError("no request came")
            waits.append(server.came[-1] - begin)
        process.stdin.close()
    return waits


def replay(bench):
    """What would have fired on a day of 20 processes, one sample in 15 s each."""
    judge = Judge(bench, twenty())
    folder = judge.home.path / "metrics"
    folder.mkdir(parents=True)
    yesterday = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86400))
    source = random.Random(3)
    with (folder / f"{yesterday}.jsonl").open("w") as out:
        for second in range(0, 86400, 15):
            out.writelines(sample(second, process, source, yesterday) for process in range(DAY_PROCESSES))
    count = 86400 // 15 * DAY_PROCESSES
    took = best(judge.command("--replay", "--since", "-2d"), folder / f"{yesterday}.jsonl")[0]
    row(f"--replay of a day of {DAY_PROCESSES} processes, {count:,} samples", ms(took), "", round(took, 3), 1, " s")
