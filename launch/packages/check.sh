#!/usr/bin/env bash
# Checks the recipes of conda, EasyBuild, Spack and Nix as far as a machine allows that reaches PyPI but
# no channel of theirs, and says for each what was checked and what was not.
#
#   bash launch/packages/check.sh [conda|easybuild|spack|nix]...     all without one
#
# PACKAGE_TOOLS=FOLDER: a Python environment with easybuild and py-rattler-build, made if it is not there
# (otherwise in a temporary folder). conda and easybuild build this tree with the machine's compiler and
# libraries; EasyBuild also needs environment-modules or Lmod.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
here=$project/launch/packages
tools=${PACKAGE_TOOLS:-$work/tools}

python_tools() {
    [ ! -x "$tools/bin/eb" ] || return 0
    logged python3 -m venv "$tools"
    logged "$tools/bin/pip" install -q easybuild py-rattler-build
}

check_conda() {
    python_tools
    local_source "$work/conda"
    mkdir "$work/channel"
    logged "$tools/bin/python" "$here/check_conda.py" "$work/conda/launch/packages/conda" "$work/channel"
    cat "$work/log"
    echo "not checked: that conda-forge has these packages and its compilers build the tree"
}

check_easybuild() {
    local easyconfig recipe init=/usr/share/modules/init/bash
    easyconfig=$(ls "$here"/easybuild/*.eb)
    python_tools
    if [ ! -r "$init" ]; then echo "SKIPPED: install environment-modules"; return; fi
    local_source "$work/eb/deeptaxa-mpi-0.1.0"
    tar -czf "$work/eb/deeptaxa-mpi-0.1.0.tar.gz" -C "$work/eb" deeptaxa-mpi-0.1.0
    # The tree as EasyBuild's CMakeMake builds it, with the machine's compiler and libraries
    recipe=$work/eb/system.eb
    sed -e "s/^toolchain = .*/toolchain = SYSTEM/; /^toolchainopts/d; /^builddependencies/,/^]/d; /^dependencies/,/^]/d" \
        "$easyconfig" >"$recipe"
    cat >"$work/eb.sh" <<'END'
source "$1"; shift
export PATH=$1/bin:$PATH EASYBUILD_MODULES_TOOL=EnvironmentModules EASYBUILD_MODULE_SYNTAX=Tcl EASYBUILD_PREFIX=$2
export EASYBUILD_ALLOW_USE_AS_ROOT_AND_ACCEPT_CONSEQUENCES=1 EASYBUILD_ROBOT_PATHS=$1/easybuild/easyconfigs
shift 2
exec eb "$@"
END
    logged bash "$work/eb.sh" "$init" "$tools" "$work/ebprefix" --dry-run --robot -- "$easyconfig"
    grep -q 'DeepTaxa-MPI/0.1.0-gompi-2025b' "$work/log" || die "no DeepTaxa-MPI in EasyBuild's plan"
    echo "checked: every dependency has an easyconfig of EasyBuild's: $(grep -c '^ \* ' "$work/log") in the plan"
    logged bash "$work/eb.sh" "$init" "$tools" "$work/ebprefix" --sourcepath "$work/eb" "$recipe"
    [ "$(find "$work/ebprefix/modules" -path '*DeepTaxa-MPI/0.1.0*' | wc -l)" -ge 1 ] || die "no module file"
    echo "checked: EasyBuild builds, checks and installs the tree, with the machine's compiler and libraries"
    echo "not checked: the toolchain gompi-2025b, whose sources are not to be had here"
}

check_spack() {
    logged python3 "$here/check_spack.py" "$here/spack" "$project"
    cat "$work/log"
    echo "not checked: Spack itself, its concretizer, and the build by it"
}

check_nix() {
    if ! command -v nix-instantiate >/dev/null; then echo "SKIPPED: install nix-bin"; return; fi
    logged nix-instantiate --parse "$here/default.nix"
    # nixpkgs is not to be had here: the names that are used of it stand for themselves
    cat >"$work/nixpkgs.nix" <<'END'
let named = names: builtins.listToAttrs (map (name: { inherit name; value = name; }) names); in
named [ "cmake" "ninja" "pkg-config" "hdf5" "jansson" "libarchive" "zlib" "mpi" ] // {
  stdenv.mkDerivation = attributes: attributes;
  lib = { cleanSource = path: toString path; optional = wanted: value: if wanted then [ value ] else [ ];
    licenses.mit = "MIT"; platforms.linux = [ "linux" ]; };
}
END
    logged nix-instantiate --eval --strict --json -E "(import $here/default.nix { pkgs = import $work/nixpkgs.nix; }).cmakeFlags"
    grep -q DEEPTAXA_MPI=ON "$work/log" || die "the expression does not ask for MPI"
    known_options <"$work/log"
    echo "checked: the expression parses, and evaluates with stand-ins for nixpkgs; its options are CMake's"
    echo "not checked: the build with nixpkgs"
}

# known_options: every -DDEEPTAXA_... of the input is an option of our CMake files
known_options() {
    local option
    grep -oE 'DDEEPTAXA_[A-Z_]+' | sort -u | while read -r option; do
        grep -rqE "(option|set)\(${option#D} .*" "$project/CMakeLists.txt" "$project/io" "$project/cpu" --include=CMakeLists.txt ||
            die "no such option of CMake: ${option#D}"
    done
}

for name in "${@:-conda easybuild spack nix}"; do
    for check in $name; do
        say "$check"
        "check_$check"
    done
done
