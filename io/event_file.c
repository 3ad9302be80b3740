#include "io/event_file.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "core/own_file.h"

struct dt_event_file {
    FILE *stream;
    char path[PATH_MAX];
};

/* ---- records -------------------------------------------------------------------------------- */

/* CRC-32C (Castagnoli), reflected, bit by bit: events are short. */
uint32_t dt_event_crc(const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < length; ++i) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; ++bit)
            crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
    }
    crc = ~crc;
    return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

/* Stores a number of `size` bytes, little-endian. */
static void store(unsigned char *to, uint64_t number, int size)
{
    for (int i = 0; i < size; ++i)
        to[i] = (unsigned char)(number >> 8 * i);
}

static dt_status write_record(dt_event_file *file, const dt_text *event)
{
    unsigned char head[12];
    unsigned char tail[4];
    store(head, event->length, 8);
    store(head + 8, dt_event_crc(head, 8), 4);
    store(tail, dt_event_crc(event->data, event->length), 4);
    if (fwrite(head, sizeof head, 1, file->stream) == 1 &&
        fwrite(event->data, event->length, 1, file->stream) == 1 &&
        fwrite(tail, sizeof tail, 1, file->stream) == 1 && fflush(file->stream) == 0)
        return DT_OK;
    return dt_fail(DT_ERR_IO, "%s: cannot write: %s", file->path, strerror(errno));
}

/* ---- messages ------------------------------------------------------------------------------- */

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 }; /* wire types */

static dt_status add_varint(dt_text *out, uint64_t number)
{
    do {
        const char byte = (char)((number & 0x7F) | (number > 0x7F ? 0x80 : 0));
        DT_TRY(dt_text_add(out, &byte, 1));
        number >>= 7;
    } while (number > 0);
    return DT_OK;
}

static dt_status add_number(dt_text *out, uint32_t field, uint64_t number)
{
    DT_TRY(add_varint(out, field << 3 | VARINT));
    return add_varint(out, number);
}

/* Adds the bits of a double (8 bytes) or float (4). */
static dt_status add_fixed(dt_text *out, uint32_t field, uint64_t bits, int size)
{
    unsigned char bytes[8];
    store(bytes, bits, size);
    DT_TRY(add_varint(out, field << 3 | (size == 8 ? FIXED64 : FIXED32)));
    return dt_text_add(out, (const char *)bytes, (size_t)size);
}

static dt_status add_bytes(dt_text *out, uint32_t field, const char *bytes, size_t length)
{
    DT_TRY(add_varint(out, field << 3 | BYTES));
    DT_TRY(add_varint(out, length));
    return dt_text_add(out, bytes, length);
}

static dt_status add_string(dt_text *out, uint32_t field, const char *text)
{
    return add_bytes(out, field, text, strlen(text));
}

/* Adds an inner message, and empties it. */
static dt_status add_message(dt_text *out, uint32_t field, dt_text *inner)
{
    const dt_status status = add_bytes(out, field, inner->data ? inner->data : "", inner->length);
    dt_text_clear(inner);
    return status;
}

/* The fields of event.proto, summary.proto, tensor.proto, tensor_shape.proto and types.proto that
 * are used here. */
enum {
    EVENT_WALL_TIME = 1,
    EVENT_STEP = 2,
    EVENT_FILE_VERSION = 3,
    EVENT_SUMMARY = 5,
    EVENT_SESSION = 7
};
enum { SESSION_STATUS = 1, SESSION_START = 1 /* value */ };
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_SIMPLE = 2, VALUE_TENSOR = 8, VALUE_METADATA = 9 };
enum { METADATA_PLUGIN = 1, PLUGIN_NAME = 1 };
enum { TENSOR_TYPE = 1, TENSOR_SHAPE = 2, TENSOR_STRING = 8, TYPE_STRING = 7 /* value */ };
enum { SHAPE_DIMENSION = 2, DIMENSION_SIZE = 1 };

/* Begins an event with the time and the step. */
static dt_status begin_event(dt_text *event, int64_t step)
{
    struct timespec now;
    uint64_t bits;
    clock_gettime(CLOCK_REALTIME, &now);
    const double seconds = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    memcpy(&bits, &seconds, sizeof bits);
    DT_TRY(add_fixed(event, EVENT_WALL_TIME, bits, 8));
    return add_number(event, EVENT_STEP, (uint64_t)step);
}

