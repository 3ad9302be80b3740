/* Asks NVIDIA's management library (NVML, part of the driver) what connects two GPUs. */
#ifndef DT_MPI_NVLINK_H
#define DT_MPI_NVLINK_H

#include <stdint.h>

#include "comm.h"

/* Returns DT_LINK_NVLINK if NVLink connects every pair of the GPUs of this host with these PCI
 * addresses, `device` (count), DT_LINK_PCIE if not, DT_LINK_UNKNOWN if NVML cannot be asked. */
dt_link dt_link_of_gpus(int32_t count, char (*device)[32]);

#endif
