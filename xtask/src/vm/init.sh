#!/busybox sh
# The first process of a guest: puts a layer in memory over the host's files, and
# runs the job in what comes of it. Its output goes to the second serial line.
b=/busybox
$b mount -t proc none /proc
$b mount -t sysfs none /sys
$b mount -t devtmpfs none /dev
for module in $($b cat /modules/order); do
    $b insmod "/modules/$module" || echo "no module $module"
done
$b mount -t 9p -o trans=virtio,version=9p2000.L,cache=loose,msize=262144,ro host /host || $b poweroff -f
$b mount -t tmpfs -o size=70% none /layer
$b mkdir /layer/upper /layer/work
$b mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work none /root || $b poweroff -f
$b mount --bind /proc /root/proc
$b mount --bind /sys /root/sys
$b mount --bind /dev /root/dev
$b mkdir -p /root/dev/pts /root/dev/shm
$b mount -t devpts none /root/dev/pts
$b mount -t tmpfs none /root/dev/shm
$b mount -t tmpfs none /root/run
$b mount -t tmpfs none /root/tmp
$b ifconfig lo up
# With huge pages, 7.2 came to no end: khugepaged has nice 19, the recordings of the
# tests -19 (CONTRIBUTING.md).
echo never > /sys/kernel/mm/transparent_hugepage/enabled
$b cp /job /root/run/job
$b stty -F /dev/ttyS1 raw
$b chroot /root /bin/sh /run/job </dev/null >/dev/ttyS1 2>&1
$b poweroff -f
