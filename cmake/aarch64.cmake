# Toolchain file: cross-compiles for 64-bit Arm on Debian with gcc-aarch64-linux-gnu and the arm64
# packages of the libraries (dpkg --add-architecture arm64). What is built runs through qemu-user-static:
# the tests, and the generator of the manual pages. Elsewhere, QEMU_LD_PREFIX is the folder of the libraries.
#   cmake -S . -B build-aarch64 -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64.cmake -DDEEPTAXA_CUDA=OFF
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
find_program(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++) # for tests/cuda_on_cpu alone
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static)
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig)
