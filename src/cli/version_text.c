/* What --version prints. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "core/limits.h"
#include "core/module.h"
#include "core/version.h"

/* OpenBLAS takes a buffer when it is loaded, and waits for ever where it cannot get it. */
#define SPACE_FOR_BLAS (3 * DT_BLAS_BUFFER)

static dt_status add_modules(dt_text *out)
{
    static const char *const modules[] = {"cpu_v4", "cpu_v3", "cpu", "onednn",
                                          "cuda",   "nccl",   "mpi", "archive"};
    bool any = false;
    DT_TRY(dt_text_addf(out, "modules:"));
    for (size_t i = 0; i < sizeof modules / sizeof *modules; ++i) {
        if (!dt_module_present(modules[i]))
            continue;
        DT_TRY(dt_text_addf(out, " %s", modules[i]));
        any = true;
    }
    return dt_text_addf(out, "%s\n", any ? "" : " none");
}

/* The function `name` of a library that the module needs; NULL where there is none. */
static void *function_of(const char *module, const char *name)
{
    void *symbol;
    if (!dt_module_present(module) || dt_module_symbol(module, name, &symbol) != DT_OK)
        return NULL;
    return symbol;
}

/* "BLAS: OpenBLAS 0.3.21, kernels SkylakeX"; nothing for another BLAS. */
static dt_status add_blas(dt_text *out)
{
    char name[64];
    char version[32];
    char *(*config)(void);
    char *(*kernels)(void);
    if (dt_address_space("").bytes < SPACE_FOR_BLAS)
        return DT_OK;
    setenv("OMP_NUM_THREADS", "1", 1); /* one buffer is enough */
    *(void **)&config = function_of("cpu", "openblas_get_config");
    *(void **)&kernels = function_of("cpu", "openblas_get_corename");
    if (!config || sscanf(config(), "%63s %31s", name, version) != 2)
        return DT_OK;
    return dt_text_addf(out, "BLAS: %s %s%s%s\n", name, version, kernels ? ", kernels " : "",
                        kernels ? kernels() : "");
}

/* "MPI: Open MPI v4.1.4", what the library says of itself up to the first comma or end of line. */
static dt_status add_mpi(dt_text *out)
{
    char text[16384] = ""; /* no library's text is longer */
    int length = 0;
    int (*library_version)(char *, int *);
    *(void **)&library_version = function_of("mpi", "MPI_Get_library_version");
    if (!library_version || library_version(text, &length) != 0)
        return DT_OK;
    text[strcspn(text, ",\n")] = '\0';
    for (char *at = text; *at; ++at)
        if (*at == '\t')
            *at = ' ';
    return dt_text_addf(out, "MPI: %s\n", text);
}

dt_status dt_version_text(dt_text *out)
{
    DT_TRY(dt_text_addf(out, "DeepTaxa-MPI %s\n", dt_version()));
    DT_TRY(add_modules(out));
    DT_TRY(dt_text_addf(out, "commit: %s\ncompiler: %s, %s\nlibraries: %s\n", dt_commit(),
                        DT_COMPILER, DT_BUILD_TYPE, DT_LIBRARIES));
    DT_TRY(add_blas(out));
    return add_mpi(out);
}
