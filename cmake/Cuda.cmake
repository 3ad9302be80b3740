# Sets DEEPTAXA_HAS_CUDA from what DEEPTAXA_CUDA asks for: OFF never; ON always, and it is an error
# when something is missing; AUTO where a CUDA compiler and cuBLASLt are found.

# Where an installed module looks for NVIDIA's libraries that neither LD_LIBRARY_PATH nor the system
# knows: the toolkit's usual folders (DEEPTAXA_CUDA_FOLDERS). It needs a DT_RUNPATH for that, since
# LD_LIBRARY_PATH goes before that one alone.
set(DEEPTAXA_NVIDIA_SEARCH LINKER:--enable-new-dtags)

set(DEEPTAXA_HAS_CUDA OFF)
if(DEEPTAXA_CUDA)
  set(chosen ${CMAKE_CUDA_ARCHITECTURES})
  if(NOT chosen)
    set(CMAKE_CUDA_ARCHITECTURES 80-real) # until the compiler is known
  endif()
  include(CheckLanguage)
  check_language(CUDA)
  find_package(CUDAToolkit QUIET)
  if(CMAKE_CUDA_COMPILER AND TARGET CUDA::cublasLt)
    enable_language(CUDA)
    enable_language(CXX) # of cuda/cudnn_plan.cpp
    if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12.4)
      message(FATAL_ERROR "CUDA ${CMAKE_CUDA_COMPILER_VERSION} was found, but 12.4 or later is "
        "required: set CMAKE_CUDA_COMPILER, or DEEPTAXA_CUDA=OFF")
    endif()
    # A100 to Hopper, Blackwell where the compiler knows it, and PTX of the newest for later GPUs
    # (docs/gpu.md).
    if(NOT chosen AND CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12.8)
      set(CMAKE_CUDA_ARCHITECTURES 80-real 90a-real 90-virtual)
    elseif(NOT chosen)
      set(CMAKE_CUDA_ARCHITECTURES 80-real 90a-real 100-real 120)
    endif()
    set(DEEPTAXA_CUDA_FOLDERS
      /usr/local/cuda/lib64 /usr/local/cuda-${CUDAToolkit_VERSION_MAJOR}/lib64)
    set(DEEPTAXA_HAS_CUDA ON)
    message(STATUS "CUDA backend: ${CMAKE_CUDA_COMPILER_VERSION}, for ${CMAKE_CUDA_ARCHITECTURES}")
  elseif(DEEPTAXA_CUDA STREQUAL "AUTO")
    message(STATUS "CUDA backend: not built, since no CUDA compiler with cuBLASLt was found")
  else()
    message(FATAL_ERROR "DEEPTAXA_CUDA=${DEEPTAXA_CUDA}: no CUDA compiler with cuBLASLt was found; "
      "put nvcc on the PATH or set CMAKE_CUDA_COMPILER, or leave DEEPTAXA_CUDA=AUTO")
  endif()
endif()
