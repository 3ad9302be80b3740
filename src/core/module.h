/* Modules: backends and communicators that are loaded by name at run time.
 *
 * A module is `libdeeptaxa_<name>.so` in the folder `deeptaxa/` next to libdeeptaxa-core.so, in
 * both the build tree and an installation. The program starts without any module; a missing one is
 * reported only when it is needed.
 */
#ifndef DT_CORE_MODULE_H
#define DT_CORE_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* Returns true if the module is installed. */
bool dt_module_present(const char *module);

/* Writes what tells one build of a module from another: the size of its file and the time when it
 * was written. "": it is not installed. */
void dt_module_build(const char *module, char *out, size_t size);

/* Loads the module (once) and sets *symbol to the address of `symbol_name`. Modules are never
 * unloaded. DT_ERR_DEVICE if the module, or a library that it needs, is missing; the message names
 * it. */
dt_status dt_module_symbol(const char *module, const char *symbol_name, void **symbol);

/* DT_ERR_DEVICE if the module is of another version: `contract`, its version, is not `needed`. */
dt_status dt_module_check(const char *module, int32_t contract, int32_t needed);

#endif
