# The relocatable archive: `cmake --build FOLDER --target package` makes
# deeptaxa-mpi-<version>-linux-<processor>.tar.gz, which runs where only glibc (not older than the
# building machine's) and, for the GPU, NVIDIA's driver and libraries are installed.
#
# It holds what `cmake --install` puts in place and the component "package" beside it: the shared
# libraries that programs and modules need, the tests and benchmarks for a machine with a GPU
# (libexec/deeptaxa), and a page that says how to use it all. Which libraries these are is found by
# CMake when the archive is made, so a module that is added later needs nothing here.
#
# How libraries are found there: programs have a DT_RPATH (cmake/DeepTaxa.cmake), which the carried
# libraries inherit; so a site's LD_LIBRARY_PATH cannot mix others in. Modules for NVIDIA's libraries
# have a DT_RUNPATH, which LD_LIBRARY_PATH goes before.

# Libraries that are never carried: glibc's, which belong to the system's loader, and NVIDIA's.
set(DEEPTAXA_GLIBC
  "^ld-linux" "^ld64" "^lib(c|m|dl|rt|pthread|resolv|util|anl|mvec|thread_db|nsl|BrokenLocale)[.]so")
set(DEEPTAXA_NVIDIA
  "^lib(cuda|cudart|cublas|cublasLt|cudnn|cufft|curand|cusolver|cusparse|nccl|nvrtc|nvJitLink|nvidia|nvToolsExt)[-_a-z]*[.]so")

# All programs and modules, but of the tests only those for a GPU, no benchmark that stays here (one of
# them compares with a BLAS, which nothing else needs), and not what only the build runs.
set(packaged)
set(packaged_targets)
get_property(folders DIRECTORY PROPERTY SUBDIRECTORIES)
list(REMOVE_ITEM folders ${PROJECT_SOURCE_DIR}/tests)
if(BUILD_TESTING)
  list(APPEND folders ${PROJECT_SOURCE_DIR}/tests/gpu)
endif()
foreach(folder ${folders})
  get_property(targets DIRECTORY ${folder} PROPERTY BUILDSYSTEM_TARGETS)
  list(FILTER targets EXCLUDE REGEX "^bench_|^deeptaxa_pages$")
  foreach(target ${targets})
    get_target_property(type ${target} TYPE)
    if(type STREQUAL "EXECUTABLE" OR type STREQUAL "MODULE_LIBRARY")
      list(APPEND packaged $<TARGET_FILE:${target}>)
      list(APPEND packaged_targets ${target})
    endif()
  endforeach()
endforeach()

# Builds what the archive holds and no more; the target "package" also builds all tests.
add_custom_target(packaged DEPENDS ${packaged_targets})
if(TARGET deeptaxa_write_pages)
  add_dependencies(packaged deeptaxa_write_pages)
endif()

configure_file(${PROJECT_SOURCE_DIR}/cmake/CarryLibraries.cmake.in
               ${PROJECT_BINARY_DIR}/CarryLibraries.cmake.part @ONLY)
file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/CarryLibraries.cmake
     INPUT ${PROJECT_BINARY_DIR}/CarryLibraries.cmake.part)
install(SCRIPT ${PROJECT_BINARY_DIR}/CarryLibraries.cmake COMPONENT package EXCLUDE_FROM_ALL)
install(FILES ${PROJECT_SOURCE_DIR}/docs/gpu.md DESTINATION ${CMAKE_INSTALL_DOCDIR}
        COMPONENT package EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR TGZ)
set(CPACK_PACKAGE_NAME deeptaxa-mpi)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
string(TOLOWER "${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR}" platform)
set(CPACK_PACKAGE_FILE_NAME deeptaxa-mpi-${PROJECT_VERSION}-${platform})
set(CPACK_STRIP_FILES ON)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_THREADS 0)
set(CPACK_INSTALL_CMAKE_PROJECTS
  "${PROJECT_BINARY_DIR};${PROJECT_NAME};ALL;/;${PROJECT_BINARY_DIR};${PROJECT_NAME};package;/")
# `cpack -G DEB` makes a Debian package instead, of the first of these alone.
set(CPACK_PROJECT_CONFIG_FILE ${PROJECT_SOURCE_DIR}/cmake/Debian.cmake)
set(CPACK_DEEPTAXA_LIBDIR ${CMAKE_INSTALL_LIBDIR})
set(CPACK_DEEPTAXA_DOCDIR ${CMAKE_INSTALL_DOCDIR})
set(CPACK_DEEPTAXA_RPATH ${CMAKE_INSTALL_RPATH})
include(CPack)
