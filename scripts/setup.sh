#!/usr/bin/env bash
# Installs what the tests need, with --bench also what the benchmarks compare with. What cannot be
# installed is named, with what it leaves out; that is no failure.
set -euo pipefail

# command | package | what is left out without it
tests='
jq         | jq         | the README blocks that read JSON lines with jq
cron       | cron       | the test of scheduled runs with the real cron
jsonschema | python3-jsonschema | fleet files held against their schema
prometheus | prometheus | what is exported and the rules in configs/, held before promtool and Prometheus
prometheus-node-exporter | prometheus-node-exporter | the textfile collector of the real node_exporter
python3    | python3    | the demo and README blocks that serve a folder
shellcheck | shellcheck | the check of the shell scripts
systemd-notify | systemd | the test of sd_notify with the real program
'
peers='
chpst    | runit        | log capture by svlogd
s6-log   | s6           | log capture by s6-log
conmon   | conmon       | log capture by conmon
tsp      | task-spooler | starts by task-spooler
prometheus-process-exporter | prometheus-process-exporter | scrapes of process-exporter
'

lines=$tests
[ "${1:-}" = --bench ] && lines=$tests$peers

# missing prints the lines whose command is not here.
missing() {
    local name rest
    while IFS='|' read -r name rest; do
        name=${name// /}
        [ -n "$name" ] || continue
        command -v "$name" >/dev/null || echo "$name|$rest"
    done <<<"$lines"
}

# packages prints the second column of what it reads.
packages() {
    local name package rest
    while IFS='|' read -r name package rest; do
        [ -n "$name" ] && echo "${package// /}"
    done
}

# apt runs apt-get, one caller at a time, however many checkouts run their tests.
apt() {
    flock -w 600 /run/lock/fleet-setup.lock \
        env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq "$@"
}

# Kernels are tested with the real packages, in a virtual environment of their own.
kernels=$(cd "$(dirname "$0")/.." && pwd)/target/jupyter-venv
if ! "$kernels/bin/python" -c 'import ipykernel, jupyter_client' 2>/dev/null; then
    echo "setup: installing ipykernel and jupyter_client into target/jupyter-venv"
    { python3 -m venv "$kernels" && "$kernels/bin/pip" install -q ipykernel jupyter_client; } \
        >/dev/null 2>&1 || echo "setup: no ipykernel; left out: the test of real kernels" >&2
fi

# The strictest parser of OpenMetrics and NVIDIA's own binding of NVML, in a virtual environment.
metrics=$(cd "$(dirname "$0")/.." && pwd)/target/metrics-venv
if ! "$metrics/bin/python" -c 'import prometheus_client, pynvml' 2>/dev/null; then
    echo "setup: installing prometheus_client and nvidia-ml-py into target/metrics-venv"
    { python3 -m venv "$metrics" && "$metrics/bin/pip" install -q prometheus_client nvidia-ml-py; } \
        >/dev/null 2>&1 || echo "setup: no prometheus_client or nvidia-ml-py; left out: its" \
        "parser of OpenMetrics, GPUs held against NVIDIA's binding" >&2
fi

# The types of Grafana, for the dashboards in configs/.
grafana=$(cd "$(dirname "$0")/.." && pwd)/target/grafana-check
if [ ! -x "$grafana/node_modules/.bin/tsc" ] || [ ! -d "$grafana/node_modules/@grafana/schema" ]; then
    echo "setup: installing @grafana/schema and typescript into target/grafana-check"
    { mkdir -p "$grafana" && npm install --prefix "$grafana" --no-audit --no-fund --silent \
        @grafana/schema typescript; } >/dev/null 2>&1 ||
        echo "setup: no npm or no @grafana/schema; left out: the types of the dashboards" >&2
fi

# psutil and pynvml get a virtual environment of their own, for the benchmarks alone.
venv=$(cd "$(dirname "$0")/.." && pwd)/target/bench-venv
if [ "${1:-}" = --bench ] && ! "$venv/bin/python" -c 'import psutil, pynvml' 2>/dev/null; then
    { python3 -m venv "$venv" && "$venv/bin/pip" install -q psutil nvidia-ml-py; } >/dev/null 2>&1 ||
        echo "setup: no psutil, or no pynvml; left out: samples taken by them" >&2
# psutil and tensorboard get a virtual environment of their own, for the benchmarks alone.
venv=$(cd "$(dirname "$0")/.." && pwd)/target/bench-venv
if [ "${1:-}" = --bench ] && ! "$venv/bin/python" -c 'import psutil, tensorboard' 2>/dev/null; then
    { python3 -m venv "$venv" && "$venv/bin/pip" install -q psutil tensorboard; } >/dev/null 2>&1 ||
        echo "setup: no psutil or tensorboard; left out: what is measured against them" >&2
fi

gaps=$(missing)
[ -n "$gaps" ] || exit 0

mapfile -t wanted < <(packages <<<"$gaps")
if ! command -v apt-get >/dev/null; then
    echo "setup: this is no Debian; install by hand: ${wanted[*]}" >&2
elif [ "$(id -u)" -ne 0 ]; then
    echo "setup: to run everything: sudo apt-get install ${wanted[*]}" >&2
else
    echo "setup: installing ${wanted[*]}"
    apt update >/dev/null || true
    for package in "${wanted[@]}"; do
        apt install -y --no-install-recommends "$package" >/dev/null 2>&1 || true
    done
fi

while IFS='|' read -r name package without; do
    [ -n "$name" ] && echo "setup: no $name (package${package% }); left out:${without}" >&2
done <<<"$(missing)"
exit 0
