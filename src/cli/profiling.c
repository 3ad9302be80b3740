#include "cli/profiling.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/output_folder.h"
#include "profile/profile_report.h"

dt_status dt_profiling_begin(dt_profile **out, bool wanted, const char *trace)
{
    char folder[PATH_MAX];
    *out = NULL;
    if (!wanted && !trace)
        return DT_OK;
    if (trace) {
        if (strlen(trace) >= sizeof folder)
            return dt_fail(DT_ERR_IO, "--profile-trace: the file name is too long");
        dt_folder_of(trace, folder, sizeof folder);
        DT_TRY(dt_check_folder(folder));
        if (access(folder, F_OK) == 0)
            DT_TRY(dt_check_new_file(trace));
    }
    return dt_profile_create(out, trace != NULL);
}

dt_status dt_profiling_end(dt_profile *profile, dt_comm *comm, const char *trace)
{
    char path[PATH_MAX];
    dt_output_folder folder = {.lock = -1};
    bool agreed = false;
    dt_status status = DT_OK;
    if (!profile)
        return DT_OK;
    if (trace && (!comm || comm->world_rank == 0)) {
        dt_folder_of(trace, path, sizeof path);
        status = dt_output_folder_make(&folder, path);
    }
    dt_profile_run(profile, false);
    if (comm)
        status = dt_agree(comm, status, &agreed);
    if (status == DT_OK)
        status = dt_profile_report(profile, comm, trace);
    dt_output_folder_close(&folder, status);
    return status;
}
