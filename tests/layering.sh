#!/usr/bin/env bash
# The rule "who may include whom" of the architecture, checked on the #include lines.
set -u
cd "$(dirname "$0")/.." || exit 1

# component: those whose headers it may include, beside its own and system headers; lowest first
declare -A allowed=(
  [src/core]=""
  [io]="core"
  [src/options]="core io"
  [src/taxonomy]="core io"
  [src/neighbours]="core taxonomy"
  [src/sequence]="core io"
  [src/model]="core sequence taxonomy backend.h layers.h"
  [src/selftest]="core taxonomy model backend.h layers.h"
  [src/ranks]="core model backend.h comm.h"
  [src/data]="core io sequence taxonomy backend.h comm.h"
  [src/run]="core io options sequence taxonomy neighbours model data backend.h"
  [src/profile]="core io model backend.h layers.h comm.h"
  [src/eval]="core taxonomy model data run profile backend.h layers.h comm.h"
  [src/report]="core io taxonomy eval"
  [src/train]="core io options sequence taxonomy neighbours model ranks data run profile eval report backend.h comm.h"
  [src/predict]="core io options sequence taxonomy neighbours model data run profile eval backend.h layers.h"
  [launch]="core io options"
  [src/cli]="core io options sequence taxonomy neighbours model selftest ranks data run profile eval report train predict launch backend.h layers.h comm.h"
  [cpu]="core backend.h layers.h"
  [cuda]="core backend.h layers.h"
  [mpi]="core comm.h backend.h"
)
bad=0
for component in "${!allowed[@]}"; do
  [ -d "$component" ] || continue
  own=${component#src/}
  while IFS=: read -r file line text; do
    header=$(sed -E 's/.*#include "([^"]+)".*/\1/' <<<"$text")
    case "$header" in
      */*) target=${header%%/*} ;;
      backend.h | layers.h | comm.h) target=$header ;;
      *) target=$own ;;
    esac
    [ "$target" = "$own" ] && continue
    case " ${allowed[$component]} " in
      *" $target "*) ;;
      *) echo "$file:$line: $component may not include \"$header\""; bad=1 ;;
    esac
  done < <(grep -nE '^ *#include "' -r "$component" --include='*.[ch]' --include='*.cu' --include='*.cuh')
done

# No circle between files: what a file (A.c with A.h) includes does not include it in turn, at any
# depth.
headers() { find src io cpu cuda mpi launch -name '*.h' -o -name '*.cuh'; }
includes() { grep -rE '^ *#include "' src io cpu cuda mpi launch --include='*.[ch]' --include='*.cu*'; }
circles=$(awk -F'[:"]' '
  function stem(path) { sub(/\.[a-z]+$/, "", path); return path }
  NR == FNR { header[$0]; next }
  { folder = $1; sub(/[^\/]*$/, "", folder)
    from = stem($1)
    to = stem($3 in header ? $3 : "src/" $3 in header ? "src/" $3 : folder $3)
    if (from != to) print from, to }
' <(headers) <(includes) | tsort 2>&1 >/dev/null)
if [ -n "$circles" ]; then
  printf 'files include each other in a circle:\n%s\n' "$circles"
  bad=1
fi

# Libraries stay where they are wrapped: the files beside io/, cpu/, cuda/ and mpi/ that include one.
wrapped="src/options/config_file.c src/data/dataset_json.c src/sequence/tokenizer_json.c src/sequence/tokenizer_json_write.c src/report/run_files.c src/report/predictions.c src/report/predictions_json.c src/report/prediction_counts.h"
while IFS=: read -r file line text; do
  case " $wrapped " in
    *" $file "*) ;;
    *) echo "$file:$line: only io/, cpu/, cuda/, mpi/ and ($wrapped) may have $text"; bad=1 ;;
  esac
done < <(grep -nE '^ *# *include *<(mpi|cu|cub|nccl|hdf5|H5|cblas|omp|jansson|zlib|archive|dnnl)' \
           -r src launch --include='*.[ch]')
exit $bad
