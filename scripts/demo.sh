#!/usr/bin/env bash
# The whole story in under a minute, in a temporary home: real processes are started, listed,
# measured and followed, one crashes and raises an alert, a supervisor is killed, all are stopped.
# Ends with a status other than 0 if something in the story does not hold.
set -euo pipefail

repo=$(cd "$(dirname "$0")/.." && pwd)
bin=${FLEET_BIN:-}
for folder in "$repo/target/release" "$repo/target/debug"; do
    [ -n "$bin" ] || { [ -x "$folder/fleet-alert" ] && bin=$folder; } || true
done
if [ ! -x "$bin/fleet-shim" ]; then
    echo "demo: the programs are not built; run: make demo" >&2
    exit 2
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/fleet-demo.XXXXXX")
export PATH=$bin:$PATH FLEET_HOME=$work/home

cleanup() {
    status=$?
    trap - EXIT INT TERM HUP
    fleet-stop --all --force >/dev/null 2>&1 || true
    cd / && rm -rf "$work"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' plain=$'\e[0m'
fi

# tell says what comes next.
tell() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }

# run prints a command line and runs it as it was printed.
run() {
    printf '%s$ %s%s\n' "$bold" "$1" "$plain"
    eval "$1"
}

# must ends the demo when a part of the story does not hold.
must() {
    local what=$1
    shift
    if ! "$@"; then
        echo "demo: this does not hold: $what" >&2
        exit 1
    fi
}

state() { fleet-ps -o jsonl "$1" | sed -n 's/.*"state":"\([a-z]*\)".*/\1/p'; }
pid() { fleet-ps -o jsonl "$1" | sed -n 's/.*"state":"[a-z]*","pid":\([0-9]*\).*/\1/p'; }
shim() { fleet-ps -o jsonl "$1" | sed -n 's/.*"shim":{"pid":\([0-9]*\).*/\1/p'; }
is() { [ "$(state "$1")" = "$2" ]; }

# until_is waits until a process is in a state, for 10 seconds at most.
until_is() {
    local tries
    for tries in {1..100}; do
        is "$1" "$2" && return
        sleep 0.1
    done
    echo "demo: after $tries looks '$1' is $(state "$1")" >&2
    return 1
}

# counts_on says whether the steps in the log are 1, 2, 3 … without a gap or a repetition.
counts_on() {
    fleet-logs --raw "$1" | awk '$1 == "step" && $2 != ++n { bad = 1 } END { exit bad || n < 10 }'
}

cd "$work"
cp "$repo/configs/alerts.toml" .

cat >train.sh <<'EOF'
#!/bin/sh
# Fits y = 3x + 1 by stochastic gradient descent and prints the loss.
exec awk 'BEGIN {
    srand(1)
    for (step = 1; ; step++) {
        x = rand(); error = a * x + b - (3 * x + 1)
        a -= 0.05 * error * x; b -= 0.05 * error
        printf "step %d loss %.6f\n", step, error * error
        fflush()
        system("sleep 0.1")
    }
}'
EOF
cat >worker.sh <<'EOF'
#!/bin/sh
# Works through a queue with a progress bar, as tqdm draws one.
for i in $(seq 1 600); do
    printf '\rtasks: %3d/600' "$i" >&2
    sleep 0.05
done
EOF
cat >import.py <<'EOF'
def load(row):
    return {"id": int(row["id"]), "price": float(row["price"])}

rows = [{"id": "1", "price": "9.99"}, {"id": "2", "price": "n/a"}]
print("importing", len(rows), "rows")
print(sum(load(row)["price"] for row in rows))
EOF
cat >import.sh <<'EOF'
#!/bin/sh
echo "importing prices.csv"
set -e
cat no-such-folder/prices.csv
EOF
chmod +x ./*.sh

tell "Start a training loop, a worker, a web server, and an import that will crash."
run "fleet-spawn --name train-a -l team=vision --restart on-failure -- ./train.sh"
run "fleet-spawn --name worker-1 -l team=data -- ./worker.sh"
if command -v python3 >/dev/null; then
    run "fleet-spawn --name web --port auto -- python3 -m http.server {port} --bind 127.0.0.1"
    run "fleet-spawn --name import -l team=data -- python3 import.py"
else
    if command -v busybox >/dev/null; then
        run "fleet-spawn --name web --port auto -- busybox httpd -f -p 127.0.0.1:{port}"
    fi
    run "fleet-spawn --name import -l team=data -- ./import.sh"
fi
must "the import fails" until_is import failed

tell "What runs, and what does not? (In a pipe the same is JSON lines.)"
run "fleet-ps -o table"
must "training runs" is train-a running

tell "What does each use? Two looks, a second apart, give CPU%."
run "fleet-metrics -o table --count 2 --interval 1s"

tell "Why did it fail? Reason and last lines of stderr are in its record."
if command -v jq >/dev/null; then
    run "fleet-ps --state failed -o jsonl | jq -r '.id + \": \" + .exit.reason, .exit.stderr_tail[-3:][]'"
else
    run "fleet-ps --state failed -o table"
    run "fleet-logs --stream stderr -n 3 -o table import"
fi
must "the record holds the stderr" grep -q '"stderr_tail":\["' <(fleet-ps -o jsonl import)

tell "Raise an alert: metrics in, alerts out. It is told once; the second look is quiet."
run "fleet-metrics | fleet-alert --rules alerts.toml -o jsonl >first.jsonl"
run "fleet-metrics | fleet-alert --rules alerts.toml -o jsonl >second.jsonl"
must "the alert fires" grep -q '"alert":"process_failed"' first.jsonl
must "it is told once" test ! -s second.jsonl

tell "Follow what it prints; the pipe ends when its reader has seen enough."
run "fleet-logs -f -o table train-a | head -n 15 | tail -n 5"

tell "A progress bar does not fill the log: its latest state is kept."
run "fleet-logs -n 2 -o table worker-1"
must "the bar is in the log" grep -q tasks: <(fleet-logs --raw worker-1)

tell "Kill its supervisor. The work goes on, and no line is lost."
before=$(pid train-a)
run "kill -9 $(shim train-a)"
sleep 1
run "fleet-ps -o table train-a"
must "it is the same process" test "$(pid train-a)" = "$before"
must "no step is missing in its log" counts_on train-a

tell "Pause it, and let it go on; restart it under its name; wait for what is to end."
run "fleet-signal pause train-a -o table"
must "it is paused" is train-a paused
run "fleet-signal resume train-a -o table"
must "it goes on" is train-a running
run "fleet-signal restart train-a -o table"
before=$(pid train-a)
run "fleet-wait import -o table || echo \"its own status: \$?\""

tell "Stop everything, whole trees, and see how each ended."
run "fleet-stop --all -o table"
must "training is stopped" is train-a stopped
must "no process is left" test ! -e "/proc/$before"

tell "That was all of it, in $SECONDS seconds. Nothing of it is left on this machine."
