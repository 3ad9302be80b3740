# Compilers are called through ccache where it is installed. Where a launcher was chosen, by
# -DCMAKE_C_COMPILER_LAUNCHER=… (empty: none) or the environment variable of that name, it stays.
find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  foreach(language C CXX CUDA)
    set(launcher CMAKE_${language}_COMPILER_LAUNCHER)
    if(NOT DEFINED ${launcher} AND NOT DEFINED ENV{${launcher}})
      set(${launcher} ${CCACHE_PROGRAM})
    endif()
  endforeach()
endif()
