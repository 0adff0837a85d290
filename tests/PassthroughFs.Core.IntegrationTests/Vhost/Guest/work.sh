# Real work on the share, inside the guest. What the host made is in "in", what is made here is in "out".

# What the host wrote: every byte, small and big, and every name of a large directory.
(cd in && sha256sum -c sums >/dev/null)
test "$(ls in/many | wc -l)" = 10000
test "$(ls in/many | sort -n | tail -n 1)" = 9999
test "$(stat -c '%a %u %g %s' in/owned)" = '640 65533 65532 5'
test "$(readlink in/link)" = 'small 1'
test "$(cat in/link)" = "$(cat 'in/small 1')"

# Files, links, renames.
mkdir -p out/a/b out/c
cd out
dd if=../in/owned of=synced conv=fsync 2>/dev/null
: >behind-sync
echo first >a/file
ln a/file a/hard
ln -s file a/soft
test "$(stat -c %h a/file)" = 2
mv a/file a/b/moved
test ! -e a/soft
test "$(cat a/hard a/b/moved)" = "$(printf 'first\nfirst')"
mv a/b c/b
test ! -e a/b
echo second >>c/b/moved
test "$(tail -n 1 a/hard)" = second
cp c/b/moved replaced
mv a/hard replaced
test "$(cat replaced)" = "$(cat c/b/moved)"
chmod 4711 replaced
chown 1000:1001 replaced
touch -d '2001-02-03 04:05:06' replaced
mkfifo fifo
(echo through >fifo) & test "$(cat fifo)" = through; wait
mknod null c 1 3
echo gone >null
test "$(wc -c <null)" = 0
truncate -s 100000 sparse
test "$(stat -c %s sparse)" = 100000
rm a/soft && rmdir a

# A file that is deleted while it is open.
(exec 3<>deleted && rm deleted && echo alive >&3 && ! test -e deleted)

# Big and small I/O, and a copy through the page cache and past it.
dd if=/dev/urandom of=big bs=1M count=6 2>/dev/null
sync
echo 3 >/proc/sys/vm/drop_caches
sha256sum big >sums
dd if=big of=copy bs=4k 2>/dev/null
dd if=big of=odd bs=12345 2>/dev/null
cmp big copy
cmp big odd
dd if=big of=direct bs=64k iflag=direct oflag=direct 2>/dev/null
echo 3 >/proc/sys/vm/drop_caches
cmp big direct

# A mapping that is shared, written through, read by others; locks among the guest's programs.
/bin/probe mapping locked
test "$(wc -c <mapping)" = 65536

# Many files, made and removed here.
mkdir many
seq 1 1000 | (cd many && while read -r i; do echo "$i" >"$i"; done)
test "$(ls many | wc -l)" = 1000
test "$(cat many/* | sort -n | tail -n 1)" = 1000
seq 1 2 1000 | (cd many && xargs rm)
test "$(ls many | wc -l)" = 500
sync
