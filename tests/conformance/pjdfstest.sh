#!/usr/bin/env bash
# Runs a built pjdfstest tree on the bare directory and on mounts, and prints every assertion that differs.
#
#   tests/conformance/pjdfstest.sh PJDFSTEST-TREE [WORK-DIRECTORY]
#
# Needs root, /dev/fuse and the .NET SDK. The work directory (default: a temporary one) should be on ext4: some tests
# look for that. Exit code: 1 if an assertion fails with default_permissions that the
# bare directory passes, 0 otherwise.
set -euo pipefail

tree=$(cd "${1:?usage: $0 PJDFSTEST-TREE [WORK-DIRECTORY]}" && pwd)
[[ -x $tree/pjdfstest ]] || { echo "$tree/pjdfstest is not built" >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d "${2:-${TMPDIR:-/tmp}}/ptfs-pjd-XXXXXX")
chmod 755 "$work"
server=

cleanup() {
  cd /
  if [[ -n $server ]]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  if mountpoint -q "$work/mount"; then umount -l "$work/mount"; fi
  rm -rf --one-file-system "$work"
}
trap cleanup EXIT

dotnet build -c Release --nologo -v:q "$here/src/ptfs-mount" -o "$work/program" >"$work/build.log" ||
  { cat "$work/build.log" >&2; exit 2; }

# The suite asks df for the file system and leaves out tests for those it does not know. A mirror has to pass what its
# host passes, so it is told the host's name.
host=$(df -PT "$work" | awk 'NR == 2 { print $2 }')
mkdir "$work/bin" "$work/mount" "$work/source" "$work/bare"
df=$(command -v df)
cat >"$work/bin/df" <<SHIM
#!/bin/sh
$df "\$@" | sed 's/ fuse[^ ]* / $host /'
SHIM
chmod 755 "$work/bin/df"

# run NAME DIRECTORY: each test file in a directory of its own, eight at a time, as most of them sleep. The limit is for one
# that hangs: a busy machine takes minutes for some.
run() {
  mkdir "$work/$1.results"
  (cd "$tree/tests" && find . -name '*.t' | sort | sed 's,^\./,,') | PATH="$work/bin:$PATH" xargs -P 8 -I{} bash -c '
    slot=$(echo "$1" | tr / _)
    mkdir -p "$2/$slot" && cd "$2/$slot"
    timeout 3600 sh "$3/tests/$1" >"$4/$slot" 2>&1 || echo "not ok 0 the file ended with $?" >>"$4/$slot"
  ' _ {} "$2" "$tree" "$work/$1.results"
  # What the suite itself marks TODO is no failure, but has to be the same as on the bare directory.
  (cd "$work/$1.results" && grep -HE '^(not )?ok [0-9]+' -- * |
    sed -E 's/:not ok ([0-9]+) # TODO.*/ todo \1/; s/^([^:]*):((not )?ok [0-9]+).*/\1 \2/' | sort -V) >"$work/$1.txt"
  echo "$1: $(wc -l <"$work/$1.txt") assertions, $(grep -c ' not ok ' "$work/$1.txt" || true) not ok"
}

mounted() {
  local name=$1
  shift
  "$work/program/ptfs-mount" "$@" "$work/source" "$work/mount" >"$work/server.log" 2>&1 &
  server=$!
  for _ in $(seq 100); do
    grep -q '^mounted ' "$work/server.log" && break
    sleep 0.1
  done
  mountpoint -q "$work/mount" || { cat "$work/server.log" >&2; exit 2; }
  mkdir "$work/mount/$name"
  run "$name" "$work/mount/$name"
  kill "$server"
  wait "$server"
  server=
}

# compare NAME: prints what differs from the bare directory.
compare() {
  echo "differences between bare and $1:"
  diff "$work/bare.txt" "$work/$1.txt" | sed -n 's/^>/  /p' || true
}

run bare "$work/bare"
mounted checked --xattr --allow-other --default-permissions
mounted unchecked --xattr --allow-other
compare checked
compare unchecked | awk '/not ok/ { files[$1]++; all++; next } { print }
  END { for (f in files) printf "   %s: %d\n", f, files[f]; printf "   %d assertions\n", all }'
! diff "$work/bare.txt" "$work/checked.txt" | grep -q '^> .* not ok '
