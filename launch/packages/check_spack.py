"""Runs Spack's package.py with stand-ins for Spack's directives, and checks what it says: every option that
it hands to CMake is one of ours, and follows its variant.

    check_spack.py SPACK-FOLDER PROJECT-FOLDER
"""
import pathlib
import re
import sys
import types

folder, project = map(pathlib.Path, sys.argv[1:])
said = {"version": [], "variant": [], "depends_on": [], "license": [], "conflicts": []}


class Package:
    """What cmake_args() uses of a CMakePackage."""

    def __init__(self, variants):
        self.variants = variants
        self.spec = self
        self.spec.variants = {**variants, "cuda_arch": types.SimpleNamespace(value=("90",))}

    def satisfies(self, asked):
        return bool(self.variants[asked.lstrip("+")])

    def define(self, name, value):
        return f"-D{name}={';'.join(value) if isinstance(value, list) else 'ON' if value else 'OFF'}"

    def define_from_variant(self, name, variant):
        return self.define(name, self.variants[variant])


def module(name, **names):
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(names)


class Cuda:
    pass


for name in ("spack", "spack_repo", "spack_repo.builtin", "spack_repo.builtin.build_systems"):
    module(name)
module("spack_repo.builtin.build_systems.cmake", CMakePackage=Package)
module("spack_repo.builtin.build_systems.cuda", CudaPackage=Cuda)
module("spack.package", **{name: lambda *args, _name=name, **words: said[_name].append((args, words)) for name in said})

file = folder / "packages/deeptaxa_mpi/package.py"
names = {}
exec(compile(file.read_text(), str(file), "exec"), names)
package = names["DeeptaxaMpi"]

version = re.search(r"project\(\S+ VERSION ([0-9.]+)", (project / "CMakeLists.txt").read_text())[1]
if said["version"][0][0] != (version,):
    sys.exit(f"{file}: version {said['version'][0][0]}, and {version} in CMakeLists.txt")
variants = {args[0] for args, _ in said["variant"]} | {"cuda"}
sources = [project / name / "CMakeLists.txt" for name in (".", "io", "cpu")]
options = set(re.findall(r"(?:option|set)\((\w+) ", " ".join(source.read_text() for source in sources)))
for args, words in said["depends_on"]:
    for variant in re.findall(r"\+(\w+)", words.get("when", "")):
        if variant not in variants:
            sys.exit(f"{file}: {args[0]} depends on a variant that is not there: {variant}")
for on in (True, False):
    args = package(dict.fromkeys(variants, on)).cmake_args()
    unknown = {re.match(r"-D(\w+)=", arg)[1] for arg in args} - options - {"CMAKE_CUDA_ARCHITECTURES"}
    if unknown:
        sys.exit(f"{file}: no such option of CMake: {unknown}")
    for option in ("MPI", "CUDA", "ARCHIVE"):
        if f"-DDEEPTAXA_{option}={'ON' if on else 'OFF'}" not in args:
            sys.exit(f"{file}: {option} does not follow its variant: {args}")
print("depends on", ", ".join(args[0] for args, _ in said["depends_on"]))
print("checked: package.py runs with stand-ins for Spack's directives; its options are CMake's and follow its variants")
