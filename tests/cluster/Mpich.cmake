# The same programs with a second MPI library: where MPICH stands beside the one of this build (Debian:
# libmpich-dev beside libopenmpi-dev), the module "mpi" is built for it, too, and cluster/mpich runs
# with it.
find_program(DEEPTAXA_MPICH_CC mpicc.mpich DOC "MPICH's compiler, for cluster/mpich")
find_program(DEEPTAXA_MPICH_EXEC mpiexec.mpich DOC "MPICH's launcher, for cluster/mpich")
if(NOT DEEPTAXA_MPICH_CC OR NOT DEEPTAXA_MPICH_EXEC OR MPI_C_LIBRARIES MATCHES "mpich" OR DEEPTAXA_SANITIZE)
  return()
endif()

execute_process(COMMAND ${DEEPTAXA_MPICH_CC} -show OUTPUT_VARIABLE flags COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(flags UNIX_COMMAND "${flags}")
list(POP_FRONT flags) # the compiler
set(folders ${flags})
list(FILTER folders INCLUDE REGEX "^-I")
list(TRANSFORM folders REPLACE "^-I" "")
list(FILTER flags INCLUDE REGEX "^-[Ll]")

get_target_property(sources dt_module_mpi SOURCES)
list(TRANSFORM sources PREPEND ${PROJECT_SOURCE_DIR}/mpi/)
add_library(dt_module_mpich MODULE ${sources})
set_target_properties(dt_module_mpich PROPERTIES
  OUTPUT_NAME deeptaxa_mpi
  LIBRARY_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/mpich
  C_VISIBILITY_PRESET hidden)
target_include_directories(dt_module_mpich SYSTEM PRIVATE ${folders})
target_link_libraries(dt_module_mpich PRIVATE dt_core dt_flags ${flags} ${CMAKE_DL_LIBS})
add_test(NAME cluster/mpich COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/test_mpich.sh
         WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
set_tests_properties(cluster/mpich PROPERTIES TIMEOUT 300
  ENVIRONMENT
  "OMP_NUM_THREADS=1;MPICH_MODULE=$<TARGET_FILE:dt_module_mpich>;MPIEXEC=${DEEPTAXA_MPICH_EXEC};RANKS_PROGRAM=$<TARGET_FILE:ranks>;DEEPTAXA_BIN=${PROJECT_BINARY_DIR}/bin")
