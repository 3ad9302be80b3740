/* Properties of this machine. */
#ifndef DT_CPU_HOST_H
#define DT_CPU_HOST_H

#include <stddef.h>
#include <stdint.h>

/* Returns the bytes that a process can still allocate, and the total: those of the machine, or less
 * if a control group or ulimit restricts them (core/limits.h). */
void dt_host_memory(int64_t *available, int64_t *total);

/* Writes the name of the processor. Linux has none for Arm: "Arm processor 0x41/0xd4f" are the numbers
 * of its implementer and its part. "processor" if all that is unknown. */
void dt_host_processor(char *out, size_t size);

#endif
