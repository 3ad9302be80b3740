#include "core/module.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/limits.h"

/* Writes the folder of the library that contains this code, with a final '/'. */
static void core_folder(char *out, size_t size)
{
    static const char inside = 0; /* an address in the library */
    Dl_info info;
    out[0] = '\0';
    if (!dladdr(&inside, &info) || !info.dli_fname)
        return;
    snprintf(out, size, "%s", info.dli_fname);
    char *slash = strrchr(out, '/');
    if (slash)
        slash[1] = '\0';
    else
        out[0] = '\0';
}

/* Size of a path: the folder, "deeptaxa/libdeeptaxa_<name>.so" and the terminator. */
#define MODULE_PATH (PATH_MAX + 64)

static void module_path(const char *module, char path[MODULE_PATH])
{
    char folder[PATH_MAX];
    core_folder(folder, sizeof folder);
    snprintf(path, MODULE_PATH, "%sdeeptaxa/libdeeptaxa_%s.so", folder, module);
}

bool dt_module_present(const char *module)
{
    char path[MODULE_PATH];
    module_path(module, path);
    return access(path, F_OK) == 0;
}

void dt_module_build(const char *module, char *out, size_t size)
{
    char path[MODULE_PATH];
    struct stat file;
    module_path(module, path);
    out[0] = '\0';
    if (stat(path, &file) == 0)
        snprintf(out, size, "%lld bytes of %lld.%09ld", (long long)file.st_size,
                 (long long)file.st_mtim.tv_sec, file.st_mtim.tv_nsec);
}

/* Reports why dlopen() failed, with advice for a missing library. The message of dlopen() begins
 * with that library's name. */
static dt_status loading_failed(const char *module, const char *message)
{
    static const char absent[] = ": cannot open shared object file: No such file or directory";
    const char *end = strstr(message, absent);
    if (end)
        return dt_fail(
            DT_ERR_DEVICE,
            "module '%s' needs %.*s, which was not found: install it, or add its folder to "
            "LD_LIBRARY_PATH",
            module, (int)(end - message), message);
    return dt_fail(DT_ERR_DEVICE, "module '%s' cannot be loaded: %s", module, message);
}

/* The libraries of a CUDA module are loaded with it, and some do not survive too small an address space:
 * OpenBLAS, of the emulator, never returns below 300 MB. CUDA itself needs far more. */
#define LEAST_SPACE_MB 1000

static dt_status check_space(void)
{
    const dt_memory_limit space = dt_address_space("");
    if (space.bytes >= LEAST_SPACE_MB * INT64_C(1000000))
        return DT_OK;
    return dt_fail(
        DT_ERR_MEMORY,
        "%s leaves %.0f MB, but a GPU's libraries need at least %d MB: raise the limit (%s "
        "unlimited, or the limit of the batch system)",
        space.by, 1e-6 * (double)space.bytes, LEAST_SPACE_MB, space.by);
}

dt_status dt_module_symbol(const char *module, const char *symbol_name, void **symbol)
{
    char path[MODULE_PATH];
    module_path(module, path);
    if (access(path, F_OK) != 0)
        return dt_fail(DT_ERR_DEVICE, "%s: this installation has no module '%s'", path, module);
    if (strncmp(module, "cuda", 4) == 0)
        DT_TRY(check_space());
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return loading_failed(module, dlerror());
    *symbol = dlsym(handle, symbol_name);
    if (!*symbol)
        return dt_fail(DT_ERR_DEVICE, "%s: not a module of this version: it lacks %s", path,
                       symbol_name);
    return DT_OK;
}

dt_status dt_module_check(const char *module, int32_t contract, int32_t needed)
{
    if (contract == needed)
        return DT_OK;
    return dt_fail(
        DT_ERR_DEVICE,
        "module '%s' is from another version (contract %d, expected %d): install programs "
        "and modules together",
        module, contract, needed);
}
