# The Debian package: `cpack -G DEB` in the build folder makes deeptaxa-mpi_<version>_<architecture>.deb,
# for the Debian or Ubuntu release that it is made on. Read by CPack (CPACK_PROJECT_CONFIG_FILE).
#
# It holds what `cmake --install` puts in place, below /usr, and none of the libraries that the
# relocatable archive carries: DebianTree.cmake has dpkg-shlibdeps find the packages that have them.
if(NOT CPACK_GENERATOR STREQUAL "DEB")
  return()
endif()
list(SUBLIST CPACK_INSTALL_CMAKE_PROJECTS 0 4 CPACK_INSTALL_CMAKE_PROJECTS) # the component ALL
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/DebianTree.cmake)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "The DeepTaxa-MPI authors")
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "taxonomic classification of 16S rRNA sequences")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"DeepTaxa-MPI trains and runs the DeepTaxa classifiers: convolutional networks
and transformers that read 16S rRNA sequences and predict a taxonomy at seven
ranks, from domain to species, on one computer or, with MPI, on many.")
