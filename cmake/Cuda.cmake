# Sets DEEPTAXA_HAS_CUDA from what DEEPTAXA_CUDA asks for: OFF never; ON always, and it is an error
# when something is missing; AUTO where a CUDA compiler and cuBLASLt are found.

# Where an installed module looks for NVIDIA's libraries that neither LD_LIBRARY_PATH nor the system
# knows: the toolkit's usual folders. It needs a DT_RUNPATH for that, since LD_LIBRARY_PATH goes
# before that one alone.
set(DEEPTAXA_CUDA_FOLDERS /usr/local/cuda/lib64)
set(DEEPTAXA_NVIDIA_SEARCH LINKER:--enable-new-dtags)

set(DEEPTAXA_HAS_CUDA OFF)
if(DEEPTAXA_CUDA)
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80-real 90a-real 90-virtual)
  endif()
  include(CheckLanguage)
  check_language(CUDA)
  find_package(CUDAToolkit QUIET)
  if(CMAKE_CUDA_COMPILER AND TARGET CUDA::cublasLt)
    enable_language(CUDA)
    set(DEEPTAXA_HAS_CUDA ON)
    message(STATUS "CUDA backend: ${CMAKE_CUDA_COMPILER_VERSION}, for ${CMAKE_CUDA_ARCHITECTURES}")
  elseif(DEEPTAXA_CUDA STREQUAL "AUTO")
    message(STATUS "CUDA backend: not built, since no CUDA compiler with cuBLASLt was found")
  else()
    message(FATAL_ERROR "DEEPTAXA_CUDA=${DEEPTAXA_CUDA}: no CUDA compiler with cuBLASLt was found; "
      "put nvcc on the PATH or set CMAKE_CUDA_COMPILER, or leave DEEPTAXA_CUDA=AUTO")
  endif()
endif()
