# Run at each build (src/core/CMakeLists.txt): writes the commit of the source into HEADER, which is
# touched only when it changes. "unknown" where SOURCE is no git repository of its own, as in a
# tarball, or git is missing or will not tell.
set(commit unknown)
find_program(git git)
if(git)
  # the files may belong to somebody else, as in a container
  set(ask ${git} -c safe.directory=* -C ${SOURCE})
  execute_process(COMMAND ${ask} rev-parse --show-prefix
                  RESULT_VARIABLE failed OUTPUT_VARIABLE below ERROR_QUIET
                  OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT failed AND below STREQUAL "")
    execute_process(COMMAND ${ask} describe --always --dirty --abbrev=12 --exclude=*
                    RESULT_VARIABLE failed OUTPUT_VARIABLE told ERROR_QUIET
                    OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(NOT failed AND told MATCHES "^[0-9a-f]+(-dirty)?$")
      string(REPLACE "-dirty" ", with changes" commit "${told}")
    endif()
  endif()
endif()
set(text "#define DT_COMMIT \"${commit}\"\n")
set(old "")
if(EXISTS ${HEADER})
  file(READ ${HEADER} old)
endif()
if(NOT text STREQUAL old)
  file(WRITE ${HEADER} "${text}")
endif()
