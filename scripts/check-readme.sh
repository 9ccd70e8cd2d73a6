#!/usr/bin/env bash
# Holds README.md to what it says: runs every block marked ```sh run, in order, in a temporary home;
# asks make whether it knows the targets in blocks marked ```sh by-hand; and compares the options
# in its tables with what each tool's --help says. FLEET_BIN names another folder of programs.
set -euo pipefail

repo=$(cd "$(dirname "$0")/.." && pwd)
bin=${FLEET_BIN:-$repo/target/debug}
readme=$repo/README.md
work=$(mktemp -d "${TMPDIR:-/tmp}/fleet-readme.XXXXXX")
export PATH=$bin:$PATH HOME=$work XDG_CONFIG_HOME=$work/.config
unset XDG_STATE_HOME FLEET_HOME

cleanup() {
    fleet-stop --all --force >/dev/null 2>&1 || true
    cd / && rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

passed=0 failed=0
# verdict counts a check: verdict STATUS WHAT [FILE WITH DETAILS].
verdict() {
    if [ "$1" -eq 0 ]; then
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    echo "check-readme: $2" >&2
    [ -z "${3:-}" ] || sed 's/^/    /' "$3" >&2
}

# blocks MARK writes each block with this mark to a file of its own, named by its line.
blocks() {
    awk -v mark="$1" -v folder="$work/$1" '
        /^```/ && inside { inside = 0; close(file); next }
        $0 == "```sh " mark { inside = 1; file = sprintf("%s/%05d.sh", folder, NR); next }
        inside { print > file }
    ' "$readme"
}

mkdir -p "$work/run" "$work/by-hand" "$work/clone"
blocks run
blocks by-hand
ln -s "$repo/configs" "$work/clone/configs"

grep -nE '^```(sh|bash|shell|console)' "$readme" | grep -vE ':```sh (run|by-hand)$' >"$work/unmarked" || true
verdict "$(wc -l <"$work/unmarked")" "blocks without a mark, 'run' or 'by-hand'" "$work/unmarked"

cd "$work/clone"
for block in "$work"/run/*.sh; do
    status=0
    timeout 60 bash -euo pipefail "$block" >"$work/out" 2>&1 </dev/null || status=$?
    cat "$block" - "$work/out" <<<"--- ended with status $status and said:" >"$work/details"
    line=${block##*/}
    verdict "$status" "README.md line $((10#${line%.sh})): this block failed" "$work/details"
done

cat "$work"/by-hand/*.sh | sed -n 's/#.*//; s/^\(.*&& \)\{0,1\}make //p' | while read -r target rest; do
    # shellcheck disable=SC2086 # what follows a target are variables, each a word
    make -n -C "$repo" "$target" ${rest:-} >/dev/null 2>&1 || echo "make $target"
done >"$work/targets"
verdict "$(wc -l <"$work/targets")" "make does not know these" "$work/targets"

# The options that a section's tables name, and those that its tool has beyond the common ones.
common='--home|--output|--output-file|--color|--help|--version|--label'
mapfile -t tools < <(sed -n 's/^### \(fleet-[a-z]*\)$/\1/p' "$readme")
for tool in "${tools[@]}"; do
    awk -v title="### $tool" '/^##/ { inside = $0 == title } inside && /^\|/' "$readme" |
        grep -oE '^\|[^|]*' | grep -oE -- '--[a-z][a-z-]*' | sort -u >"$work/said" || true
    "$tool" --help | grep -E '^ +-' | grep -oE -- '--[a-z][a-z-]*' | grep -vxE -- "$common" |
        sort -u >"$work/there" || true
    diff "$work/there" <(grep -vxE -- "$common" "$work/said") >"$work/diff" && same=0 || same=1
    verdict "$same" "options of $tool: < only in --help, > only in README.md" "$work/diff"
done

echo "README: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
