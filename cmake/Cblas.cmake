include(CheckCSourceCompiles)

# dt_cblas: a CBLAS, for benchmarks and tests to compare with; the programs need none. Any will do:
# -DBLA_VENDOR=… or -DBLAS_LIBRARIES=… choose another than OpenBLAS, of which the OpenMP build is
# looked for first. DEEPTAXA_HAS_CBLAS says whether one was found.
if(NOT DEFINED BLA_VENDOR AND NOT DEFINED BLAS_LIBRARIES)
  find_library(DEEPTAXA_OPENBLAS NAMES openblaso openblas_omp openblas
    PATH_SUFFIXES ${CMAKE_LIBRARY_ARCHITECTURE}/openblas-openmp openblas-openmp
    DOC "OpenBLAS with OpenMP")
  mark_as_advanced(DEEPTAXA_OPENBLAS)
  if(DEEPTAXA_OPENBLAS)
    set(BLAS_LIBRARIES ${DEEPTAXA_OPENBLAS})
  else()
    set(BLA_VENDOR OpenBLAS)
  endif()
endif()
if(NOT BLAS_LIBRARIES)
  find_package(BLAS)
endif()
find_path(CBLAS_INCLUDE_DIR NAMES cblas.h
  PATH_SUFFIXES ${CMAKE_LIBRARY_ARCHITECTURE}/openblas-openmp openblas-openmp
                ${CMAKE_LIBRARY_ARCHITECTURE} openblas
  DOC "Folder of cblas.h")
if(BLAS_LIBRARIES AND CBLAS_INCLUDE_DIR)
  set(CMAKE_REQUIRED_INCLUDES ${CBLAS_INCLUDE_DIR})
  set(CMAKE_REQUIRED_LIBRARIES ${BLAS_LIBRARIES})
  check_c_source_compiles("#include <cblas.h>
int main(void) { return cblas_sdot(0, 0, 1, 0, 1) != 0; }" DEEPTAXA_HAS_CBLAS)
  unset(CMAKE_REQUIRED_INCLUDES)
  unset(CMAKE_REQUIRED_LIBRARIES)
endif()
if(DEEPTAXA_HAS_CBLAS)
  add_library(dt_cblas INTERFACE)
  target_include_directories(dt_cblas SYSTEM INTERFACE ${CBLAS_INCLUDE_DIR})
  target_link_libraries(dt_cblas INTERFACE ${BLAS_LIBRARIES})
else()
  message(STATUS "No CBLAS (Debian: libopenblas-openmp-dev): bench_train_step is left out")
endif()
