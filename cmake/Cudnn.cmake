# The headers of cuDNN and its frontend (github.com/NVIDIA/cudnn-frontend, or the PyPI package
# nvidia-cudnn-frontend), for the attention method "cudnn": the library itself is opened at run time.
# Sets DEEPTAXA_HAS_CUDNN and DEEPTAXA_CUDNN_INCLUDES.

find_path(DEEPTAXA_CUDNN_INCLUDE cudnn_graph.h
  HINTS ENV CUDNN_PATH ENV CUDA_HOME ENV CUDA_PATH ${CUDAToolkit_INCLUDE_DIRS} /usr/local/cuda
  PATH_SUFFIXES include DOC "Folder of cudnn_graph.h (cuDNN 9.8 or later)")
find_path(DEEPTAXA_CUDNN_FRONTEND_INCLUDE cudnn_frontend.h
  HINTS ${PROJECT_SOURCE_DIR}/build-tools ENV CUDNN_FRONTEND_PATH ENV CUDNN_PATH
  PATH_SUFFIXES include DOC "Folder of cudnn_frontend.h (1.12 or later)")
mark_as_advanced(DEEPTAXA_CUDNN_INCLUDE DEEPTAXA_CUDNN_FRONTEND_INCLUDE)

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
if(NOT DEEPTAXA_CUDNN_VERSION VERSION_GREATER_EQUAL 9.8 OR DEEPTAXA_CUDNN_VERSION VERSION_GREATER_EQUAL 10)
  set(missing "no header of cuDNN 9.8 or later")
elseif(NOT DEEPTAXA_CUDNN_FRONTEND_INCLUDE)
  set(missing "no cudnn_frontend.h")
else()
  set(missing)
endif()
if(NOT missing)
  message(STATUS "cuDNN: header of ${DEEPTAXA_CUDNN_VERSION} in ${DEEPTAXA_CUDNN_INCLUDE}, frontend in ${DEEPTAXA_CUDNN_FRONTEND_INCLUDE}")
  set(DEEPTAXA_HAS_CUDNN ON)
  set(DEEPTAXA_CUDNN_INCLUDES ${DEEPTAXA_CUDNN_FRONTEND_INCLUDE} ${DEEPTAXA_CUDNN_INCLUDE})
else()
  message(STATUS "cuDNN: ${missing}; attention method cudnn will be refused")
  set(DEEPTAXA_HAS_CUDNN OFF)
endif()
