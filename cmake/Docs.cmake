# The target "docs": HTML pages of the headers and of docs/, by Doxygen where it is installed, in
# html/ of the build folder. Our headers have ordinary comments, which a filter makes documentation.
find_package(Doxygen QUIET)
if(NOT DOXYGEN_FOUND)
  add_custom_target(docs
    COMMAND ${CMAKE_COMMAND} -E echo "docs: doxygen is not installed: install it and configure again"
    COMMAND ${CMAKE_COMMAND} -E false VERBATIM)
  return()
endif()

set(DOXYGEN_PROJECT_NAME "DeepTaxa-MPI")
set(DOXYGEN_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
set(DOXYGEN_USE_MDFILE_AS_MAINPAGE ${PROJECT_SOURCE_DIR}/docs/README.md)
set(DOXYGEN_FILE_PATTERNS "*.h" "*.md")
set(DOXYGEN_INPUT_FILTER "awk -f ${PROJECT_SOURCE_DIR}/cmake/doxygen_comments.awk")
set(DOXYGEN_FILTER_SOURCE_FILES NO)
set(DOXYGEN_OPTIMIZE_OUTPUT_FOR_C YES)
set(DOXYGEN_EXTRACT_ALL YES)
set(DOXYGEN_JAVADOC_AUTOBRIEF YES)
set(DOXYGEN_QUIET YES)
set(DOXYGEN_WARN_IF_UNDOCUMENTED NO)
set(DOXYGEN_WARN_IF_DOC_ERROR NO)
set(DOXYGEN_HAVE_DOT NO)
set(DOXYGEN_GENERATE_LATEX NO)
set(DOXYGEN_SORT_MEMBER_DOCS NO)
set(DOXYGEN_FULL_PATH_NAMES YES)
set(DOXYGEN_STRIP_FROM_PATH ${PROJECT_SOURCE_DIR})
doxygen_add_docs(docs
  ${PROJECT_SOURCE_DIR}/docs
  ${PROJECT_SOURCE_DIR}/src
  ${PROJECT_SOURCE_DIR}/io
  ${PROJECT_SOURCE_DIR}/cpu
  ${PROJECT_SOURCE_DIR}/cuda
  ${PROJECT_SOURCE_DIR}/mpi
  ${PROJECT_SOURCE_DIR}/launch
  COMMENT "HTML pages of the headers in ${PROJECT_BINARY_DIR}/html")
