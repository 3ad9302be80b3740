#!/usr/bin/env bash
# Training over two hosts and TCP; one host is cut off in the middle: the run ends in time, nothing is
# left on either, and the other host goes on alone.
# shellcheck disable=SC1091,SC2154,SC2086 # lib.sh, its variables; flags are words
source "$(dirname "$0")/../cli/lib.sh"
source "$project/tests/cluster/hosts.sh"
hosts_isolate "$@"
make_gold 200
make_tokenizer
hosts_start
[ "$(env -u OMP_NUM_THREADS nproc)" -ge 2 ] || skip "one core: two ranks of a host cannot share it"
export OMP_NUM_THREADS=1

flags="--fasta-file data/train.fasta --taxonomy-file data/train.tsv --tokenizer-file tokenizer.json
    ${small_model:?} --batch-size 8 --learning-rate 1e-3 --threads 1"

# trainings HOST: those of its processes that train, not Open MPI's
trainings() {
    local pid
    for pid in $(host_processes "$1"); do
        grep -qzx train "/proc/$pid/cmdline" 2>/dev/null && echo "$pid"
    done
    return 0
}

# Two hosts give the bits that two ranks of one host give
expect 0 hosts_mpirun 2 hostname
same "host names" "$(sort out | tr '\n' ' ')" "host1 host2 "
expect 0 hosts_mpirun 2 "$bin/deeptaxa" train $flags --output-dir both --epochs 2
expect 0 on_host 1 env OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun -np 2 \
    --oversubscribe --bind-to none "$bin/deeptaxa" train $flags --output-dir one --epochs 2
same_model "$(checkpoint both 2)" "$(checkpoint one 2)"

# Ranks share the moments with those of their host only, through MPI and (in the emulator) NCCL
expect 0 hosts_mpirun 4 "$bin/deeptaxa" train $flags --output-dir four --epochs 2
expect 0 hosts_mpirun 4 "$bin/deeptaxa" train $flags --output-dir shared --epochs 2 --shard-optimizer
said '^Optimizer: the moments are shared by the 2 ranks of a host'
same_model "$(checkpoint four 2)" "$(checkpoint shared 2)"
if [ "${HAS_CUDA_ON_CPU:-0}" = 1 ]; then
    expect 0 hosts_mpirun 4 env SUMMED_BY=nccl "$bin/../tests/ranks" gradients cuda_on_cpu
fi

# The same with --hosts, which calls mpiexec and, for the other host, ssh: here the agent
as_open_mpi() {
    on_host 1 env OMPI_MCA_plm_rsh_agent="$work/agent" OMPI_MCA_btl=tcp,self OMPI_MCA_btl_tcp_if_include=cable \
        OMPI_MCA_oob_tcp_if_include=cable OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
        "$bin/deeptaxa-train" $flags --output-dir "$@"
}
as_mpich() {
    on_host 1 env PATH="$work/path:$PATH" HYDRA_LAUNCHER=rsh HYDRA_LAUNCHER_EXEC="$work/agent" UCX_TLS=tcp,sm,self \
        "$work/mpich/bin/deeptaxa-train" $flags --output-dir "$@"
}

# by_hosts FUNCTION LIBRARY: each rank is bound on its own host. A host that is shut down sends SIGTERM to its
# processes: all ranks save and end.
by_hosts() {
    local run pid bound=() ranks=()
    expect 0 "as_$1" "$1" --epochs 2 --hosts host1:1,host2
    said "^Communication: $2 .*2 ranks on 2 hosts"
    same_model "$(checkpoint both 2)" "$(checkpoint "$1" 2)"
    "as_$1" "$1.stopped" --epochs 20 --eval-every 20 --config hosts.json >out 2>err &
    run=$!
    until_there "$1.stopped/checkpoints/*_epoch2.h5"
    for pid in $(host_processes 2); do
        [ "$(basename "$(readlink "/proc/$pid/exe")")" = deeptaxa-train ] || continue
        ranks+=("$pid")
        bound+=("$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "/proc/$pid/status")")
    done
    same "ranks on host2" "${#ranks[@]}" 2
    [ "${bound[0]}" != "${bound[1]}" ] || fail "both ranks of host2 are bound to ${bound[0]}"
    kill -TERM "${ranks[1]}"
    wait "$run"
    same "status after SIGTERM to a rank of host2" "$?" 75 || cat err >&2
    expect 0 "as_$1" "$1.stopped" --resume auto --hosts host1:1,host2:2
    [ -s "$(checkpoint "$1.stopped" 20)" ] || fail "--hosts did not resume to the end"
    expect 2 "as_$1" "$1.many" --hosts "host1:1,host2:$(($(env -u OMP_NUM_THREADS nproc) + 1))"
    said '[0-9]+ ranks: each needs a processor core'
}
echo '{"hosts": "host1:1,host2:2"}' >hosts.json
by_hosts open_mpi "Open MPI"
refused 2 '--hosts host1:1,: expected HOST:N,HOST:N' as_open_mpi no --hosts host1:1,
refused 2 '--hosts cannot be combined with --gpus or --ranks' as_open_mpi no --hosts host1:2 --ranks 2

