#!/usr/bin/env bash
# The rule "who may include whom" of the architecture, checked on the #include lines.
set -u
cd "$(dirname "$0")/.." || exit 1

# room: the rooms whose headers it may include, beside its own and system headers
declare -A allowed=(
  [src/core]=""
  [src/sequence]="core"
  [src/taxonomy]="core"
  [src/data]="core sequence taxonomy backend.h comm.h"
  [io]="core sequence taxonomy data comm.h"
  [src/model]="core sequence taxonomy data io backend.h"
  [src/profile]="core io model backend.h comm.h"
  [src/train]="core sequence taxonomy data io model profile eval backend.h comm.h"
  [src/eval]="core taxonomy data model profile backend.h comm.h"
  [src/predict]="core sequence taxonomy data io model profile eval backend.h"
  [src/cli]="core sequence taxonomy data io model profile train eval predict backend.h comm.h"
  [cpu]="core backend.h"
  [cuda]="core backend.h"
  [mpi]="core comm.h backend.h"
)
bad=0
for room in "${!allowed[@]}"; do
  [ -d "$room" ] || continue
  own=${room#src/}
  while IFS=: read -r file line text; do
    header=$(sed -E 's/.*#include "([^"]+)".*/\1/' <<<"$text")
    case "$header" in
      */*) target=${header%%/*} ;;
      backend.h | comm.h) target=$header ;;
      *) target=$own ;;
    esac
    [ "$target" = "$own" ] && continue
    case " ${allowed[$room]} " in
      *" $target "*) ;;
      *) echo "$file:$line: $room may not include \"$header\""; bad=1 ;;
    esac
  done < <(grep -nE '^ *#include "' -r "$room" --include='*.[ch]' --include='*.cu' --include='*.cuh')
done

# Devices and libraries stay in the rooms that own them.
if grep -nE '^ *# *include *<(mpi|cuda|cublas|cudnn|nccl|hdf5|cblas|omp|jansson|zlib|htslib)' -r src; then
  echo "src/ may include libc and pthreads only"
  bad=1
fi
exit $bad
