#include "core/own_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static dt_status cannot_write(const char *path)
{
    return dt_fail(DT_ERR_IO, "%s: cannot write: %s", path, strerror(errno));
}

dt_status dt_open_own(const char *path, int flags, int *fd)
{
    *fd = open(path, flags | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0666);
    if (*fd < 0 && errno == ELOOP)
        return dt_fail(DT_ERR_IO, "%s: is a symbolic link, which is not followed here: remove it",
                       path);
    return *fd < 0 ? cannot_write(path) : DT_OK;
}

dt_status dt_open_append(const char *path, FILE **stream)
{
    int fd;
    DT_TRY(dt_open_own(path, O_WRONLY | O_APPEND, &fd));
    *stream = fdopen(fd, "a");
    if (*stream)
        return DT_OK;
    const dt_status status = cannot_write(path);
    close(fd);
    return status;
}
