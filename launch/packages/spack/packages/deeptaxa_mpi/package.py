# Spack package (Spack 1.0 or later). From this source tree:
#
#     spack repo add launch/packages/spack
#     spack dev-build -d . deeptaxa-mpi@0.1.0 +mpi
#
# For a mirror of packages, add the release's url and sha256 to version().
from spack_repo.builtin.build_systems.cmake import CMakePackage
from spack_repo.builtin.build_systems.cuda import CudaPackage

from spack.package import *


class DeeptaxaMpi(CMakePackage, CudaPackage):
    """Training and running the DeepTaxa 16S rRNA classifier, on laptops and, with MPI, NCCL and CUDA,
    on clusters."""

    license("MIT")

    version("0.1.0")

    variant("mpi", default=True, description="Training and prediction with several processes")
    variant("archive", default=True, description="Input in bzip2, xz, zstd and zip")
    variant("nccl", default=True, when="+cuda+mpi", description="Sum gradients of GPUs by NCCL")

    depends_on("c", type="build")
    depends_on("cxx", type="build", when="+cuda")
    depends_on("cmake@3.24:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("hdf5@1.10.5: ~mpi")
    depends_on("jansson")
    depends_on("zlib-api")
    depends_on("libarchive@3.3.3:", when="+archive")
    depends_on("mpi", when="+mpi")
    depends_on("cuda@12:", when="+cuda")
    depends_on("nccl", when="+nccl")

    def cmake_args(self):
        args = [
            self.define_from_variant("DEEPTAXA_MPI", "mpi"),
            self.define_from_variant("DEEPTAXA_CUDA", "cuda"),
            self.define_from_variant("DEEPTAXA_ARCHIVE", "archive"),
            self.define("DEEPTAXA_ONEDNN", False),
            self.define("BUILD_TESTING", False),
        ]
        if self.spec.satisfies("+cuda"):
            archs = self.spec.variants["cuda_arch"].value
            if archs[0] != "none":
                args.append(self.define("CMAKE_CUDA_ARCHITECTURES", list(archs)))
        return args
