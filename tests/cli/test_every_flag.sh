#!/usr/bin/env bash
# Every flag in a command's --help is used in a test that runs this command. (That test shows whether it
# works.)
source "$(dirname "$0")/lib.sh"

# Tests in which flags are only refused do not show what the flags do.
tests=$(find "$project/tests/cli" "$project/tests/cluster" -name '*.sh' ! -name test_usage.sh \
    ! -name test_bad_input.sh ! -name "$(basename "$0")")
for file in $tests; do
    sed '/^ *#/d' "$file" >"$(basename "$file").$(basename "$(dirname "$file")")"
done

# offered COMMAND: without --help and --version, which cli/usage tests
offered() {
    deeptaxa "$1" --help | sed -n 's/^  \(--[a-z0-9-]*\).*/\1/p' |
        grep -vE '^--(help|version)$' | sort
}

# given COMMAND: flags in the tests that run it
given() {
    local runs="deeptaxa\"?[- ]$1( |\"|\$)"
    [ "$1" = train ] && runs="$runs|train_small"
    grep -lE "$runs" ./*.cli ./*.cluster | xargs grep -ohE -- '--[a-z][a-z0-9-]*' | sort -u
}

count=0
for command in $(deeptaxa --help | sed -n '/^Commands/,/^$/s/^  \([a-z]*\)  .*/\1/p'); do
    count=$((count + 1))
    offered "$command" >flags
    [ -s flags ] || fail "deeptaxa $command --help lists no flag"
    same "flags of $command that no test gives" "$(given "$command" | comm -23 flags - | tr '\n' ' ')" ""
done
[ "$count" -ge 8 ] || fail "deeptaxa --help lists $count commands"
finish
