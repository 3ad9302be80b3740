/* A map from byte strings to 32-bit numbers: ids to rows, labels to classes, tokens to ids.
 *
 * Open addressing, growing; the keys are copied into the map. Keys may hold any byte. Only adding
 * and looking up; not safe for concurrent adding.
 */
#ifndef DT_CORE_STRMAP_H
#define DT_CORE_STRMAP_H

#include <stdint.h>

#include "core/memory.h"

typedef struct dt_strmap dt_strmap;

dt_status dt_strmap_create(dt_strmap **out);
void dt_strmap_destroy(dt_strmap *map); /* NULL is fine */

/* Adds key → value unless the key is there. Returns through *found the value that the map holds for
 * the key afterwards, and through *added whether it was new (either may be NULL). */
dt_status dt_strmap_add(dt_strmap *map, const char *key, size_t length, int32_t value,
                        int32_t *found, int *added);

/* The value of the key, -1 when it is not there (store values >= 0). */
int32_t dt_strmap_find(const dt_strmap *map, const char *key, size_t length);

#endif
