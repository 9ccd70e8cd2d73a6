"""Samples of processes and of GPUs."""

import os
import signal
import subprocess
import time

from bench.base import BIN, REPO, children, cpu_of, ms, python_with, row, wait_until


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
