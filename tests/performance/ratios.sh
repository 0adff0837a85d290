#!/bin/bash
# Two settings side by side, A B A B …, as ratios of B to A. Needs root, fio, jq, and a Release build of ptfs-mount.
#
#   ratios.sh passthrough [DIRECTORY]   A: the bare directory, B: a mount of it with --passthrough
#   ratios.sh ring [DIRECTORY]          A: a mount without, B: a mount with --io-uring
#
# DIRECTORY is where to work, /dev/shm by default: memory, so that no disk is measured. ROUNDS says how often, 5 by
# default; the median counts. cpu: processor time of client and server an operation. ops: operations a second.
set -euo pipefail
what=${1:?passthrough or ring} work=$(mktemp -d -p "${2:-/dev/shm}" ptfs-ratios-XXXX) rounds=${ROUNDS:-5}
program=$(dirname "$0")/../../src/ptfs-mount/bin/Release/net10.0/ptfs-mount.dll
switch=/sys/module/fuse/parameters/enable_uring
mkdir "$work"/{source,a,b}
declare -A server
end() {
    for m in a b; do umount "$work/$m" 2> /dev/null || true; done
    [ -z "${before:-}" ] || echo "$before" > $switch
    wait
    rm -rf "$work"
}
trap end EXIT
start() { # NAME OPTION…
    dotnet "$program" "${@:2}" "$work/source" "$work/$1" > /dev/null & server[$1]=$!
    until mountpoint -q "$work/$1"; do sleep 0.1; done
    ls "$work/$1" > /dev/null
}
ticks() { # processor time of a server so far, in ticks of 10 ms
    [ -n "${server[$1]:-}" ] || { echo 0; return; }
    awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/${server[$1]}/stat"
}
run() { # NAME FIO-OPTION…: "ns-of-cpu-an-operation operations-a-second"
    local from to
    from=$(ticks "$1")
    fio --name=w --directory="$work/$1" --ioengine=psync --thread --output-format=json --group_reporting "${@:2}" \
        > "$work/json"
    to=$(ticks "$1")
    jq -r --argjson server "$((to - from))" '.jobs[0] | (.read.total_ios + .write.total_ios) as $n |
        (.job_runtime * (.usr_cpu + .sys_cpu) * 10000 + $server * 1e7) / $n, .read.iops + .write.iops' "$work/json" |
        tr '\n' ' '
}
compare() { # LABEL FIO-OPTION…
    local label=$1 lines=""
    shift
    for ((i = 0; i < rounds; i++)); do
        lines+="$(run "$a" "$@")$(run "$b" "$@")"$'\n'
    done
    median() { awk "{ print $1 }" <<< "${lines%$'\n'}" | sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
    printf '%-26s cpu B/A %5.2f   ops B/A %5.2f   (A %.0f ns, %.0f a second)\n' \
        "$label" "$(median '$3 / $1')" "$(median '$4 / $2')" "$(median '$1')" "$(median '$2')"
}
case $what in
    passthrough)
        a=source b=b
        start b --passthrough --killpriv-v2
        for bs in 4k 128k 1m; do
            for rw in randread randwrite; do
                size=$([ $bs = 4k ] && echo 400m || echo 4g)
                compare "$bs $rw" --filename=f --filesize=64m --rw=$rw --bs=$bs --io_size=$size --fallocate=none
            done
        done
        ;;
    ring)
        a=a b=b
        before=$(cat $switch)
        echo Y > $switch
        start a --cache never --killpriv-v2
        start b --cache never --killpriv-v2 --io-uring
        for jobs in 1 2; do
            for rw in randread randwrite; do
                compare "$jobs client(s), 4k $rw" --rw=$rw --bs=4k --filesize=16m --runtime=1 --time_based \
                    --numjobs=$jobs --fallocate=none
            done
            compare "$jobs client(s), 1m randread" --rw=randread --bs=1m --filesize=16m --runtime=1 --time_based \
                --numjobs=$jobs --fallocate=none
        done
        ;;
esac
