#!/usr/bin/env bash
# Builds the tools as static programs and runs a script with them in the virtual machine, which see
# (run.sh): scripts/vm/test.sh scripts/vm/limits.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

scripts/vm/fetch.sh >&2
host=$(rustc -vV | sed -n 's/^host: //p')
tools=(fleet-spawn fleet-ps fleet-stop fleet-shim)
packages=("${tools[@]/#/-p}")
# A folder of its own: other flags would make cargo build the workspace anew in the usual one.
RUSTFLAGS='-C target-feature=+crt-static' cargo build --quiet --bins --target "$host" \
    --target-dir target/vm/build "${packages[@]}" >&2
exec scripts/vm/run.sh "$1" "${tools[@]/#/target/vm/build/$host/debug/}"
