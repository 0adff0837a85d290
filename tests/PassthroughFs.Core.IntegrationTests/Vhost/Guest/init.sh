#!/bin/busybox sh
# The first and only program of the guest: loads the modules in the order they were packed, mounts the share, does the
# work, says how it went, powers off.
/bin/busybox mkdir -p /bin /proc /sys /dev /mnt /tmp
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
while read -r module; do
  insmod "/modules/$module" || echo "insmod $module failed"
done </modules/order
echo "booted after $(cut -d' ' -f1 /proc/uptime) s"
if mount -t virtiofs share /mnt && (cd /mnt && sh -eux /work.sh) >/tmp/log 2>&1 && umount /mnt; then
  echo "work done after $(cut -d' ' -f1 /proc/uptime) s: PTFS-GUEST-OK"
else
  cat /tmp/log
  dmesg | tail -n 20
  echo PTFS-GUEST-FAILED
fi
poweroff -f
