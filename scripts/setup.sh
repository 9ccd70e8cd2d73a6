#!/usr/bin/env bash
# Installs what the tests need, with --bench also what the benchmarks compare with. What cannot be
# installed is named, with what it leaves out; that is no failure.
set -euo pipefail

# command, or python3:module | package | what is left out without it
tests='
jq         | jq         | the README blocks that read JSON lines with jq
prometheus-alertmanager | prometheus-alertmanager | alerts posted to a real Alertmanager
cron       | cron       | the test of scheduled runs with the real cron
prometheus-process-exporter | prometheus-process-exporter | the test that samples agree with its
jsonschema | python3-jsonschema | fleet files held against their schema
prometheus | prometheus | what is exported and the rules in configs/, held before promtool and Prometheus
prometheus-node-exporter | prometheus-node-exporter | the textfile collector of the real node_exporter
python3    | python3    | the demo and README blocks that serve a folder
python3:ensurepip | python3-venv | the tests that need packages of Python
shellcheck | shellcheck | the check of the shell scripts
tmux       | tmux       | what a person sees of fleet-logs -f on a real terminal
systemd-notify | systemd | the test of sd_notify with the real program
'
peers='
chpst    | runit        | log capture by svlogd
s6-log   | s6           | log capture by s6-log
conmon   | conmon       | log capture by conmon
tsp      | task-spooler | starts by task-spooler
prometheus-process-exporter | prometheus-process-exporter | scrapes of process-exporter
zstdcat  | zstd         | a day of stored samples read by zstdcat and jq
multilog | daemontools  | log capture by multilog
rg       | ripgrep      | search by ripgrep
lnav     | lnav         | search by lnav
'

lines=$tests
[ "${1:-}" = --bench ] && lines=$tests$peers

# present says whether a command, or a module of Python, is here.
present() {
    case $1 in
    python3:*) python3 -c "import ${1#*:}" >/dev/null 2>&1 ;;
    *) command -v "$1" >/dev/null ;;
    esac
}

# missing prints the lines whose command is not here.
missing() {
    local name rest
    while IFS='|' read -r name rest; do
        name=${name// /}
        [ -n "$name" ] || continue
        present "$name" || echo "$name|$rest"
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

# python_packages FOLDER IMPORTS WITHOUT PACKAGE... makes a virtual environment in target/ that
# can import these modules, or says what is left out without.
python_packages() {
    local folder imports=$2 without=$3
    folder=$(cd "$(dirname "$0")/.." && pwd)/target/$1
    shift 3
    ! "$folder/bin/python" -c "import $imports" 2>/dev/null || return 0
    echo "setup: installing $* into target/${folder##*/}"
    { python3 -m venv "$folder" && "$folder/bin/pip" install -q "$@"; } >/dev/null 2>&1 ||
        echo "setup: no ${*}; left out: $without" >&2
}

# debian_packages installs what is missing, and names what could not be.
debian_packages() {
    local gaps wanted package name without
    gaps=$(missing)
    [ -n "$gaps" ] || return 0
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
        [ -z "$name" ] || echo "setup: no $name (package${package% }); left out:${without}" >&2
    done <<<"$(missing)"
}

# First, since Python's packages need some of Debian's.
debian_packages
python_packages jupyter-venv 'ipykernel, jupyter_client' 'the test of real kernels' \
    ipykernel jupyter_client
python_packages metrics-venv 'prometheus_client, psutil, pynvml' \
    'what other readers of metrics say of the same processes, text and GPUs' \
    prometheus_client psutil nvidia-ml-py
python_packages mail-venv aiosmtpd 'letters of alerts, as a real mail server gets them' aiosmtpd
[ "${1:-}" != --bench ] || python_packages bench-venv 'orjson, psutil, pynvml, tensorboard' \
    'what is measured against them' orjson psutil nvidia-ml-py tensorboard

# Searchers that Debian has not, built into target/.
if [ "${1:-}" = --bench ]; then
    tools=$(cd "$(dirname "$0")/.." && pwd)/target/bench-tools
    for tool in jaq:jaq ag:agrind; do
        [ -x "$tools/bin/${tool#*:}" ] && continue
        echo "setup: building ${tool#*:} into target/bench-tools"
        timeout 600 cargo install --quiet --root "$tools" "${tool%:*}" >/dev/null 2>&1 ||
            echo "setup: no ${tool#*:}; left out: what is measured against it" >&2
    done
fi

# The types of Grafana, for the dashboards in configs/.
grafana=$(cd "$(dirname "$0")/.." && pwd)/target/grafana-check
if [ ! -x "$grafana/node_modules/.bin/tsc" ] || [ ! -d "$grafana/node_modules/@grafana/schema" ]; then
    echo "setup: installing @grafana/schema and typescript into target/grafana-check"
    { mkdir -p "$grafana" && npm install --prefix "$grafana" --no-audit --no-fund --silent \
        @grafana/schema typescript; } >/dev/null 2>&1 ||
        echo "setup: no npm or no @grafana/schema; left out: the types of the dashboards" >&2
fi
