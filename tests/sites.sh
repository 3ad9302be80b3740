#!/usr/bin/env bash
# The table of docs/sites.md: what the MPI libraries' launchers do with the programs. By hand.
#
#   bash tests/sites.sh here BUILD                the launchers of this machine, with the programs of
#                                                 a build folder; as root also a Slurm of its own
#   bash tests/sites.sh debian FOLDER SUITE...    as root: the same in Debian systems (bookworm, trixie)
#                                                 that debootstrap makes in FOLDER, 1.5 GB each
#
# Each launcher trains a small model with 3 ranks, which must equal one process; gets SIGUSR1, which
# must save and end with status 75; and meets an error in the input, which must end it with status 1 and
# one line. Ends with 1 if a launcher neither does so nor refuses with the remedy.
set -uo pipefail
project=$(cd "$(dirname "$0")/.." && pwd)

# row LIBRARY CHECKS LAUNCHER...: one line of the table
row() {
    local library=$1 checks=$2 check result before
    shift 2
    for check in $checks; do
        before=$failures
        rm -f err
        : >"$work/log"
        "launcher_$check" "$@" >>"$work/log" 2>&1
        if [ "$failures" -eq "$before" ]; then
            result="${result:+$result, }$check"
        elif [ "$check" = trains ] && grep -aqE '(use|under Slurm:) srun --mpi=' err; then
            failures=$before
            result="refused: $(grep -aoE 'srun --mpi=[a-z0-9]+' err | head -n 1)"
            break
        elif [ "$check" = trains ] && grep -aq 'direct launched using "srun"' err; then
            failures=$before
            result="refused by Open MPI"
            break
        else
            result="${result:+$result, }**$check: no**"
            { echo "--- $library, $*: $check"; grep -a FAILED "$work/log"; } >&2
            [ "$check" != trains ] || break
        fi
    done
    printf '| %s | `%s` | %s |\n' "$library" "$*" "$result"
}

# launchers LIBRARY SUFFIX FLAG...: those whose names end in .SUFFIX as Debian has them, or plain ones
launchers() {
    local library=$1 suffix=$2 name kind
    shift 2
    for name in mpirun mpiexec; do
        command -v "$name.$suffix" >/dev/null || continue
        row "$library" "trains stops ends" "$name.$suffix" "$@" -n 3
        mkdir -p "path.$suffix"
        printf '#!/bin/sh\nexec %s "$@"\n' "mpiexec.$suffix" >"path.$suffix/mpiexec"
        chmod +x "path.$suffix/mpiexec"
    done
    started() { env PATH="$work/path.$suffix:$PATH" "$bin/deeptaxa-train" "${@:2}" --ranks 2; }
    # shellcheck disable=SC2086
    if expect 0 started - ${launched_flags:?} --output-dir started --epochs 1 >>"$work/log" 2>&1; then
        printf '| %s | `deeptaxa train --ranks 2` | trains |\n' "$library"
    else
        printf '| %s | `deeptaxa train --ranks 2` | **trains: no** |\n' "$library"
    fi
    rm -rf started
    [ -n "${slurm_dir:-}" ] || return 0
    for kind in pmix pmi2 none; do row "$library" "trains stops ends" srun --mpi=$kind -n 3; done
    row "$library" "trains ends" salloc --quiet -n 3 "mpirun.$suffix" "$@" -n 3
}

here() {
    local build
    build=$(cd "$1" && pwd)
    export OMP_NUM_THREADS=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    export OMPI_MCA_rmaps_base_oversubscribe=1 PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
    export DEEPTAXA_BIN=$build/bin
    # shellcheck source=tests/cli/lib.sh
    source "$project/tests/cli/lib.sh"
    # shellcheck source=tests/cluster/slurm.sh
    source "$project/tests/cluster/slurm.sh"
    # shellcheck source=tests/cluster/launchers.sh
    source "$project/tests/cluster/launchers.sh"
    make_gold 60
    make_tokenizer
    if [ "$(id -u)" -eq 0 ] && command -v slurmctld >/dev/null; then slurm_start; fi
    echo "| library | launcher | result |"
    echo "| --- | --- | --- |"
    launchers "$(mpirun.openmpi --version | sed -n 's/^[^(]*([^)]*) /Open MPI /p')" openmpi --bind-to none
    if [ -e "$build/tests/cluster/mpich/libdeeptaxa_mpi.so" ]; then
        machine mpich
        ln -s "$build/tests/cluster/mpich/libdeeptaxa_mpi.so" mpich/lib/deeptaxa/
        bin=$work/mpich/bin
        launchers "MPICH $(mpichversion | sed -n 's/^MPICH Version:[[:space:]]*//p')" mpich
    fi
    if [ -n "$slurm_dir" ]; then srun --version; fi
    finish
}

# inside ROOT COMMAND...: in that system, with the project at /source
inside() {
    mkdir -p "$1/source"
    unshare --mount --pid --fork --kill-child bash -c '
        root=$1 project=$2
        shift 2
        mount --make-rprivate / && mount --bind "$project" "$root/source" &&
            mount -t proc proc "$root/proc" && mount --rbind /sys "$root/sys" &&
            mount --rbind /dev "$root/dev" &&
            exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "$@"
    ' inside "$1" "$project" "${@:2}"
}

debian() {
    local folder suite root status=0
    mkdir -p "$1" && folder=$(cd "$1" && pwd)
    for suite in "${@:2}"; do
        root=$folder/$suite
        [ -e "$root/etc/debian_version" ] ||
            debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" >"$folder/$suite.log" || return
        # Hydra asks for the address of this host's name
        grep -q "$(hostname)" "$root/etc/hosts" 2>/dev/null || echo "127.0.0.1 localhost $(hostname)" >>"$root/etc/hosts"
        inside "$root" bash -c 'set -e
            apt-get update -q
            bash /source/launch/install-deps.sh build data tests cluster
            cmake -S /source -B /build -G Ninja -DDEEPTAXA_CUDA=OFF -Wno-dev
            ninja -C /build src/cli/all dt_module_mpi dt_module_mpich dt_module_cpu dt_module_cpu_v3 dt_module_cpu_v4
        ' >>"$folder/$suite.log" 2>&1 || { tail -n 5 "$folder/$suite.log" >&2; return 1; }
        echo "## Debian $(cat "$root/etc/debian_version")"
        inside "$root" bash /source/tests/sites.sh here /build || status=1
    done
    return $status
}

case ${1:-} in
    here) here "${2:?the build folder}" ;;
    debian) debian "${@:2}" ;;
    *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2; exit 2 ;;
esac
