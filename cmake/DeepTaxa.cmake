# What every target of the project shares: where things are put, which warnings, which components.

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)

# Installed programs find libdeeptaxa-core beside themselves, wherever the tree is moved to.
# As DT_RPATH, which libraries of libraries inherit: an archive carries them (cmake/Package.cmake).
# What a user names is searched after that (dt_add_user_rpath()).
set(DEEPTAXA_USER_RPATH ${CMAKE_INSTALL_RPATH})
# Modules whose libraries are written in C++ also find the C++ runtime that an archive carries.
set(DEEPTAXA_CXX_RPATH "$ORIGIN/..;$ORIGIN/cxx")
set(CMAKE_INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR};$ORIGIN/..;$ORIGIN")
include(CheckLinkerFlag)
check_linker_flag(C -Wl,--disable-new-dtags DEEPTAXA_HAS_RPATH_FLAG)
if(DEEPTAXA_HAS_RPATH_FLAG)
  add_link_options(LINKER:--disable-new-dtags)
endif()

# Who uses a shared library is not linked again when only its inside has changed.
set(CMAKE_LINK_DEPENDS_NO_SHARED ON)

# In the build tree too, so that tests can set up a machine with other modules.
set(CMAKE_BUILD_RPATH_USE_ORIGIN ON)

find_package(Threads REQUIRED)

add_library(dt_flags INTERFACE)
target_compile_definitions(dt_flags INTERFACE _GNU_SOURCE)
target_compile_options(dt_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wmissing-prototypes
  -fno-math-errno -fno-trapping-math)
# Errors in every build: a loss, a model type or an operation that is not there wherever it must be.
target_compile_options(dt_flags INTERFACE
  -Werror=switch -Werror=implicit-function-declaration -Werror=incompatible-pointer-types)
if(DEEPTAXA_WERROR)
  target_compile_options(dt_flags INTERFACE -Werror)
endif()
if(DEEPTAXA_SANITIZE) # but for targets with the property DT_UNCHECKED
  target_compile_options(dt_flags INTERFACE
    "$<$<NOT:$<BOOL:$<TARGET_PROPERTY:DT_UNCHECKED>>>:-fsanitize=address,undefined;-fno-sanitize-recover=undefined>"
    -fno-omit-frame-pointer)
  target_link_options(dt_flags INTERFACE -fsanitize=address,undefined)
endif()

# dt_component(NAME [EXCLUDE REGEX] [LINK ...])
#   The .c files of the current folder, without those whose names match REGEX, as a static library
#   dt_NAME. Headers are included by their path from src/ or from the project root:
#   "core/status.h", "backend.h", "io/fasta.h".
function(dt_component name)
  cmake_parse_arguments(COMPONENT "" "EXCLUDE" "LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.c)
  if(COMPONENT_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX "/(${COMPONENT_EXCLUDE})$")
  endif()
  add_library(dt_${name} STATIC ${sources})
  target_include_directories(dt_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR})
  target_link_libraries(dt_${name} PUBLIC ${COMPONENT_LINK} PRIVATE dt_flags)
  set_property(GLOBAL APPEND PROPERTY DT_COMPONENTS dt_${name})
endfunction()

# dt_add_user_rpath(): appends a user's CMAKE_INSTALL_RPATH to the search path of all that is
# installed. Once all targets are there.
function(dt_add_user_rpath)
  get_property(folders DIRECTORY ${PROJECT_SOURCE_DIR} PROPERTY SUBDIRECTORIES)
  foreach(folder ${folders} ${PROJECT_SOURCE_DIR}/src/core)
    get_property(targets DIRECTORY ${folder} PROPERTY BUILDSYSTEM_TARGETS)
    foreach(target ${targets})
      get_target_property(type ${target} TYPE)
      if(type MATCHES "^(EXECUTABLE|MODULE_LIBRARY|SHARED_LIBRARY)$")
        set_property(TARGET ${target} APPEND PROPERTY INSTALL_RPATH ${DEEPTAXA_USER_RPATH})
      endif()
    endforeach()
  endforeach()
endfunction()
