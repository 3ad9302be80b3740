#include "io/json_writer.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/utf8.h"

void dt_json_begin(dt_json *json, dt_output *out, int indent, int indented_depth)
{
    *json = (dt_json){.out = out, .indent = indent, .indented_depth = indented_depth};
}

static void new_line(dt_json *json)
{
    static const char blanks[] = "                                ";
    dt_output_char(json->out, '\n');
    for (int left = json->indent * json->depth; left > 0; left -= (int)sizeof blanks - 1)
        dt_output_bytes(json->out, blanks,
                        left < (int)sizeof blanks - 1 ? (size_t)left : sizeof blanks - 1);
}

/* Writes the separator before a key, or before a value without a key. */
static void separate(dt_json *json)
{
    if (!json->depth)
        return;
    const bool lines = json->depth <= json->indented_depth;
    if (json->filled[json->depth])
        dt_output_bytes(json->out, ", ", lines ? 1 : 2);
    json->filled[json->depth] = true;
    if (lines)
        new_line(json);
}

static void before_value(dt_json *json)
{
    assert(!json->depth || json->after_key == json->object[json->depth]);
    if (!json->after_key)
        separate(json);
    json->after_key = false;
}

static void after_value(dt_json *json)
{
    if (!json->depth)
        dt_output_char(json->out, '\n');
}

static void open_level(dt_json *json, bool object)
{
    before_value(json);
    assert(json->depth < DT_JSON_DEPTH);
    json->depth++;
    json->filled[json->depth] = false;
    json->object[json->depth] = object;
    dt_output_char(json->out, object ? '{' : '[');
}

void dt_json_object(dt_json *json)
{
    open_level(json, true);
}

void dt_json_array(dt_json *json)
{
    open_level(json, false);
}

void dt_json_end(dt_json *json)
{
    assert(json->depth > 0 && !json->after_key);
    const bool object = json->object[json->depth];
    const bool lines = json->filled[json->depth] && json->depth <= json->indented_depth;
    json->depth--;
    if (lines)
        new_line(json);
    dt_output_char(json->out, object ? '}' : ']');
    after_value(json);
}

static void escape(dt_output *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (size_t i = 0; i + 1 < sizeof named; i += 2) {
        if ((unsigned char)named[i] == c) {
            dt_output_bytes(out, (const char[]){'\\', named[i + 1]}, 2);
            return;
        }
    }
    dt_output_bytes(out, (const char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* Returns true if eight bytes are plain. The highest bit of a byte remains set if the byte is not
 * ASCII, less than a blank, or '"' or '\' (zero difference); a borrow can only set it in a byte
 * above one that is not plain itself. */
static bool are_plain(const char *bytes)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t text;
    memcpy(&text, bytes, sizeof text);
    const uint64_t quote = text ^ ('"' * ones);
    const uint64_t backslash = text ^ ('\\' * ones);
    return !((text | (text - ' ' * ones) | ((quote - ones) & ~quote) |
              ((backslash - ones) & ~backslash)) &
             (0x80 * ones));
}

/* Returns the number of plain bytes at the beginning of the text. */
static size_t plain_run(const char *text, size_t length)
{
    size_t end = 0;
    while (length - end >= 8 && are_plain(text + end))
        end += 8;
    while (end < length && is_plain((unsigned char)text[end]))
        end++;
    return end;
}

/* Copies runs of plain bytes, usually the whole text, at once. */
static void put_quoted(dt_output *out, const char *bytes, size_t length)
{
    const unsigned char *text = (const unsigned char *)bytes;
    dt_output_char(out, '"');
    for (size_t at = 0; at < length;) {
        const size_t run = plain_run(bytes + at, length - at);
        dt_output_bytes(out, bytes + at, run);
        at += run;
        if (at == length)
            break;
        uint32_t code;
        const size_t whole = dt_utf8_next(bytes + at, length - at, &code);
        if (text[at] < 0x80)
            escape(out, text[at]);
        else if (whole > 1)
            dt_output_bytes(out, bytes + at, whole);
        else
            dt_output_bytes(out, "\\ufffd", 6);
        at += whole;
    }
    dt_output_char(out, '"');
}

void dt_json_key(dt_json *json, const char *key)
{
    assert(json->depth && json->object[json->depth] && !json->after_key);
    separate(json);
    put_quoted(json->out, key, strlen(key));
    dt_output_bytes(json->out, ": ", 2);
    json->after_key = true;
}

void dt_json_bytes(dt_json *json, const char *text, size_t length)
{
    before_value(json);
    put_quoted(json->out, text, length);
    after_value(json);
}

void dt_json_string(dt_json *json, const char *text)
{
    if (text)
        dt_json_bytes(json, text, strlen(text));
    else
        dt_json_null(json);
}

static void put_text(dt_json *json, const char *text, size_t length)
{
    before_value(json);
    dt_output_bytes(json->out, text, length);
    after_value(json);
}

void dt_json_int(dt_json *json, int64_t number)
{
    before_value(json);
    dt_output_int(json->out, number);
    after_value(json);
}

void dt_json_float(dt_json *json, float number)
{
    char text[DT_NUMBER_SIZE];
    if (isfinite(number))
        put_text(json, text, dt_format_float(text, number));
    else
        dt_json_null(json);
}

void dt_json_double(dt_json *json, double number)
{
    char text[DT_NUMBER_SIZE];
    if (isfinite(number))
        put_text(json, text, dt_format_double(text, number));
    else
        dt_json_null(json);
}

void dt_json_bool(dt_json *json, bool value)
{
    put_text(json, value ? "true" : "false", value ? 4 : 5);
}

void dt_json_null(dt_json *json)
{
    put_text(json, "null", 4);
}

void dt_json_put_string(dt_json *json, const char *key, const char *text)
{
    dt_json_key(json, key);
    dt_json_string(json, text);
}

void dt_json_put_int(dt_json *json, const char *key, int64_t number)
{
    dt_json_key(json, key);
    dt_json_int(json, number);
}

void dt_json_put_double(dt_json *json, const char *key, double number)
{
    dt_json_key(json, key);
    dt_json_double(json, number);
}

void dt_json_put_bool(dt_json *json, const char *key, bool value)
{
    dt_json_key(json, key);
    dt_json_bool(json, value);
}

void dt_json_put_null(dt_json *json, const char *key)
{
    dt_json_key(json, key);
    dt_json_null(json);
}
