/* The name of a run: when it began and a random UUID. */
#ifndef DT_CORE_UUID_H
#define DT_CORE_UUID_H

#include "core/status.h"

#define DT_RUN_ID_SIZE 64

/* Writes a new run id: local time and a version-4 UUID (RFC 9562) with '_' for '-', as in
 * `2026_04_29T02_08_53_a9efd989_bf0d_4ea8_ae66_88a027005ab3`. Random bits from the system. */
dt_status dt_run_id(char out[DT_RUN_ID_SIZE]);

/* The run id in that file of the folder; "" where there is none. */
dt_status dt_run_id_read(const char *folder, char out[DT_RUN_ID_SIZE]);

/* Writes the run id and a line end to `<folder>/deeptaxa_uuid.txt`, atomically. */
dt_status dt_run_id_write(const char *folder, const char *run_id);

#endif
