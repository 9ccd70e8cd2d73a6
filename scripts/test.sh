#!/usr/bin/env bash
# Runs the tests: `make test` leaves out those whose name says that they are slow, `make test-full`
# runs all. Both run every command of the README.
set -euo pipefail
cd "$(dirname "$0")/.."

full=false
[ "${1:-}" = --full ] && full=true

scripts/setup.sh
# The tests start the programs of other crates, so all are built first.
cargo build --workspace

if cargo nextest --version >/dev/null 2>&1 || cargo install --locked cargo-nextest; then
    select=(-E 'not test(/slow_/)')
    $full && select=()
    cargo nextest run --workspace "${select[@]}"
else
    echo "test.sh: cargo-nextest could not be installed; the tests run with cargo test" >&2
    skip=(--skip slow_)
    $full && skip=()
    cargo test --workspace -- "${skip[@]}"
fi

FLEET_BIN=$PWD/target/debug scripts/check-readme.sh
story=$(mktemp)
trap 'rm -f "$story"' EXIT
FLEET_BIN=$PWD/target/debug scripts/demo.sh >"$story" 2>&1 || { cat "$story" && exit 1; }
echo "demo: 1 passed, 0 failed"
