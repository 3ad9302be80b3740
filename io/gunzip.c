#include "io/gunzip.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/log.h"
#include "core/memory.h"
#include "io/packed.h"

enum { GZIP_ONLY = 15 + 16, EXTRA = 64 };

struct dt_gunzip {
    dt_raw_file *raw;
    z_stream stream;
    bool ready;     /* `stream` is open */
    bool in_member; /* inside a member */
    bool at_end;
    int failure;                /* error of inflate() after the bytes returned last */
    gz_header header;           /* of the current member */
    unsigned char extra[EXTRA]; /* its extra field */
    bool blocked;               /* the last member is a bgzip block */
    bool marked;                /* and the empty block that ends a file */
};

dt_status dt_gunzip_open(dt_gunzip **out, dt_raw_file *raw)
{
    *out = NULL;
    dt_gunzip *gunzip;
    DT_TRY(DT_NEW(gunzip, 1));
    gunzip->raw = raw;
    if (inflateInit2(&gunzip->stream, GZIP_ONLY) != Z_OK) {
        free(gunzip);
        return dt_fail(DT_ERR_MEMORY, "%s: out of memory while decompressing", raw->name);
    }
    *out = gunzip;
    return DT_OK;
}

void dt_gunzip_close(dt_gunzip *gunzip)
{
    if (!gunzip)
        return;
    inflateEnd(&gunzip->stream);
    free(gunzip);
}

static dt_status begin_member(dt_gunzip *g)
{
    g->header = (gz_header){.extra = g->extra, .extra_max = EXTRA};
    g->in_member = true;
    if (inflateReset(&g->stream) != Z_OK || inflateGetHeader(&g->stream, &g->header) != Z_OK)
        return dt_fail(DT_ERR_INTERNAL, "%s: zlib cannot be reset", g->raw->name);
    return DT_OK;
}

static void end_member(dt_gunzip *g)
{
    g->in_member = false;
    g->blocked =
        g->header.done == 1 && g->header.extra_len >= 6 && g->extra[0] == 'B' && g->extra[1] == 'C';
    g->marked = g->stream.total_out == 0;
}

/* Continues after a member: with the next one, or at the end. */
static dt_status next_member(dt_gunzip *g, int64_t line)
{
    const unsigned char *block;
    size_t length;
    DT_TRY(dt_packed_skip_zeros(g->raw, &block, &length));
    g->at_end = length == 0;
    if (!g->at_end)
        return block[0] == 0x1f ? begin_member(g)
                                : dt_packed_refuse_rest(g->raw, DT_PACKED_GZIP, line);
    if (g->blocked && !g->marked)
        dt_warn("%s: the empty block with which bgzip ends a file is missing; if the file is "
                "truncated, "
                "the text after line %lld is missing",
                g->raw->name, (long long)line);
    return DT_OK;
}

/* Calls inflate() once; *code is its result. */
static dt_status inflate_some(dt_gunzip *g, int *code)
{
    const unsigned char *block;
    size_t length;
    *code = g->failure;
    if (g->failure)
        return DT_OK;
    DT_TRY(dt_raw_file_block(g->raw, &block, &length));
    *code = Z_BUF_ERROR; /* the file ends within a member */
    if (length == 0)
        return DT_OK;
    g->stream.next_in = (z_const Bytef *)block;
    g->stream.avail_in = (unsigned)length;
    *code = inflate(&g->stream, Z_NO_FLUSH);
    dt_raw_file_take(g->raw, length - g->stream.avail_in);
    if (*code == Z_STREAM_END)
        end_member(g);
    else if (*code != Z_OK)
        g->failure = *code;
    return DT_OK;
}

static dt_status inflate_error(const dt_gunzip *g, int code, int64_t line)
{
    switch (code) {
    case Z_MEM_ERROR:
        return dt_fail(DT_ERR_MEMORY, "%s: out of memory while decompressing", g->raw->name);
    case Z_BUF_ERROR:
        return dt_packed_cut_off(g->raw->name, DT_PACKED_GZIP, line);
    case Z_NEED_DICT:
        return dt_packed_damaged(g->raw->name, DT_PACKED_GZIP, line, "needs a dictionary");
    default:
        return dt_packed_damaged(g->raw->name, DT_PACKED_GZIP, line,
                                 g->stream.msg ? g->stream.msg : "no reason given");
    }
}

dt_status dt_gunzip_read(dt_gunzip *gunzip, void *buffer, size_t size, int64_t line, size_t *got)
{
    const unsigned limit = size < 1u << 30 ? (unsigned)size : 1u << 30;
    gunzip->stream.next_out = buffer;
    gunzip->stream.avail_out = limit;
    *got = 0;
    while (*got == 0 && !gunzip->at_end) {
        int code = Z_OK;
        if (!gunzip->in_member)
            DT_TRY(next_member(gunzip, line));
        else
            DT_TRY(inflate_some(gunzip, &code));
        *got = limit - gunzip->stream.avail_out;
        if (*got == 0 && code != Z_OK && code != Z_STREAM_END)
            return inflate_error(gunzip, code, line);
    }
    return DT_OK;
}
