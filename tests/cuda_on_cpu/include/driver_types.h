/* Replaces CUDA's header of this name. */
#include "cuda_runtime.h"
