#!/usr/bin/env bash
# A loss, a model type or an operation that is added to its list and nowhere else does not build:
# shown on a copy of the sources, with the compiler and the flags of a build.
#   tests/half_added.sh BUILD
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "$1" && pwd) || exit 1
copy=$(mktemp -d) || exit 1
trap 'rm -rf "$copy"' EXIT
bad=0

fresh() { # the sources as they are
  rm -rf "${copy:?}"/*
  cp -r "$root/src" "$root/cpu" "$root/io" "$copy"
}

edit() { # FILE SED-SCRIPT: changes a file of the copy, and must find what it changes
  cp "$copy/$1" "$copy/before"
  sed -i "$2" "$copy/$1"
  if cmp -s "$copy/$1" "$copy/before"; then
    echo "$1: '$2' changes nothing"
    exit 1
  fi
}

# FILE [ARGUMENT...]: compiles a file of the copy as the build compiles it
compile() {
  local file=$1 command
  shift
  command=$(grep -m 1 -F -- "-c $root/$file\"" "$build/compile_commands.json" |
    sed -E 's/^ *"command": "//; s/",?$//; s/\\(.)/\1/g; s/ -o [^ ]+ -c .*//')
  command=${command//"$root"\/src/"$copy"/src}
  (cd "$copy" && eval "${command//-I$root/-I$copy} $* -c $file") >"$copy/messages" 2>&1
}

builds() { # FILE: compiles
  if ! compile "$1" -fsyntax-only; then
    echo "$1 does not compile: $2"
    cat "$copy/messages"
    bad=1
  fi
}

fails() { # FILE WORD WHEN: does not compile, with an error that names the word
  if compile "$1" -fsyntax-only; then
    echo "$1 compiles: $3"
    bad=1
  elif ! grep -q "error.*$2" "$copy/messages"; then
    echo "$1 fails for another reason: $3"
    cat "$copy/messages"
    bad=1
  fi
}

links() { # the CPU backend of the copy, with the other objects of the build
  local objects="$build/cpu/CMakeFiles/dt_module_cpu.dir" sanitizers
  sanitizers=$(grep -m 1 -F -- "-c $root/cpu/loss.c" "$build/compile_commands.json" |
    grep -oE -- '-fsanitize=[^ ]+')
  compile cpu/backend_cpu.c -o "$copy/backend_cpu.o" || return 1
  # shellcheck disable=SC2046,SC2086 # flags and names are words
  ${CC:-cc} -shared -Wl,-z,defs $sanitizers -fopenmp -o "$copy/module.so" "$copy/backend_cpu.o" \
    $(find "$objects" -name '*.o' ! -name 'backend_cpu.c.o') "$build"/lib/libdeeptaxa-core.so -lm \
    >"$copy/messages" 2>&1
}

files="cpu/loss.c src/eval/objective.c src/model/model.c src/profile/profiled_backend.c"
fresh
for file in $files; do
  builds "$file" "unchanged"
done
links || { echo "the CPU backend does not link unchanged"; cat "$copy/messages"; bad=1; }

edit src/core/loss.h 's/LOSS(FOCAL, focal)/& LOSS(EXTRA, extra)/'
fails cpu/loss.c dt_loss_extra "a loss without formula"
edit src/core/loss_formulas.h 's/^static inline DT_HOST_DEVICE double dt_loss_cross_entropy/static inline double dt_loss_extra(double ce, double gamma, double *slope)\n{ return *slope = ce + gamma; }\n&/'
builds cpu/loss.c "a loss with a formula"
fails src/eval/objective.c DT_LOSS_EXTRA "a loss of which nobody says how a batch is averaged"

fresh
edit src/model/config.h 's/TYPE(BERT, bert, true, false, false, false)/& TYPE(EXTRA, extra, true, true, true, false)/'
fails src/model/model.c DT_MODEL_EXTRA "a model type without forward and backward pass"

fresh
edit src/backend.h 's/OP(heads_backward)/& OP(extra_forward)/'
fails cpu/loss.c dt_op_extra_forward "an operation without type"
edit src/backend.h 's/^typedef void dt_op_lookup_forward/typedef void dt_op_extra_forward(dt_backend *backend);\n&/'
fails src/profile/profiled_backend.c measured_extra_forward "an operation that is not measured"
builds cpu/backend_cpu.c "an operation with a type"
if links; then
  echo "a CPU backend links that lacks an operation"
  bad=1
elif ! grep -q 'undefined.*dt_cpu_extra_forward' "$copy/messages"; then
  cat "$copy/messages"
  bad=1
fi
exit $bad
