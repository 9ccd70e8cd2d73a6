"""Training curves: from a log of which one line in ten is of a training, and from tfevents."""

import subprocess
import sys

from bench.base import BIN, REPO, row, seconds_of


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


def peer_seconds(python, program, path):
    run = subprocess.run([str(python), "-c", program, str(path)], capture_output=True, text=True, check=True)
    return float(run.stdout)
