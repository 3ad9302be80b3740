#!/usr/bin/env bash
# The module "mpi" built for MPICH, under MPICH's launcher: collectives, training, --ranks, a signal, an
# error, a rank that dies, launches that cannot connect.
# shellcheck disable=SC1091,SC2154 # lib.sh, its variables
source "$(dirname "$0")/../cli/lib.sh"
source "$project/tests/cluster/launchers.sh"
machine mpich
cp "$RANKS_PROGRAM" mpich/bin/
ln -s "$MPICH_MODULE" mpich/lib/deeptaxa/libdeeptaxa_mpi.so
bin=$work/mpich/bin
ranks=$bin/ranks
make_gold 60
make_tokenizer

RANKS=3 expect 0 "$MPIEXEC" -n 3 "$ranks" host
for dtype in fp32 bf16; do
    SUMMED_BY=mpi GRAD_DTYPE=$dtype BUCKET_BYTES=65536 expect 0 "$MPIEXEC" -n 3 "$ranks" gradients cpu
done
launcher_trains "$MPIEXEC" -n 3
said '^Communication: MPICH [0-9.]+, 3 ranks on 1 host; gradients are summed by MPI'
launcher_stops "$MPIEXEC" -n 3
launcher_ends "$MPIEXEC" -n 3

# Ranks that the command starts, with MPICH's mpiexec
mkdir path
printf '#!/bin/sh\nexec %s "$@"\n' "$MPIEXEC" >path/mpiexec
chmod +x path/mpiexec
if [ "$(env -u OMP_NUM_THREADS nproc)" -ge 2 ]; then
    PATH=$work/path:$PATH expect 0 train_small started --ranks 2 --threads 1 --epochs 1
    same "ranks" "$(metric started 1 world_size)" 2
fi

# A rank that dies ends the others (mpiexec's status can be 0: docs/sites.md); one that fails ends all
timeout -k 5 60 "$MPIEXEC" -n 3 "$ranks" exit >out 2>err
[ $? -lt 124 ] || fail "ranks are left when one dies"
expect 1 timeout 60 "$MPIEXEC" -n 3 "$ranks" abort
said '^rank 2 on [^ ]+: record 7 is wrong$'

# Slurm without PMI, and another library's mpirun
SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=4 SLURM_PROCID=1 refused 4 \
    '4 processes were started together, but MPI connects only 1: .* under Slurm: srun --mpi=pmi2' "$ranks" host
OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=4 refused 4 'MPI connects only 1: .*\(MPICH [0-9.]+\)' \
    "$ranks" host
finish