# ... and, with DEEPTAXA_EVERY_MPI=1, MPICH's mpiexec, a minute more (with shared memory between ranks: docs/sites.md).
# UCX looks for the cable in /sys, which shows a host's own network after a mount.
if [ -n "${MPICH_MODULE:-}" ] && [ -n "${DEEPTAXA_EVERY_MPI:-}" ]; then
    machine mpich
    ln -s "$MPICH_MODULE" mpich/lib/deeptaxa/libdeeptaxa_mpi.so
    mkdir path
    printf '#!/bin/sh\nexec %s "$@"\n' "$MPICH_EXEC" >path/mpiexec
    chmod +x path/mpiexec
    for host in 1 2; do on_host $host mount -t sysfs sysfs /sys || fail "no /sys of host$host"; done
    by_hosts mpich MPICH
fi

# cut_run FOLDER TIMEOUT: starts a training over both hosts and pulls the cable in an epoch; $run is
# mpirun
epochs=30
cut_run() {
    hosts_mpirun 2 "$bin/deeptaxa" train $flags --output-dir "$1" --epochs "$epochs" \
        --eval-every "$epochs" --save-every-steps 3 --collective-timeout "$2" >out 2>err &
    run=$!
    until_there "$1/checkpoints/*_epoch2*_step*.h5"
    if [ -z "$(trainings 1)" ] || [ -z "$(trainings 2)" ]; then fail "no training on each host"; fi
    hosts_cut
    cut=$SECONDS
}

# gone HOST WHAT: what the function WHAT lists on the host ends within a minute
gone() {
    while [ -n "$($2 "$1")" ] && [ $((SECONDS - cut)) -lt 60 ]; do sleep 0.2; done
    same "$2 left on host$1 $((SECONDS - cut)) s after the cut" "$($2 "$1")" ""
}

# The cable is pulled, and Open MPI's daemons are told to look: nothing is left on either host
KEEP_ALIVE=3 cut_run cut 20
gone 1 host_processes
gone 2 host_processes
wait "$run" && fail "a run that lost a host ended with status 0"
[ -e "$(checkpoint cut "$epochs")" ] && fail "the run was over before the cable was pulled"
hosts_join

# They are not told: the ranks end all the same, by their own clocks, and say why
cut_run alarm 5
gone 1 trainings
gone 2 trainings
grep -qE '^rank 0 on host1: waited 5 seconds for the other ranks' err ||
    fail "no message of rank 0: $(tail -n 5 err)"
for pid in $(host_processes 1) $(host_processes 2); do kill "$pid"; done # daemons that wait for TCP
wait "$run" && fail "a run whose ranks ended each other ended with status 0"
hosts_join

# host1 alone goes on, to the end that an undisturbed run of one rank has (to rounding)
expect 0 on_host 1 "$bin/deeptaxa" train $flags --output-dir alone --epochs "$epochs" --eval-every "$epochs"
for folder in cut alarm; do
    expect 0 on_host 1 "$bin/deeptaxa" train $flags --output-dir "$folder" --resume auto
    [ -e "$(checkpoint "$folder" "$epochs")" ] || fail "$folder: the resumed run did not end"
done
loss() {
    tr -d '\n ' <"$(echo "$1"/metrics/*_epoch"$epochs".json)" |
        sed 's/.*"validation_loss":\([0-9.e-]*\).*/\1/'
}
for folder in cut alarm; do
    awk -v a="$(loss alone)" -v b="$(loss "$folder")" \
        'BEGIN { d = (a - b) / a; exit !(a > 0 && d < 1e-5 && d > -1e-5) }' ||
        fail "validation loss $(loss "$folder") after the resume, $(loss alone) undisturbed"
done
finish
