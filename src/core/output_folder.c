#include "core/output_folder.h"

#include <unistd.h>

#include "core/file.h"

dt_status dt_output_folder_make(dt_output_folder *folder, const char *path)
{
    *folder = (dt_output_folder){.lock = -1};
    DT_TRY(dt_path(folder->path, sizeof folder->path, "%s", path));
    DT_TRY(dt_existing_folder(path, folder->above));
    return dt_make_folder(path);
}

dt_status dt_output_folder_lock(dt_output_folder *folder)
{
    char path[PATH_MAX];
    DT_TRY(dt_lock_path(folder->path, path));
    folder->new_lock = access(path, F_OK) != 0;
    return dt_lock_folder(folder->path, &folder->lock);
}

void dt_output_folder_close(dt_output_folder *folder, dt_status status)
{
    char path[PATH_MAX];
    /* while it is locked: who opens the file now finds the lock held, or the file removed */
    if (status != DT_OK && folder->lock >= 0 && folder->new_lock &&
        dt_lock_path(folder->path, path) == DT_OK)
        unlink(path);
    dt_unlock_folder(folder->lock);
    folder->lock = -1;
    if (status != DT_OK && folder->above[0])
        dt_remove_empty_folders(folder->path, folder->above);
}
