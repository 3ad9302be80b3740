# shellcheck shell=bash disable=SC2154 # $work is lib.sh's
# Two "hosts" on this machine for a test: network namespaces with a cable between them, each with a
# host name, an /etc/hosts and a network of its own. Processes of one reach those of the other through
# TCP alone, and no longer once the cable is cut.
#
#     source "$(dirname "$0")/../cli/lib.sh"
#     source "$project/tests/cluster/hosts.sh"
#     hosts_isolate "$@"
#     hosts_start                          host1 (10.77.0.1) and host2 (10.77.0.2)
#     on_host 1 COMMAND...                 runs it there
#     hosts_mpirun 4 COMMAND...            from host1, half of the ranks on each (Open MPI over TCP)
#     hosts_cut; hosts_join                pulls the cable, puts it back
#     hosts_line 1 0.5                     another cable, with a delay of 1 ms and a loss of 0.5 %
#     hosts_rate 100                       the first cable, limited to 100 Mb/s each way
#     host_processes 2                     what runs there
declare -A host_pid=()

# Runs the test anew in namespaces of its own (PID, so that nothing outlives the test). Skips it where
# that is not permitted.
hosts_isolate() {
    [ -z "${DT_TEST_ISOLATED:-}" ] || return 0
    local tool
    for tool in ip nsenter unshare mpirun; do
        command -v "$tool" >/dev/null || PATH=$PATH:/usr/sbin:/sbin
        command -v "$tool" >/dev/null || skip "$tool is missing: bash launch/install-deps.sh build cluster"
    done
    unshare --pid --fork --kill-child --mount-proc --net --uts true 2>/dev/null ||
        skip "namespaces are not permitted here (they need root, and in Docker --cap-add SYS_ADMIN)"
    cd / && rm -rf "$work"
    DT_TEST_ISOLATED=1 exec unshare --pid --fork --kill-child --mount-proc \
        bash "$project/tests/cluster/$(basename "$0")" "$@"
}

on_host() {
    local host=$1
    shift
    nsenter -t "${host_pid[$host]}" --net --uts --mount --wd="$PWD" -- "$@"
}

hosts_start() {
    local i
    printf '127.0.0.1 localhost\n10.77.0.1 host1\n10.77.0.2 host2\n' >"$work/etc_hosts"
    for i in 1 2; do
        unshare --net --uts --mount sleep infinity &
        host_pid[$i]=$!
    done
    for i in 1 2; do # until unshare has made the namespaces and become sleep
        while [ "$(cat "/proc/${host_pid[$i]}/comm")" != sleep ]; do sleep 0.05; done
    done
    ip link add cable netns "${host_pid[1]}" type veth peer name cable netns "${host_pid[2]}" ||
        skip "no virtual network cable can be made here (veth)"
    for i in 1 2; do
        { on_host "$i" hostname "host$i" && on_host "$i" mount --bind "$work/etc_hosts" /etc/hosts &&
            on_host "$i" ip link set lo up; } || { fail "host$i cannot be set up"; finish; }
    done
    hosts_configure
    # mpirun calls this instead of ssh: HOST COMMAND...
    cat >"$work/agent" <<END
#!/usr/bin/env bash
host=\$1
shift
case \$host in
    host1) pid=${host_pid[1]} ;;
    host2) pid=${host_pid[2]} ;;
    *) echo "agent: no host \$host" >&2; exit 1 ;;
esac
exec nsenter -t "\$pid" --net --uts --mount --wd="$work" -- /bin/sh -c "\$*"
END
    chmod +x "$work/agent"
}

# Addresses of the interfaces "cable".
hosts_configure() {
    local i
    for i in 1 2; do
        on_host "$i" ip addr add "10.77.0.$i/24" dev cable && on_host "$i" ip link set cable up ||
            { fail "host$i cannot be set up"; finish; }
    done
}

# hosts_line MILLISECONDS PERCENT: replaces the cable by one that delays each frame and loses some
# (cable.c), to which TCP reacts as the default of Linux does (cubic).
cable_pid=
hosts_line() {
    local i
    [ -c /dev/net/tun ] || skip "/dev/net/tun is missing (in Docker: --device /dev/net/tun)"
    if [ -n "$cable_pid" ]; then
        kill "$cable_pid"
        wait "$cable_pid" 2>/dev/null
    else
        on_host 1 ip link del cable
    fi
    "${CABLE:-$bin/../tests/cable}" "${host_pid[1]}" "${host_pid[2]}" "$1" "$2" >"$work/cable" 2>"$work/cable_err" &
    cable_pid=$!
    until_true 10 grep -q ready "$work/cable" || skip "no cable can be made here: $(cat "$work/cable_err")"
    for i in 1 2; do on_host "$i" sh -c 'echo cubic >/proc/sys/net/ipv4/tcp_congestion_control' 2>/dev/null; done
    hosts_configure
}

# hosts_rate MEGABITS: limits the first cable in both directions (tc-tbf).
hosts_rate() {
    local i
    for i in 1 2; do
        on_host "$i" tc qdisc replace dev cable root tbf rate "$1mbit" burst 256kb latency 50ms ||
            skip "no limit of bandwidth can be set here (tc, tbf)"
    done
}

# The pids of what runs on the host, but for the process that holds it.
host_processes() {
    local net entry pid
    net=$(readlink "/proc/${host_pid[$1]}/ns/net")
    for entry in /proc/[0-9]*; do
        pid=${entry#/proc/}
        [ "$pid" != "${host_pid[$1]}" ] || continue
        [ "$(readlink "$entry/ns/net" 2>/dev/null)" = "$net" ] && echo "$pid"
    done
    return 0
}

hosts_cut() {
    on_host 1 ip link set cable down
    on_host 2 ip link set cable down
}

hosts_join() {
    on_host 1 ip link set cable up
    on_host 2 ip link set cable up
}

# hosts_mpirun RANKS COMMAND...: KEEP_ALIVE=S makes Open MPI's own daemons notice a cut within about S
# seconds, as long as nothing was sent since; by default they take many minutes.
hosts_mpirun() {
    local ranks=$1
    shift
    on_host 1 env OMPI_MCA_oob_tcp_keepalive_time="${KEEP_ALIVE:-300}" \
        OMPI_MCA_oob_tcp_keepalive_intvl=1 OMPI_MCA_oob_tcp_keepalive_probes=3 \
        OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
        mpirun -np "$ranks" --host "host1:$((ranks / 2)),host2:$((ranks / 2))" --bind-to none \
        --mca plm rsh --mca plm_rsh_agent "$work/agent" --mca btl tcp,self \
        --mca btl_tcp_if_include cable --mca oob_tcp_if_include cable \
        --mca oob_tcp_keepalive_time "${KEEP_ALIVE:-3}" --mca oob_tcp_keepalive_intvl 1 \
        --mca oob_tcp_keepalive_probes 3 -x PATH "$@"
}
