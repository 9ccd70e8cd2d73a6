#!/usr/bin/env bash
# Records what each program of the corpus prints when it fails: twice, with other numbers, other
# addresses and in another folder, into NAME.1.txt and NAME.2.txt beside the program.
#
# It needs python3.11 and python3.13, rustc (and 1.70 as OLD_RUSTC), go, a JDK 17, node and g++ with
# the sanitizers; JUPYTER names a Python with IPython, ANYHOW a folder with a package that has
# anyhow. What is missing is named and its recordings stay as they are. The tests read recordings
# alone.
set -uo pipefail
corpus=$(cd "$(dirname "$0")" && pwd)
only=${1:-}

# say what is recorded with, for VERSIONS.
versions() {
    python3.11 --version
    python3.13 --version
    "${JUPYTER:-false}" -c 'import IPython; print("IPython", IPython.__version__)'
    rustc --version
    "${OLD_RUSTC:-false}" --version
    go version
    java --version | head -1
    echo "node $(node --version)"
    g++ --version | head -1
    bash --version | head -1
}

# neutral takes the folders of this machine out of what it reads.
neutral() {
    sed -E -e "s#[^ '\"(]*/(\.pyenv/versions/[0-9.]+|[a-z]+-venv)/lib/#/usr/local/lib/#g" \
        -e "s#[^ '\"(]*/\.cargo/registry/#/usr/local/cargo/registry/#g" \
        -e "s#[^ '\"(]*/toolchains/[^/]+/#/usr/local/rust/#g" \
        -e "s#${ANYHOW:-/nowhere}/#/srv/app/#g"
}

# record SHAPE COMMAND... runs a command twice; {} is the seed.
record() {
    local shape=$1 turn seed folder
    shift
    [[ $shape == *"$only"* ]] || return 0
    for turn in 1 2; do
        [ $turn = 1 ] && seed=7 folder=/srv/app || seed=31 folder=/opt/jobs/nightly
        mkdir -p "$folder"
        cp -r "$corpus/${shape%%/*}/." "$folder/"
        rm -f "$folder"/*.txt
        if ! (cd "$folder" && PYTHONUNBUFFERED=1 timeout 60 "${@//\{\}/$seed}" </dev/null 2>&1) \
            >"$folder/said"; then :; fi 2>/dev/null
        if grep -q 'command not found\|No such file or directory.*exec' "$folder/said"; then
            echo "record.sh: cannot run $1; left as it is: $shape" >&2
        else
            neutral <"$folder/said" >"$corpus/$shape.$turn.txt"
        fi
        rm -rf "$folder"
    done
}

py() { record "python/$1" python3.11 "$1.py" '{}'; }
newer() { record "python/$1-3.13" python3.13 "${3:-$1}.py" '{}' "${@:2:1}"; }
for shape in plain carets cause context groups group_in_chain notes segfault stalled pool futures \
    thread logged multiline recursion interrupt ignored asynchronous ranks printed; do
    py "$shape"
done
for shape in plain carets groups segfault recursion thread; do newer "$shape"; done
record python/no_header python3.11 no_header.py
record python/colour-3.13 env FORCE_COLOR=1 python3.13 cause.py '{}'
record python/colour-groups-3.13 env FORCE_COLOR=1 python3.13 groups.py '{}'
[ -z "${JUPYTER:-}" ] || record python/jupyter "$JUPYTER" jupyter.py '{}'
[ -z "${JUPYTER:-}" ] || record python/jupyter-colour "$JUPYTER" jupyter.py '{}' linux

# rust NAME PROGRAM BACKTRACE [COMPILER]
rust() {
    record "rust/$1" bash -c "${4:-rustc} -g --edition 2021 -o ./${2}-made $2.rs && RUST_BACKTRACE=$3 exec ./${2}-made {}"
}
rust plain plain 0
rust backtrace plain 1
rust full plain full
rust thread thread 0
rust thread-backtrace thread 1
rust overflow overflow 0
rust twice twice 0
rust result result 0
[ -z "${OLD_RUSTC:-}" ] || rust plain-1.70 plain 0 "$OLD_RUSTC"
[ -z "${OLD_RUSTC:-}" ] || rust thread-1.70 thread 1 "$OLD_RUSTC"
[ -z "${ANYHOW:-}" ] || record rust/anyhow bash -c "cp anyhow.rs $ANYHOW/src/main.rs && cargo build -q --manifest-path $ANYHOW/Cargo.toml && RUST_BACKTRACE=0 $ANYHOW/target/debug/corpus {}"
[ -z "${ANYHOW:-}" ] || record rust/anyhow-backtrace bash -c "cp anyhow.rs $ANYHOW/src/main.rs && cargo build -q --manifest-path $ANYHOW/Cargo.toml && RUST_BACKTRACE=1 $ANYHOW/target/debug/corpus {}"

for shape in index nil error again goroutine; do
    record "go/$shape" bash -c "go build -o ./panics panics.go && exec ./panics $shape {}"
done
record go/all bash -c 'go build -o ./panics panics.go && GOTRACEBACK=all exec ./panics goroutine {}'
record go/run go run panics.go index '{}'
for shape in deadlock served overflow; do
    record "go/$shape" bash -c "go build -o ./made $shape.go && exec ./made {}"
done

for shape in plain caused suppressed lines bare overflow thread logged; do
    record "java/$shape" bash -c "javac -d made Throws.java && exec java -cp made Throws $shape {}"
done

for shape in throws cause aggregate properties string rejected caught syntax; do
    record "node/$shape" node "$shape.js" '{}'
done
record node/module node module.mjs '{}'

# native NAME CASE [FLAGS]: address space layout is not random for tsan, which fails with it.
native() {
    record "native/$1" setarch -R bash -c "g++ -g -w ${3:-} -o ./aborts aborts.cc -pthread && exec ./aborts $2 {}"
}
for shape in throw throw-int thread assert free twice; do native "$shape" "$shape"; done
native smash smash -fstack-protector-all
native asan use -fsanitize=address
native asan-segv segv -fsanitize=address
native leak leak -fsanitize=address
native tsan race -fsanitize=thread
native ubsan overflow -fsanitize=undefined
record native/shell bash -c 'g++ -w -o ./aborts aborts.cc -pthread; ./aborts segv {}; ./aborts free {}; echo "the script goes on"'

[ -n "$only" ] || versions >"$corpus/VERSIONS" 2>/dev/null
