#!/usr/bin/env bash
# All checks of first.sh, with time for each: bash run.sh OUT [options of first.sh]
exec bash "$(dirname "${BASH_SOURCE[0]}")/first.sh" --minutes 30 "$@"
