# Sets DEEPTAXA_HAS_MPI from what DEEPTAXA_MPI asks for: OFF never; ON always, and it is an error
# when no MPI library is found; AUTO where one is.

set(DEEPTAXA_HAS_MPI OFF)
if(DEEPTAXA_MPI)
  find_package(MPI QUIET COMPONENTS C)
  if(MPI_C_FOUND)
    set(DEEPTAXA_HAS_MPI ON)
    message(STATUS "MPI module: ${MPI_C_LIBRARIES}, MPI ${MPI_C_VERSION}")
  elseif(DEEPTAXA_MPI STREQUAL "AUTO")
    message(STATUS "MPI module: not built, since no MPI library was found; one process can run")
  else()
    message(FATAL_ERROR "DEEPTAXA_MPI=${DEEPTAXA_MPI}: no MPI library was found; install one "
      "(Debian: libopenmpi-dev), put its mpicc on the PATH or set MPI_HOME, or leave DEEPTAXA_MPI=AUTO")
  endif()
endif()
