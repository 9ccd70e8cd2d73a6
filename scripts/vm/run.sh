#!/usr/bin/env bash
# Boots a small virtual machine with cgroups of version 2, runs a script in it as root, and prints
# what it says. Ends with the script's status; 3 where the machine cannot be had; 124 where it hangs.
#
#     scripts/vm/run.sh SCRIPT [FILE…]
#
# SCRIPT (for busybox sh) and each FILE (a static program, or data) lie in /bin there. The machine
# has /proc, /sys, /dev, a /tmp in memory, the users root and nobody, and cgroup2 at /sys/fs/cgroup
# with all controllers passed on; no network, no disk, 512 MiB. Nothing is installed on the host.
# VM_SECONDS is how long it may take (120).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)/target/vm/root
script=$1
shift
"$here/fetch.sh" >&2

# What fetch.sh had to get lies below $root; the rest is installed.
find_program() { command -v "$1" || find "$root" -path "*bin/$1" -type f | head -n 1; }
busybox=$(find "$root" /bin /usr/bin -maxdepth 3 -name busybox -type f 2>/dev/null | head -n 1)
cpio=$(find_program cpio)
qemu=$(find_program qemu-system-x86_64)
kernel=$(find "$root/boot" -name 'vmlinuz-*' | sort | tail -n 1)

work=$(mktemp -d "${TMPDIR:-/tmp}/fleet-vm.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir -p "$work"/{bin,proc,sys,dev,etc,tmp,root}
cp "$busybox" "$work/bin/busybox"
cp "$script" "$work/bin/script"
[ $# -eq 0 ] || cp "$@" "$work/bin/"
chmod 755 "$work"/bin/*
printf 'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/tmp:/bin/sh\n' >"$work/etc/passwd"
cat >"$work/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
chmod 666 /dev/null
for c in $(cat /sys/fs/cgroup/cgroup.controllers); do
    echo "+$c" >/sys/fs/cgroup/cgroup.subtree_control
done 2>/dev/null
cd /root
sh /bin/script
echo "RESULT rc=$?"
poweroff -f
INIT
chmod 755 "$work/init"
(cd "$work" && find . | "$cpio" -o -H newc --quiet | gzip -1) >"$work.gz"
trap 'rm -rf "$work" "$work.gz"' EXIT

# microvm is no quicker and hangs at times; KVM may be missing, so the processor is emulated.
libraries=$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu
LD_LIBRARY_PATH=$libraries:$libraries/pulseaudio timeout "${VM_SECONDS:-120}" "$qemu" \
    -L "$root/usr/share/qemu" -L "$root/usr/share/seabios" -L /usr/share/qemu -L /usr/share/seabios \
    -M pc -accel tcg -cpu max -smp 1 -m 512 -nodefaults -display none -no-reboot \
    -kernel "$kernel" -initrd "$work.gz" \
    -append "console=ttyS0 quiet panic=-1 psi=1 mitigations=off" -serial stdio </dev/null |
    tr -d '\r' | tee "$work/said"
rc=$(sed -n 's/^.*RESULT rc=\([0-9]*\)$/\1/p' "$work/said" | tail -n 1)
exit "${rc:-124}"
