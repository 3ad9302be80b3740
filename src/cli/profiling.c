#include "cli/profiling.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>

#include "core/file.h"
#include "profile/profile_report.h"

/* The folder of a file; `out` has room for PATH_MAX. */
static dt_status folder_of(const char *path, char *out)
{
    if (snprintf(out, PATH_MAX, "%s", path) >= PATH_MAX)
        return dt_fail(DT_ERR_IO, "--profile-trace: the file name is too long");
    const char *folder = dirname(out);
    if (folder != out) /* "." */
        snprintf(out, PATH_MAX, "%s", folder);
    return DT_OK;
}

dt_status dt_profiling_begin(dt_profile **out, bool wanted, const char *trace)
{
    char folder[PATH_MAX];
    *out = NULL;
    if (!wanted && !trace)
        return DT_OK;
    if (trace) {
        DT_TRY(folder_of(trace, folder));
        DT_TRY(dt_check_folder(folder));
    }
    return dt_profile_create(out, trace != NULL);
}

dt_status dt_profiling_end(dt_profile *profile, dt_comm *comm, const char *trace)
{
    char folder[PATH_MAX];
    bool together = false;
    dt_status status = DT_OK;
    if (!profile)
        return DT_OK;
    if (trace && (!comm || comm->world_rank == 0)) {
        status = folder_of(trace, folder);
        if (status == DT_OK)
            status = dt_make_folder(folder);
    }
    dt_profile_run(profile, false);
    if (comm)
        status = dt_agree(comm, status, &together);
    DT_TRY(status);
    return dt_profile_report(profile, comm, trace);
}
