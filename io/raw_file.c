#include "io/raw_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/input_wait.h"
#include "core/memory.h"

static dt_status cannot(const dt_raw_file *raw, const char *what)
{
    return dt_fail(DT_ERR_IO, "%s: cannot %s: %s", raw->name, what, strerror(errno));
}

/* Returns the size of a regular file that is read from its beginning (standard input may not be),
 * else -1. */
static int64_t size_of(int fd, const struct stat *info)
{
    return S_ISREG(info->st_mode) && lseek(fd, 0, SEEK_CUR) == 0 ? (int64_t)info->st_size : -1;
}

dt_status dt_raw_file_open(dt_raw_file *raw, const char *path, const char *name)
{
    *raw = (dt_raw_file){.name = name, .size = -1};
    const int fd = dt_input_open(path);
    if (fd < 0)
        return cannot(raw, "open it");
    struct stat info;
    dt_status status = DT_OK;
    if (fstat(fd, &info) != 0)
        status = cannot(raw, "open it");
    else if (S_ISDIR(info.st_mode))
        status = dt_fail(DT_ERR_IO, "%s: is a folder; a file is expected", name);
    if (status == DT_OK)
        status = DT_NEW(raw->ring, 2 * DT_RAW_BLOCK);
    if (status != DT_OK) {
        close(fd);
        return status;
    }
    raw->fd = fd;
    raw->size = size_of(fd, &info);
    return DT_OK;
}

void dt_raw_file_close(dt_raw_file *raw)
{
    if (raw->ring)
        close(raw->fd);
    free(raw->ring);
    *raw = (dt_raw_file){0};
}

static dt_status read_some(const dt_raw_file *raw, void *buffer, size_t size, size_t *got)
{
    DT_TRY(dt_input_wait(raw->fd, raw->name));
    const ssize_t count = read(raw->fd, buffer, size);
    *got = count > 0 ? (size_t)count : 0;
    return count < 0 ? cannot(raw, "read it") : DT_OK;
}

/* Reads at most one block, into the contiguous free space of the ring. */
static dt_status fill(dt_raw_file *raw)
{
    const size_t at = (size_t)raw->read % (2 * DT_RAW_BLOCK);
    const size_t room = 2 * DT_RAW_BLOCK - at;
    size_t got = 0;
    if (raw->at_end)
        return DT_OK;
    DT_TRY(read_some(raw, raw->ring + at, room < DT_RAW_BLOCK ? room : DT_RAW_BLOCK, &got));
    raw->at_end = got == 0;
    raw->read += (int64_t)got;
    return DT_OK;
}

dt_status dt_raw_file_block(dt_raw_file *raw, const unsigned char **block, size_t *length)
{
    if (raw->taken == raw->read)
        DT_TRY(fill(raw));
    const size_t at = (size_t)raw->taken % (2 * DT_RAW_BLOCK);
    const size_t room = 2 * DT_RAW_BLOCK - at;
    const size_t left = (size_t)(raw->read - raw->taken);
    *block = raw->ring + at;
    *length = left < room ? left : room;
    return DT_OK;
}

void dt_raw_file_take(dt_raw_file *raw, size_t length)
{
    raw->taken += (int64_t)length;
}

dt_status dt_raw_file_peek(dt_raw_file *raw, size_t wanted)
{
    while (raw->read < (int64_t)wanted && !raw->at_end)
        DT_TRY(fill(raw));
    return DT_OK;
}

dt_status dt_raw_file_copy(dt_raw_file *raw, void *buffer, size_t size, size_t *got)
{
    if (raw->taken == raw->read) { /* read directly, without a copy */
        DT_TRY(read_some(raw, buffer, size, got));
        raw->at_end = *got == 0;
        raw->read += (int64_t)*got;
        raw->taken = raw->read;
        return DT_OK;
    }
    const unsigned char *block;
    size_t length;
    DT_TRY(dt_raw_file_block(raw, &block, &length));
    *got = length < size ? length : size;
    memcpy(buffer, block, *got);
    dt_raw_file_take(raw, *got);
    return DT_OK;
}

dt_status dt_raw_file_seek(dt_raw_file *raw, int64_t position)
{
    if (lseek(raw->fd, position, SEEK_SET) != position)
        return cannot(raw, "seek in it");
    raw->read = raw->taken = position;
    raw->at_end = false;
    return DT_OK;
}

static dt_status copy_rest(dt_raw_file *raw, int to)
{
    const unsigned char *block;
    size_t length;
    for (;;) {
        DT_TRY(dt_raw_file_block(raw, &block, &length));
        if (length == 0)
            return DT_OK;
        const ssize_t written = write(to, block, length);
        if (written < 0)
            return cannot(raw, "write it to a temporary file (set TMPDIR to use another folder)");
        dt_raw_file_take(raw, (size_t)written);
    }
}

dt_status dt_raw_file_spool(dt_raw_file *raw)
{
    const char *folder = getenv("TMPDIR");
    const int fd = dt_open_unnamed(folder && *folder ? folder : "/tmp");
    if (fd < 0)
        return cannot(raw, "create a temporary file for it (set TMPDIR to use another folder)");
    const dt_status status = copy_rest(raw, fd);
    if (status != DT_OK) {
        close(fd);
        return status;
    }
    close(raw->fd);
    raw->fd = fd;
    raw->size = raw->read;
    return dt_raw_file_seek(raw, 0);
}
