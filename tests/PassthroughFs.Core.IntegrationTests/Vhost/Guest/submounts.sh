# Submounts that the daemon announces are file systems of their own here, and all others are not.
device() { stat -c %d "$1"; }
number() { stat -c %i "$1"; }

for name in a a/in disk disk/one disk/d/two disk/one/inner foreign over; do
  grep -q 'data of' "$name/f"
  test "$(device "$name")" != "$(device "$name/..")"
  test "$(device "$name/d/f")" = "$(device "$name")"
  test "$(number "$name/f")" = "$(number "$name/g")"
  test "$(number "$name/f")" != "$(number "$name/d/f")"
done
test "$(device d)" = "$(device .)"
test "$(device disk/d)" = "$(device disk)"

# Linux mounts a submount when something in it is asked for, and does not for stat of the directory itself.
cat b/f bind/f disk/snap/f >/dev/null
test "$(find . -xdev -name f | sort | tr '\n' ' ')" = './d/f ./f '
test "$(find disk -xdev -name f | sort | tr '\n' ' ')" = 'disk/d/f disk/f '

# One file has one number and each its own, whatever device it is shown on.
find . -type f | while read -r path; do echo "$(number "$path") $(md5sum <"$path")"; done | sort -u >/tmp/found
test "$(cut -d' ' -f1 /tmp/found | sort -u | wc -l)" = "$(wc -l </tmp/found)"

# A submount is left and found again.
mkdir a/d/new
mv a/f a/d/new/f
test "$(number a/d/new/f)" = "$(number a/g)"
if mv a/d/new d/; then test -e d/new/f; fi
echo written >over/d/f
