#!/usr/bin/env bash
# What building and installing promise: the commit of --version, a user's CMAKE_INSTALL_RPATH, the
# documents that README.md refers to.
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
cmake -S "$project" -B "$work/build" -DDEEPTAXA_CUDA=OFF -DBUILD_TESTING=OFF \
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
[ "$failures" -eq 0 ]
