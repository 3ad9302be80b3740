/* What the system says of this machine. */
#ifndef DT_CPU_HOST_H
#define DT_CPU_HOST_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that a process can still get, and that there are: of the machine, or less where a control
 * group or ulimit allows less (core/limits.h). */
void dt_host_memory(int64_t *available, int64_t *total);

/* The processor's name, "processor" where the system does not tell. */
void dt_host_processor(char *out, size_t size);

#endif
