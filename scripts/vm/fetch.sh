#!/usr/bin/env bash
# Gets what the small virtual machine needs, without installing anything: qemu, a static busybox,
# cpio and a kernel, as Debian's packages, unpacked below target/vm. A second call finds all there.
set -euo pipefail

vm=$(cd "$(dirname "$0")/../.." && pwd)/target/vm
root=$vm/root
[ -e "$vm/fetched" ] && exit 0
if ! command -v apt-get >/dev/null || [ "$(dpkg --print-architecture)" != amd64 ]; then
    echo "vm: the machine is built from Debian's packages for amd64, which cannot be had here" >&2
    exit 3
fi

mkdir -p "$vm/packages" "$root"
exec 9>"$vm/fetch.lock"
flock 9
[ -e "$vm/fetched" ] && exit 0
cd "$vm/packages"

# What is installed already serves; the rest is what apt would install.
programs=(qemu-system-x86 busybox-static cpio)
kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[^ ]*\).*/\1/p' | head -n 1)
mapfile -t missing < <(apt-get -s install --no-install-recommends "${programs[@]}" | awk '/^Inst/ { print $2 }')
if [ -z "$kernel" ] || ! apt-get -qq download "${missing[@]}" "$kernel"; then
    echo "vm: apt cannot get qemu and a kernel; try 'apt-get update'" >&2
    exit 3
fi
for package in *.deb; do
    dpkg -x "$package" "$root"
done
rm -f ./*.deb
touch "$vm/fetched"
