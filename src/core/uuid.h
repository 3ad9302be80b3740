/* The ids of runs: of a training start time and a random UUID, of a prediction a UUID. */
#ifndef DT_CORE_UUID_H
#define DT_CORE_UUID_H

#include <stdbool.h>

#include "core/status.h"

#define DT_UUID_SIZE 37
#define DT_RUN_ID_SIZE 64

/* Writes a new version-4 UUID (RFC 9562) with '_' instead of '-', such as
 * `a9efd989_bf0d_4ea8_ae66_88a027005ab3`. The random bits are from the system. */
dt_status dt_uuid(char out[DT_UUID_SIZE]);

/* Writes a new run id: local time and a UUID, such as
 * `2026_04_29T02_08_53_a9efd989_bf0d_4ea8_ae66_88a027005ab3`. */
dt_status dt_run_id(char out[DT_RUN_ID_SIZE]);

/* Returns true for a run id, which is part of the names of files: letters, digits and '_' alone. */
bool dt_run_id_valid(const char *id);

/* Reads the run id from that file of the folder; "" if there is none. */
dt_status dt_run_id_read(const char *folder, char out[DT_RUN_ID_SIZE]);

/* Writes the id, without a newline, to `<folder>/deeptaxa_uuid.txt`, atomically. */
dt_status dt_run_id_write(const char *folder, const char *run_id);

#endif
