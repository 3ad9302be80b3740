/* The text of --version. */
#include <stdio.h>
#include <string.h>

#include "options/options.h"
#include "core/module.h"
#include "core/version.h"

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

/* Returns the function `name` of a library that the module links; NULL if there is none. */
static void *function_of(const char *module, const char *name)
{
    void *symbol;
    if (!dt_module_present(module) || dt_module_symbol(module, name, &symbol) != DT_OK)
        return NULL;
    return symbol;
}

/* Adds "oneDNN: 2.6.3"; dnnl_version() returns a struct that begins with these numbers. */
static dt_status add_onednn(dt_text *out)
{
    const int *(*library_version)(void);
    *(void **)&library_version = function_of("onednn", "dnnl_version");
    const int *number = library_version ? library_version() : NULL;
    return number ? dt_text_addf(out, "oneDNN: %d.%d.%d\n", number[0], number[1], number[2])
                  : DT_OK;
}

/* Adds "MPI: Open MPI v4.1.4", the library's version text up to the first comma or line end. */
static dt_status add_mpi(dt_text *out)
{
    char text[16384] = ""; /* longer than the text of any library */
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
    DT_TRY(add_onednn(out));
    return add_mpi(out);
}
