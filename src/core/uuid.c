#include "core/uuid.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "core/file.h"

dt_status dt_uuid(char out[DT_UUID_SIZE])
{
    uint8_t b[16];
    if (getrandom(b, sizeof b, 0) != (ssize_t)sizeof b)
        return dt_fail(DT_ERR_IO, "cannot get random bits for the run id: %s", strerror(errno));
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* version 4 */
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80); /* variant of RFC 9562 */
    snprintf(out, DT_UUID_SIZE,
             "%02x%02x%02x%02x_%02x%02x_%02x%02x_%02x%02x_%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
    return DT_OK;
}

dt_status dt_run_id(char out[DT_RUN_ID_SIZE])
{
    char uuid[DT_UUID_SIZE];
    DT_TRY(dt_uuid(uuid));
    const time_t now = time(NULL);
    struct tm local = {0};
    localtime_r(&now, &local);
    const size_t length = strftime(out, DT_RUN_ID_SIZE, "%Y_%m_%dT%H_%M_%S_", &local);
    snprintf(out + length, DT_RUN_ID_SIZE - length, "%s", uuid);
    return DT_OK;
}

bool dt_run_id_valid(const char *id)
{
    return id[0] &&
           !id[strspn(id, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")];
}

dt_status dt_run_id_read(const char *folder, char out[DT_RUN_ID_SIZE])
{
    char path[PATH_MAX];
    char *text;
    size_t length;
    out[0] = '\0';
    DT_TRY(dt_path(path, sizeof path, "%s/deeptaxa_uuid.txt", folder));
    if (access(path, F_OK) != 0)
        return DT_OK;
    DT_TRY(dt_read_file(path, &text, &length));
    snprintf(out, DT_RUN_ID_SIZE, "%.*s", (int)strcspn(text, "\r\n"), text);
    free(text);
    return DT_OK;
}

dt_status dt_run_id_write(const char *folder, const char *run_id)
{
    char path[PATH_MAX];
    DT_TRY(dt_path(path, sizeof path, "%s/deeptaxa_uuid.txt", folder));
    return dt_write_file(path, run_id, strlen(run_id));
}
