/* The most that a model may have of something: sizes of arrays in structs that the data, the model
 * and the devices share. */
#ifndef DT_CORE_MODEL_LIMITS_H
#define DT_CORE_MODEL_LIMITS_H

#define DT_MAX_TAX_RANKS 32
#define DT_MAX_KERNELS 16 /* kernel widths of one convolution layer */

#endif
