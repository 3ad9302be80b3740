#!/usr/bin/env bash
# Checks that C files are as clang-format 14 leaves them; other versions format differently.
#
#   bash tests/format.sh [--fix] [FILES]     all files where none is named; --fix formats them
#
# Status 77 where clang-format 14 is not installed.
set -euo pipefail
cd "$(dirname "$0")/.."
action=(--dry-run --Werror)
if [ "${1:-}" = --fix ]; then
    action=(-i)
    shift
fi
if ! tool=$(bash tests/clang_tool.sh clang-format 14); then
    echo "SKIPPED: clang-format 14, which decides the form of the code, is not installed" \
        "(found: $(bash tests/clang_tool.sh clang-format || echo none))" >&2
    exit 77
fi
if [ $# -gt 0 ]; then
    "$tool" "${action[@]}" "$@"
else
    find . -path './build*' -prune -o \( -name '*.c' -o -name '*.h' \) -print0 |
        xargs -0 "$tool" "${action[@]}"
fi
