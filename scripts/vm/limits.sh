# Runs in the virtual machine (scripts/vm/run.sh): limits by cgroups of version 2, for root, for a
# user who was given a part of the tree, and for one who was not.
# shellcheck shell=sh disable=SC2317 # functions are called by way of holds

failed=0
# holds WHAT COMMAND… says whether something is true.
holds() {
    what=$1
    shift
    if "$@"; then echo "ok: $what"; else echo "NOT OK: $what" && failed=1; fi
}
record() { fleet-ps "$1" -o jsonl; }
has() { record "$1" | grep -q -- "$2" || { record "$1" && false; }; }
# number ID FIELD prints a whole number of a record.
number() { record "$1" | sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p"; }
folder() { ls -d /sys/fs/cgroup/fleet-"$1".*; }
none_left() { [ -z "$(find /sys/fs/cgroup -name 'fleet-*')" ]; }
until_true() {
    for _ in $(seq 100); do "$@" && return; sleep 0.1; done
    return 1
}

export FLEET_HOME=/tmp/root-fleet

fleet-spawn --name eats --memory 32M --wait ended -- dd if=/dev/zero of=/dev/null bs=100M count=1
holds "a process beyond its memory is out of memory" has eats '"cause":"out_of_memory"'
holds "by its own limit, with the peak" has eats 'its limit of 32M); its peak was 32M'
holds "in numbers too" has eats '"memory_limit_bytes":33554432,"memory_peak_bytes":3[0-9]*'
fleet-spawn --name worker --memory 32M --wait ended -- \
    sh -c 'dd if=/dev/zero of=/dev/null bs=100M count=1; exit 7'
holds "a worker that was killed is told" has worker '"code":7,"oom":"cgroup","cause":"out_of_memory"'
fleet-spawn --name tiny --memory 4K --wait ended -- sleep 1
holds "less than exec needs is an end with words" has tiny '"state":"failed".*its limit of 4.0K'

fleet-spawn --name slow --cpu 0.2 --max-runtime 3s --wait ended -- sh -c 'while :; do :; done'
holds "a fifth of a processor is not much more" [ "$(number slow cpu_seconds)" -lt 1 ]
fleet-spawn --name forks --pids 4 --wait ended -- \
    sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 60 & done; wait'
holds "a fork beyond the limit is refused" has forks 'its limit of 4 processes and threads refused'
holds "nothing is left of cgroups" none_left

fleet-spawn --name live --memory 64M --cpu 0.5 --pids 20 -- sleep 1000
holds "limits are in the kernel's files" [ "$(cat "$(folder live)"/memory.max)" = 67108864 ]
holds "no swap is given" [ "$(cat "$(folder live)"/memory.swap.max)" = 0 ]
holds "processor time too" [ "$(cat "$(folder live)"/cpu.max)" = "50000 100000" ]
holds "the shim is not in it" [ "$(wc -l <"$(folder live)"/cgroup.procs)" = 1 ]
holds "fleet-ps shows limits beside use" sh -c 'fleet-ps live -o wide | grep -q "/64M.*/0.5.*1/20"'
# What fleet-spawn --apply does.
limits="\"memory_bytes\":50331648,\"cpus\":1.0,\"pids\":9,\"cgroups\":[\"$(folder live)\"]"
echo "{\"limits\":{$limits}}" >$FLEET_HOME/processes/live/1/amended.json
kill -USR2 "$(record live | sed 's/.*"shim":{"pid":\([0-9]*\).*/\1/')"
holds "limits change while it runs" until_true has live '"memory_bytes":50331648'
holds "in the kernel's file" [ "$(cat "$(folder live)"/pids.max)" = 9 ]
holds "it is stopped" fleet-stop live
holds "nothing is left of that cgroup" none_left

# An ordinary user in a part of the tree that was given to him.
mkdir -p /sys/fs/cgroup/user/session
chown nobody /sys/fs/cgroup/user /sys/fs/cgroup/user/cgroup.procs \
    /sys/fs/cgroup/user/cgroup.subtree_control
cat >/tmp/given.sh <<'GIVEN'
export FLEET_HOME=/tmp/given
fleet-spawn --name eats --memory 32M --cpu 0.5 --pids 9 --wait ended -- \
    dd if=/dev/zero of=/dev/null bs=100M count=1 2>/tmp/given.err
fleet-ps eats -o jsonl
GIVEN
(echo 0 >/sys/fs/cgroup/user/session/cgroup.procs; su nobody -s /bin/sh -c 'sh /tmp/given.sh') \
    >/tmp/given.out
holds "a user is killed at his limit" grep -q '"cause":"out_of_memory".*its limit of 32M' /tmp/given.out
holds "in his own part of the tree" grep -q '/sys/fs/cgroup/user/fleet-eats.1-' /tmp/given.out
holds "and is not warned" [ -z "$(grep weaker /tmp/given.out; grep limited /tmp/given.err)" ]
holds "nothing is left there" none_left

# One who was given nothing: the process runs, and what is weaker is said and recorded.
cat >/tmp/without.sh <<'WITHOUT'
export FLEET_HOME=/tmp/without
fleet-spawn --name runs --memory 64M --cpu 0.5 --pids 9 -- sleep 1000
fleet-ps runs -o jsonl
grep -E 'data|processes' /proc/"$(fleet-ps runs -o jsonl | sed 's/.*"state":"running","pid":\([0-9]*\).*/\1/')"/limits
fleet-stop runs
WITHOUT
su nobody -s /bin/sh -c 'sh /tmp/without.sh' >/tmp/without.out 2>&1
cat /tmp/without.out
holds "it runs without delegation" grep -q '"state":"running"' /tmp/without.out
holds "what is weaker is said" grep -q "limited less than was asked: no cgroup holds the tree to 64M" /tmp/without.out
holds "for processor time too" grep -q "nothing limits its processor time" /tmp/without.out
holds "and recorded" grep -q '"weaker":{"memory":' /tmp/without.out
holds "each process has less data" grep -q 'Max data size  *67108864  *67108864' /tmp/without.out
exit $failed
