# Run by CPack before it packs the tree of the Debian package (Debian.cmake): brings what Debian's policy
# expects into the tree, and sets the packages that the programs need.
set(root ${CPACK_TEMPORARY_DIRECTORY})
set(package ${CPACK_PACKAGE_NAME})
find_program(shlibdeps dpkg-shlibdeps REQUIRED)
find_program(gzip gzip REQUIRED)

# Documents are in the folder of the package's name; changes and manual pages are compressed.
set(documents ${root}/usr/share/doc/${package})
file(RENAME ${root}/usr/${CPACK_DEEPTAXA_DOCDIR} ${documents})
file(READ ${documents}/LICENSE licence)
file(REMOVE ${documents}/LICENSE)
if(NOT licence MATCHES "^MIT License\n\nCopyright \\(c\\) ([^\n]*)\n\n(.*)\n$")
  message(FATAL_ERROR "LICENSE does not begin with 'MIT License' and 'Copyright (c) ...'")
endif()
set(holder "${CMAKE_MATCH_1}")
string(REPLACE "\n\n" "\n.\n" licence "${CMAKE_MATCH_2}")
string(REPLACE "\n" "\n " licence "${licence}")
file(WRITE ${documents}/copyright
  "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
  "Upstream-Name: DeepTaxa-MPI\n\nFiles: *\nCopyright: ${holder}\nLicense: Expat\n ${licence}\n")
file(RENAME ${documents}/CHANGELOG.md ${documents}/changelog)
file(GLOB pages ${root}/usr/share/man/man1/*.1)
execute_process(COMMAND ${gzip} -9n ${pages} ${documents}/changelog COMMAND_ERROR_IS_FATAL ANY)

# Our library and modules are private: in a folder of their own, where the system's loader does not look.
set(private ${CPACK_DEEPTAXA_LIBDIR}/${package})
set(libraries ${root}/usr/${CPACK_DEEPTAXA_LIBDIR})
file(RENAME ${libraries} ${libraries}.part)
file(MAKE_DIRECTORY ${libraries})
file(RENAME ${libraries}.part ${root}/usr/${private})
set(libraries ${root}/usr/${private})
file(GLOB programs ${root}/usr/bin/*)
list(FILTER programs EXCLUDE REGEX "/deeptaxa-tune$") # a script
list(JOIN CPACK_DEEPTAXA_RPATH ":" rpath)
foreach(program ${programs})
  file(RPATH_CHANGE FILE ${program} OLD_RPATH "${rpath}" NEW_RPATH "$ORIGIN/../${private}")
endforeach()

# Modules that only some runs load (with several processes; with input that libarchive unpacks; for
# prediction in bf16) recommend the packages of their libraries; all else depends on its own. NVIDIA's
# libraries are the user's: they need not come from packages.
file(GLOB modules ${libraries}/deeptaxa/*.so)
list(FILTER modules EXCLUDE REGEX "_(cuda|cudnn|nccl)[.]so$")
set(on_demand ${modules})
list(FILTER on_demand INCLUDE REGEX "_(mpi|archive|onednn)[.]so$")
list(REMOVE_ITEM modules ${on_demand})
set(scratch ${CPACK_TOPLEVEL_DIRECTORY}/shlibdeps)
file(WRITE ${scratch}/debian/control "Source: ${package}\n\nPackage: ${package}\nArchitecture: any\n")
file(MAKE_DIRECTORY ${root}/DEBIAN) # by which dpkg-shlibdeps knows the root of $ORIGIN
execute_process(
  COMMAND ${shlibdeps} -O -S${root} -l${libraries}
    -dDepends ${programs} ${libraries}/libdeeptaxa-core.so ${modules} -dRecommends ${on_demand}
  WORKING_DIRECTORY ${scratch} OUTPUT_VARIABLE found ERROR_VARIABLE said COMMAND_ERROR_IS_FATAL ANY)
file(REMOVE_RECURSE ${root}/DEBIAN)
if(NOT found MATCHES "shlibs:Depends=([^\n]*)")
  message(FATAL_ERROR "dpkg-shlibdeps names no packages that the programs depend on: ${found}${said}")
endif()
set(CPACK_DEBIAN_PACKAGE_DEPENDS "${CMAKE_MATCH_1}")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS python3) # deeptaxa-tune
if(found MATCHES "shlibs:Recommends=([^\n]*)")
  string(APPEND CPACK_DEBIAN_PACKAGE_RECOMMENDS ", ${CMAKE_MATCH_1}")
endif()
if(CPACK_DEBIAN_PACKAGE_RECOMMENDS MATCHES "libopenmpi") # which has no mpirun
  string(APPEND CPACK_DEBIAN_PACKAGE_RECOMMENDS ", openmpi-bin")
elseif(CPACK_DEBIAN_PACKAGE_RECOMMENDS MATCHES "libmpich")
  string(APPEND CPACK_DEBIAN_PACKAGE_RECOMMENDS ", mpich")
endif()
