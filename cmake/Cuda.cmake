# Sets DEEPTAXA_HAS_CUDA from what DEEPTAXA_CUDA asks for: OFF never; ON always, and it is an error
# when something is missing; AUTO where a CUDA compiler and cuBLASLt are found.

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
