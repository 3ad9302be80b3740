/* Modules: the backends and communicators that are loaded at run time, by name.
 *
 * A module is `libdeeptaxa_<name>.so` in the folder `deeptaxa/` beside libdeeptaxa-core.so (build
 * tree and installation alike). The program starts without any; a missing one is told only to
 * who asks for it.
 */
#ifndef DT_CORE_MODULE_H
#define DT_CORE_MODULE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

/* True where the module's file is installed. */
bool dt_module_present(const char *module);

/* Loads the module (once) and sets *symbol to the address of its symbol `symbol_name`. Modules are
 * never unloaded. DT_ERR_DEVICE: not installed, or a library that it needs is missing; the message
 * says which. */
dt_status dt_module_symbol(const char *module, const char *symbol_name, void **symbol);

/* DT_ERR_DEVICE for a module of another version: `contract`, which it was built for, is not the one
 * that is needed here. */
dt_status dt_module_check(const char *module, int32_t contract, int32_t needed);

#endif