/* Writes an event with one inner message, and empties it. */
static dt_status write_event(dt_event_file *file, int64_t step, uint32_t field, dt_text *inner)
{
    dt_text event = {0};
    dt_status status = begin_event(&event, step);
    if (status == DT_OK)
        status = add_message(&event, field, inner);
    if (status == DT_OK)
        status = write_record(file, &event);
    dt_text_free(&event);
    return status;
}

/* Writes an event with one value of a summary, and empties it. */
static dt_status write_value(dt_event_file *file, int64_t step, dt_text *value)
{
    dt_text summary = {0};
    dt_status status = add_message(&summary, SUMMARY_VALUE, value);
    if (status == DT_OK)
        status = write_event(file, step, EVENT_SUMMARY, &summary);
    dt_text_free(&summary);
    return status;
}

dt_status dt_event_scalar(dt_event_file *file, int64_t step, const char *tag, double number)
{
    dt_text value = {0};
    uint32_t bits;
    const float narrow = (float)number;
    if (!isfinite(narrow))
        return DT_OK;
    memcpy(&bits, &narrow, sizeof bits);
    dt_status status = add_string(&value, VALUE_TAG, tag);
    if (status == DT_OK)
        status = add_fixed(&value, VALUE_SIMPLE, bits, 4);
    if (status == DT_OK)
        status = write_value(file, step, &value);
    dt_text_free(&value);
    return status;
}

/* A tensor of one string, which is shown by the plugin "text". `part` and `inner` are empty
 * texts. */
static dt_status make_text(dt_text *value, const char *tag, const char *text, dt_text *part,
                           dt_text *inner)
{
    DT_TRY(add_string(value, VALUE_TAG, tag));
    DT_TRY(add_string(inner, PLUGIN_NAME, "text"));
    DT_TRY(add_message(part, METADATA_PLUGIN, inner));
    DT_TRY(add_message(value, VALUE_METADATA, part));
    DT_TRY(add_number(part, DIMENSION_SIZE, 1));
    DT_TRY(add_message(inner, SHAPE_DIMENSION, part));
    DT_TRY(add_number(part, TENSOR_TYPE, TYPE_STRING));
    DT_TRY(add_message(part, TENSOR_SHAPE, inner));
    DT_TRY(add_string(part, TENSOR_STRING, text));
    return add_message(value, VALUE_TENSOR, part);
}

dt_status dt_event_text(dt_event_file *file, int64_t step, const char *tag, const char *text)
{
    dt_text value = {0};
    dt_text part = {0};
    dt_text inner = {0};
    dt_status status = make_text(&value, tag, text, &part, &inner);
    if (status == DT_OK)
        status = write_value(file, step, &value);
    dt_text_free(&value);
    dt_text_free(&part);
    dt_text_free(&inner);
    return status;
}

/* ---- the file ------------------------------------------------------------------------------- */

static dt_status write_start(dt_event_file *file, int64_t step)
{
    dt_text text = {0};
    dt_status status = begin_event(&text, 0);
    if (status == DT_OK)
        status = add_string(&text, EVENT_FILE_VERSION, "brain.Event:2");
    if (status == DT_OK)
        status = write_record(file, &text);
    dt_text_clear(&text);
    if (status == DT_OK)
        status = add_number(&text, SESSION_STATUS, SESSION_START);
    if (status == DT_OK)
        status = write_event(file, step, EVENT_SESSION, &text);
    dt_text_free(&text);
    return status;
}

dt_status dt_event_file_create(dt_event_file **out, const char *folder, int64_t step)
{
    char host[HOST_NAME_MAX + 1] = "localhost";
    dt_event_file *file;
    gethostname(host, sizeof host - 1);
    DT_TRY(DT_NEW(file, 1));
    dt_status status =
        dt_path(file->path, sizeof file->path, "%s/events.out.tfevents.%010lld.%s.%d", folder,
                (long long)time(NULL), host, (int)getpid());
    if (status == DT_OK)
        status = dt_open_append(file->path, &file->stream);
    if (status == DT_OK)
        status = write_start(file, step);
    if (status != DT_OK) {
        dt_event_file_close(file);
        return status;
    }
    *out = file;
    return DT_OK;
}

void dt_event_file_close(dt_event_file *file)
{
    if (file && file->stream)
        fclose(file->stream);
    free(file);
}
