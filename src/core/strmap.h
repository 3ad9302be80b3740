/* A map from byte strings to 32-bit numbers: ids to rows, labels to classes, tokens to ids.
 *
 * Open addressing; grows; copies the keys, which may contain any byte. Entries can be added and
 * looked up only. Not safe for concurrent additions.
 */
#ifndef DT_CORE_STRMAP_H
#define DT_CORE_STRMAP_H

#include <stdint.h>

#include "core/memory.h"

typedef struct dt_strmap dt_strmap;

dt_status dt_strmap_create(dt_strmap **out);
void dt_strmap_destroy(dt_strmap *map); /* NULL is allowed */

/* Adds key → value unless the key exists. *found receives the value stored for the key after the
 * call, *added whether it was new (either may be NULL). */
dt_status dt_strmap_add(dt_strmap *map, const char *key, size_t length, int32_t value,
                        int32_t *found, int *added);

/* Returns the value of the key, -1 if it is not in the map (store values >= 0). */
int32_t dt_strmap_find(const dt_strmap *map, const char *key, size_t length);

#endif
