#!/usr/bin/env bash
# What building and installing promise: the commit of --version, a user's CMAKE_INSTALL_RPATH, the
# documents that README.md refers to, the file for `module load`.
set -uo pipefail
project=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
fail() { echo "FAILED: $*" >&2; failures=$((failures + 1)); }

# commit_of FOLDER: what --version of a build of it would tell
commit_of() {
    cmake -DSOURCE="$1" -DHEADER="$work/header/dt_commit.h" -P "$project/cmake/Commit.cmake" &&
        sed 's/.*"\(.*\)".*/\1/' "$work/header/dt_commit.h"
}
same() { [ "$2" = "$3" ] || fail "$1: '$2' instead of '$3'"; }

# The commit: of a repository, also one of another owner; not that of a repository around the source
if command -v git >/dev/null; then
    mkdir "$work/source"
    export HOME=$work GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
    unset GIT_DIR GIT_WORK_TREE
    ( cd "$work/source" && git init -q . && mkdir below && echo 1 >below/file && git add . && git commit -qm one ) ||
        fail "no repository to test with"
    commit=$(git -C "$work/source" rev-parse --short=12 HEAD)
    same "commit" "$(commit_of "$work/source")" "$commit"
    same "commit, another owner" "$(GIT_TEST_ASSUME_DIFFERENT_OWNER=1 commit_of "$work/source")" "$commit"
    before=$(stat -c %Y.%i "$work/header/dt_commit.h"; date -r "$work/header/dt_commit.h" +%N)
    commit_of "$work/source" >/dev/null
    same "header of the same commit" "$(stat -c %Y.%i "$work/header/dt_commit.h"; date -r "$work/header/dt_commit.h" +%N)" "$before"
    echo 2 >"$work/source/below/file"
    same "changed source" "$(commit_of "$work/source")" "$commit, with changes"
    same "a folder of another repository" "$(commit_of "$work/source/below")" unknown
fi
mkdir "$work/tarball"
same "tarball" "$(commit_of "$work/tarball")" unknown

# Every document of ours that README.md names is installed beside it; a user's search path is added
# to ours for programs, the library and modules.
LOADEDMODULES=gcc/12:openmpi/4.1 cmake -S "$project" -B "$work/build" -DDEEPTAXA_CUDA=OFF -DBUILD_TESTING=OFF \
    -DCMAKE_INSTALL_RPATH="/opt/site/lib" >"$work/log" 2>&1 || { tail -n 5 "$work/log" >&2; fail "cmake"; }
for folder in src/core src/cli cpu mpi; do
    file=$work/build/$folder/cmake_install.cmake
    [ -e "$file" ] || continue # built without MPI
    paths=$(grep -o 'NEW_RPATH "[^"]*ORIGIN[^"]*"' "$file" | sort -u)
    [ -n "$paths" ] && ! grep -qv ':/opt/site/lib"$' <<<"$paths" || fail "search paths of $folder: $paths"
done
mkdir "$work/installed"
for word in $(grep -oE '(docs|slurm|launch|benchmarks/results)/[A-Za-z0-9_./-]+\.(md|py|sh|sbatch)' "$project/README.md" | sort -u); do
    [ -e "$project/$word" ] || fail "README.md names $word, which is not there"
done
# the top folder alone: nothing is built here
cmake -DCMAKE_INSTALL_LOCAL_ONLY=1 -DCMAKE_INSTALL_PREFIX="$work/installed" \
    -P "$work/build/cmake_install.cmake" >"$work/log" 2>&1 ||
    fail "installing the documents: $(tail -n 3 "$work/log")"
shared=$(find "$work/installed" -name CHANGELOG.md | head -n 1)
links=$(grep -oE '\]\([^)#:]+\)' "$project/README.md" | sed 's/^](\(.*\))$/\1/')
for word in $links $(grep -oE '(docs|slurm|benchmarks/results)/[A-Za-z0-9_./-]+\.(md|py|sbatch)' "$project/README.md" | sort -u); do
    [ -e "$(dirname "$shared")/$word" ] || fail "README.md is installed without $word"
done

# The file for `module load`, read by Environment Modules, Lmod, or tclsh, whichever are here: it finds its
# installation through a link, loads what was loaded for the build, and refuses where no program is.
modulefile=$(find "$work/installed" -path '*/modulefiles/deeptaxa/*' -type f)
[ -n "$modulefile" ] || fail "no file for module load"
mkdir -p "$work/installed/bin" "$work/site/deeptaxa" "$work/site/gcc" "$work/site/openmpi"
ln -s "$modulefile" "$work/site/deeptaxa/7.0"
for needed in gcc/12 openmpi/4.1; do printf '#%%Module\nsetenv %s_IS_HERE yes\n' "${needed%/*}" >"$work/site/$needed"; done
cat >"$work/by_hand.tcl" <<'END'
foreach name {module-whatis conflict} { proc $name {args} {} }
proc is-loaded {name} { return 0 }
proc module-info {what value} { return 1 }
proc module {load name} { puts "[file dirname $name]_IS_HERE=yes;" }
proc setenv {name value} { puts "$name=$value;" }
proc prepend-path {name value} { puts "$name=$value:;" }
set ModulesCurrentModulefile [lindex $argv 0]
source $ModulesCurrentModulefile
END
# module_load WAY...: the shell commands of `module load deeptaxa`
module_load() {
    case $1 in
        tclsh) tclsh "$work/by_hand.tcl" "$work/site/deeptaxa/7.0" ;;
        *) env -u LOADEDMODULES MODULEPATH="$work/site" "$@" bash load deeptaxa ;;
    esac
}
ways=$(command -v tclsh; ls /usr/lib/*/modulecmd.tcl /usr/lib/modulecmd.tcl /usr/share/lmod/lmod/libexec/lmod 2>/dev/null)
for way in ${DEEPTAXA_MODULE_COMMANDS:-$ways}; do
    [ "${way##*/}" != tclsh ] || way=tclsh
    rm -f "$work/installed/bin/deeptaxa"
    got=$(module_load $way 2>"$work/log")
    grep -q 'there is no deeptaxa in .*/installed/bin' "$work/log" || fail "$way without a program: $(cat "$work/log")"
    [[ $got != *DEEPTAXA_SLURM* ]] || fail "$way loads what is not there: $got"
    printf '#!/bin/sh\n' >"$work/installed/bin/deeptaxa"
    chmod +x "$work/installed/bin/deeptaxa"
    got=$(module_load $way 2>"$work/log") || fail "$way: $(cat "$work/log")"
    for line in "[^A-Z]*PATH=\"\?$work/installed/bin:" "DEEPTAXA_SLURM=\"\?$(dirname "$shared")/slurm" gcc_IS_HERE= openmpi_IS_HERE=; do
        grep -q "$line" <<<"$got" || fail "$way: no $line in: $got"
    done
done
[ -n "$ways" ] || echo "neither modules nor tclsh is here: the file for module load was not read" >&2
[ "$failures" -eq 0 ]
