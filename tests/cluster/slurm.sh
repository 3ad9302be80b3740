# shellcheck shell=bash disable=SC2154,SC2016 # $work is lib.sh's
# A real Slurm on this machine for a test: munged, slurmctld and one slurmd, with configuration, key,
# ports and state of their own below $work, beside any Slurm that is installed and running here.
#
#     source "$(dirname "$0")/../cli/lib.sh"
#     source "$project/tests/cluster/slurm.sh"
#     slurm_start            then srun, sbatch, scontrol … are those of this Slurm
#     finish                 all of it goes when the test ends, however it ends
#
# The node offers $slurm_cpus CPUs, whatever the machine has (so that a test of four tasks runs on two
# cores), in one partition that allows requeueing. A requeued job starts again after seconds instead
# of the usual two minutes.
slurm_cpus=4
slurm_dir=
slurm_pids=()

# Runs the test anew in a PID namespace of its own where that is permitted: whatever ends the test,
# SIGKILL too, then ends every daemon and every step with it. (Elsewhere slurm_stop() ends them.)
slurm_isolate() {
    [ -z "${DT_TEST_ISOLATED:-}" ] || return 0
    unshare --pid --fork --kill-child --mount-proc true 2>/dev/null || return 0
    cd / && rm -rf "$work"
    DT_TEST_ISOLATED=1 exec unshare --pid --fork --kill-child --mount-proc \
        bash "$project/tests/cluster/$(basename "$0")" "$@"
}

# slurm_needs: skips the test where Slurm cannot be started.
slurm_needs() {
    local tool
    for tool in munged slurmctld slurmd srun sbatch scontrol; do
        command -v "$tool" >/dev/null || PATH=$PATH:/usr/sbin:/sbin
        command -v "$tool" >/dev/null ||
            skip "$tool is missing: bash launch/install-deps.sh cluster (munge, slurmctld, slurmd)"
    done
    [ "$(id -u)" -eq 0 ] || skip "Slurm's daemons start as root only"
    # slurmd asks for them although it is configured not to use them
    grep -q ' /sys/fs/cgroup' /proc/mounts || skip "no control groups are mounted at /sys/fs/cgroup"
}

# free_ports N: N TCP ports that nothing uses now
free_ports() {
    awk -v wanted="$1" -v seed="$$$(date +%N)" '
        $4 ~ /^[0-9A-F][0-9A-F]$/ { split($2, address, ":"); used[address[2]] = 1 }
        END {
            srand(seed)
            while (wanted > 0) {
                port = 20000 + int(rand() * 12000) # below the ports that outgoing connections get
                if (sprintf("%04X", port) in used) continue
                used[sprintf("%04X", port)] = 1
                print port
                wanted--
            }
        }' /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

slurm_config() {
    local host ports
    host=$(hostname)
    host=${host%%.*}
    mapfile -t ports < <(free_ports 2)
    cat >"$slurm_dir/slurm.conf" <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=${ports[0]}
SlurmdPort=${ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CryptoType=crypto/munge
# cred_expire (5 is the least) is also how long a requeued job waits
AuthInfo=socket=$slurm_dir/munge/socket,cred_expire=5
StateSaveLocation=$slurm_dir/state
SlurmdSpoolDir=$slurm_dir/spool
SlurmctldPidFile=$slurm_dir/slurmctld.pid
SlurmdPidFile=$slurm_dir/slurmd.pid
SlurmctldLogFile=$slurm_dir/slurmctld.log
SlurmdLogFile=$slurm_dir/slurmd.log
MailProg=/bin/true
# no control groups: a container's are not ours to change
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
SlurmdParameters=config_overrides
JobRequeue=1
KillWait=20
MinJobAge=600
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=$slurm_cpus State=UNKNOWN
PartitionName=test Nodes=$host Default=YES MaxTime=INFINITE OverSubscribe=NO State=UP
END
    : >"$slurm_dir/cgroup.conf"
}

# daemon NAME COMMAND...: starts it in the background, its output in $slurm_dir/NAME.out
daemon() {
    local name=$1
    shift
    "$@" >"$slurm_dir/$name.out" 2>&1 </dev/null &
    slurm_pids+=($!)
}

# Starts the daemons and waits until the node takes jobs. Fails the test with their logs otherwise.
slurm_start() {
    slurm_needs
    slurm_dir=$work/slurm
    mkdir -p "$slurm_dir"/{munge,state,spool}
    chmod 755 "$work" "$slurm_dir" "$slurm_dir/munge"
    trap 'slurm_stop; cleanup' EXIT
    slurm_config
    export SLURM_CONF=$slurm_dir/slurm.conf
    srun --mpi=list 2>&1 | grep -q pmix || skip "this Slurm was built without PMIx"
    (umask 077 && head -c 128 /dev/urandom >"$slurm_dir/munge/key")
    daemon munged munged --foreground --force --key-file="$slurm_dir/munge/key" \
        --socket="$slurm_dir/munge/socket" --pid-file="$slurm_dir/munge/pid" \
        --log-file="$slurm_dir/munge/log" --seed-file="$slurm_dir/munge/seed"
    until_true 20 test -S "$slurm_dir/munge/socket" || slurm_broken "munged"
    daemon slurmctld slurmctld -D -f "$SLURM_CONF"
    until_true 20 scontrol ping || slurm_broken "slurmctld"
    daemon slurmd slurmd -D -f "$SLURM_CONF"
    until_true 30 eval '[ "$(sinfo -h -o %T)" = idle ]' || slurm_broken "slurmd"
}

slurm_broken() {
    fail "$1 did not come up"
    tail -n 15 "$slurm_dir"/*.out "$slurm_dir"/*.log "$slurm_dir"/munge/log >&2
    finish
}

# Ends jobs, then the daemons; returns when they are gone.
slurm_stop() {
    local i
    [ -n "$slurm_dir" ] || return 0
    if [ ${#slurm_pids[@]} -gt 1 ]; then
        timeout 10 scancel --user=root >/dev/null 2>&1
        for i in $(seq 50); do
            [ -n "$(timeout 5 squeue -h 2>/dev/null)" ] || break
            sleep 0.2
        done
    fi
    # the last started first
    for ((i = ${#slurm_pids[@]} - 1; i >= 0; i--)); do
        kill "${slurm_pids[i]}" 2>/dev/null
    done
    for i in $(seq 50); do
        kill -0 "${slurm_pids[@]}" 2>/dev/null || break
        sleep 0.1
    done
    kill -9 "${slurm_pids[@]}" 2>/dev/null
    slurm_pids=()
    wait 2>/dev/null
}

# job_is JOB STATE: the job's state, as RUNNING, COMPLETED
job_state() { scontrol show job -o "$1" | sed -n 's/.*JobState=\([A-Z_]*\).*/\1/p'; }
job_field() { scontrol show job -o "$1" | sed -n "s/.* $2=\([^ ]*\).*/\1/p"; }

# job_ends JOB SECONDS: waits; the state in which it ended (all tasks of an array: COMPLETED when all
# did), or the present one when it did not
job_ends() {
    local end=$((SECONDS + $2)) states
    while true; do
        states=$(job_state "$1" | sort -u)
        case $states in
            *PENDING* | *RUNNING* | *COMPLETING* | *CONFIGURING* | *REQUEUE*) ;;
            *) break ;;
        esac
        [ "$SECONDS" -lt "$end" ] || break
        sleep 0.3
    done
    tr '\n' ' ' <<<"$states" | sed 's/ $//'
}
