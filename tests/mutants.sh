#!/usr/bin/env bash
# Mutants: small faults put into the product one at a time, each of which a test must catch.
#
#   bash tests/mutants.sh [-k WORD] [LIST]    LIST: tests/mutants.txt; -k: the lines that hold WORD
#
# A line of LIST is: file, test as ctest names it (a regular expression), sed expression. All happens
# in a temporary copy of the working tree. Status 1 where a mutant survives, does not compile or
# changes nothing, or its test fails without it. By hand, not part of ctest: some seconds a mutant.
set -uo pipefail

word=
if [ "${1:-}" = -k ]; then
    word=$2
    shift 2
fi
project=$(cd "$(dirname "$0")/.." && pwd)
list=$(realpath "${1:-$project/tests/mutants.txt}") || exit 2
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
(cd "$project" && git ls-files -coz --exclude-standard | tar --null -T - -cf -) | tar -xf - -C "$copy"
cd "$copy" || exit 2
export DEEPTAXA_FAIL_FAST=1

# quiet COMMAND...: its output goes to a log
quiet() { "$@" >"$copy/log" 2>&1 </dev/null; }

# targets TESTS: what to build for them
targets() {
    ctest --test-dir build -N -R "^($1)\$" |
        sed -nE 's/^ *Test *#[0-9]*: //; /^(cli|cluster)\//d; s|^([a-z]+)/([a-z_]+)$|test_\1_\2|p'
    [[ $1 =~ (^|\|)(cli|cluster)/ ]] && echo "$programs"
}

# shellcheck disable=SC2046
builds() { quiet cmake --build build --target $(targets "$1"); }
passes() { quiet ctest --test-dir build --no-tests=error -R "^($1)\$"; }

# verdict FILE TESTS EXPRESSION
verdict() {
    cp "$1" original
    sed "$3" original >"$1"
    if cmp -s original "$1"; then
        echo "CHANGES NOTHING"
    elif ! builds "$2"; then
        echo "DOES NOT COMPILE"
    elif passes "$2"; then
        echo SURVIVES
    else
        echo caught
    fi
    cp original "$1"
}

quiet cmake --preset cpu -G Ninja || { tail log >&2; exit 2; }
programs=$(cmake --build build --target help |
    sed -nE 's/^((deeptaxa|dt_module_(cpu|mpi|archive|onednn)|compare_|print_|drop_)[a-z0-9_-]*): phony$/\1/p')
declare -A sound # tests that pass without a mutant
caught=0 bad=0
while read -r name tests expression; do
    case $name in '' | '#'*) continue ;; esac
    [[ "$name $tests $expression" == *"$word"* ]] || continue
    file=$(find src io cpu cuda mpi launch -path "*/$name")
    if [ ! -f "$file" ]; then
        got="NOT ONE FILE"
    elif [ -z "${sound[$tests]:-}" ] && ! { builds "$tests" && passes "$tests"; }; then
        got="FAILS WITHOUT IT"
    else
        sound[$tests]=yes
        got=$(verdict "$file" "$tests" "$expression")
    fi
    [ "$got" = caught ] && caught=$((caught + 1)) || bad=$((bad + 1))
    echo "$got: $name $tests $expression"
done <"$list"
echo "$caught mutants caught, $bad not"
[ "$bad" -eq 0 ]
