# cuDNN's header, for the opt-in attention method "cudnn": the library itself is opened at run time.
# Sets DEEPTAXA_CUDNN_INCLUDE, and DEEPTAXA_NOT_BUILT: the files of cuda/ that are left out.

find_path(DEEPTAXA_CUDNN_INCLUDE cudnn_graph.h
  HINTS ENV CUDNN_PATH ENV CUDA_HOME ENV CUDA_PATH ${CUDAToolkit_INCLUDE_DIRS} /usr/local/cuda
  PATH_SUFFIXES include DOC "Folder of cudnn_graph.h (cuDNN 9.8 or later)")
mark_as_advanced(DEEPTAXA_CUDNN_INCLUDE)

set(DEEPTAXA_CUDNN_VERSION 0)
if(DEEPTAXA_CUDNN_INCLUDE)
  set(text "")
  if(EXISTS ${DEEPTAXA_CUDNN_INCLUDE}/cudnn_version.h)
    file(READ ${DEEPTAXA_CUDNN_INCLUDE}/cudnn_version.h text)
  endif()
  set(DEEPTAXA_CUDNN_VERSION)
  foreach(part MAJOR MINOR PATCHLEVEL)
    string(REGEX MATCH "#define CUDNN_${part} +([0-9]+)" line "${text}")
    list(APPEND DEEPTAXA_CUDNN_VERSION "${CMAKE_MATCH_1}")
  endforeach()
  list(JOIN DEEPTAXA_CUDNN_VERSION "." DEEPTAXA_CUDNN_VERSION)
endif()
if(DEEPTAXA_CUDNN_VERSION VERSION_GREATER_EQUAL 9.8 AND DEEPTAXA_CUDNN_VERSION VERSION_LESS 10)
  message(STATUS "cuDNN: header of ${DEEPTAXA_CUDNN_VERSION} in ${DEEPTAXA_CUDNN_INCLUDE}")
  set(DEEPTAXA_HAS_CUDNN ON)
  set(DEEPTAXA_NOT_BUILT cudnn_absent.cu)
else()
  message(STATUS "cuDNN: no header of 9.8 or later; attention method cudnn will be refused")
  set(DEEPTAXA_HAS_CUDNN OFF)
  set(DEEPTAXA_NOT_BUILT cudnn_nodes.cu cudnn_plan.cu)
endif()
