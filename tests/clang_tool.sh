#!/usr/bin/env bash
# Prints the name of an installed clang-format or clang-tidy: of version 14 where there is one
# (Debian 12's, which decides the form of the code), else of the newest version above.
#
#   bash tests/clang_tool.sh NAME           status 1: none of version 14 or later
#   bash tests/clang_tool.sh NAME VERSION   of this version alone
set -euo pipefail

# version_of TOOL: its major version; nothing where it cannot be run
version_of() { "$1" --version 2>/dev/null | sed -n 's/.*version \([0-9]*\)\..*/\1/p' | head -n 1; }

best=
for tool in "$1-14" "$1" $(compgen -c "$1-" | grep -E "^$1-[0-9]+\$"); do
    version=$(version_of "$tool" || true)
    [ "${version:-0}" -ge 14 ] && [ "$version" = "${2:-$version}" ] || continue
    if [ "$version" -eq 14 ] || [ "$version" = "${2:-}" ]; then
        echo "$tool"
        exit 0
    fi
    if [ -z "$best" ] || [ "$version" -gt "$(version_of "$best")" ]; then best=$tool; fi
done
[ -n "$best" ] && echo "$best"
