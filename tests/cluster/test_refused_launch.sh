#!/usr/bin/env bash
# Who needs MPI, and who is refused: one process loads no MPI library, processes that were started
# together and cannot find each other do not run side by side, programs without ranks link no MPI.
set -uo pipefail
failures=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "FAILED: $*" >&2
    sed 's/^/    /' "$work/err" >&2
    failures=$((failures + 1))
}

# refused STATUS REGEX COMMAND...
refused() {
    local wanted=$1 pattern=$2 got=0
    shift 2
    timeout 60 "$@" >"$work/out" 2>"$work/err" || got=$?
    [ "$got" -eq "$wanted" ] || fail "exit status $got instead of $wanted: $*"
    grep -qE "$pattern" "$work/err" || fail "nothing said that matches $pattern"
}

"$RANKS_PROGRAM" single 2>"$work/err" || fail "a process without launcher is not alone"
"$MPIEXEC" -n 1 "$RANKS_PROGRAM" single 2>"$work/err" || fail "one process of mpirun is not alone"
env SLURM_JOB_ID=7 SLURM_NTASKS=4 SLURM_PROCID=0 "$RANKS_PROGRAM" single 2>"$work/err" ||
    fail "a command in an sbatch script is not alone"

# A step over the components of a heterogeneous job, as Slurm 22.05 starts it
refused 4 'over the components of a heterogeneous job \(SLURM_HET_SIZE=2\), .*--het-group=0' \
    env SLURM_STEP_ID=2 SLURM_STEP_NUM_TASKS=3 SLURM_PROCID=1 SLURM_HET_SIZE=2 PMIX_RANK=1 \
    'SLURM_STEP_NODELIST=n[1-2]' SLURM_JOB_NODELIST_HET_GROUP_0=n1 SLURM_JOB_NODELIST_HET_GROUP_1=n2 \
    "$RANKS_PROGRAM" host

if "$MPIEXEC" --version 2>/dev/null | grep -qE 'Open MPI|OpenRTE|PRTE'; then # mpiexec says OpenRTE
    refused 4 'srun started 4 processes without a way to connect: use srun --mpi=pmix' \
        env SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=4 SLURM_PROCID=1 "$RANKS_PROGRAM" host
    # mpirun of another MPI: its processes are one by one for this one
    refused 4 '4 processes were started together, but MPI connects only 1: they would overwrite' \
        env PMI_RANK=1 PMI_SIZE=4 "$RANKS_PROGRAM" host
else # MPICH
    refused 4 '4 processes were started together, but MPI connects only 1: .* under Slurm: srun --mpi=pmi2' \
        env SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=4 SLURM_PROCID=1 "$RANKS_PROGRAM" host
    refused 4 'MPI connects only 1: .*\(MPICH [0-9.]+[^ ]*\)' \
        env OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=4 "$RANKS_PROGRAM" host
fi

for program in deeptaxa deeptaxa-train deeptaxa-predict deeptaxa-describe; do
    ldd "$DEEPTAXA_BIN/$program" >"$work/err" || fail "ldd $program"
    grep -qE 'libmpi|libopen-|libnccl' "$work/err" && fail "$program links MPI"
done

[ "$failures" -eq 0 ] || { echo "$failures checks failed" >&2; exit 1; }
