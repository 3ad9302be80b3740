# A file for `module load`, in <prefix>/share/modulefiles/deeptaxa/<version>. It loads the modules that
# are loaded when CMake is run first, or those of DEEPTAXA_MODULES.
string(REPLACE ":" " " loaded "$ENV{LOADEDMODULES}")
set(DEEPTAXA_MODULES "${loaded}" CACHE STRING "Modules that deeptaxa's module loads, separated by blanks")

set(folder ${CMAKE_INSTALL_DATAROOTDIR}/modulefiles/deeptaxa)
file(RELATIVE_PATH DEEPTAXA_PREFIX_OF_MODULEFILE /${folder} /)
configure_file(${PROJECT_SOURCE_DIR}/cmake/deeptaxa.modulefile.in ${PROJECT_BINARY_DIR}/deeptaxa.modulefile @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/deeptaxa.modulefile DESTINATION ${folder} RENAME ${PROJECT_VERSION})
