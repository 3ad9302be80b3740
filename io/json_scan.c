#include "io/json_scan.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

dt_json_scan dt_json_scan_of(const char *bytes, size_t length)
{
    return (dt_json_scan){.at = bytes, .end = bytes + length, .first = true};
}

static void fault(dt_json_scan *scan)
{
    if (!scan->bad)
        scan->bad = scan->at;
    scan->at = scan->end;
}

char dt_json_scan_peek(dt_json_scan *scan)
{
    while (scan->at < scan->end &&
           (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\t' || *scan->at == '\r'))
        scan->at++;
    return scan->at < scan->end ? *scan->at : '\0';
}

/* Reads `c`, which must be next. */
static void take(dt_json_scan *scan, char c)
{
    if (dt_json_scan_peek(scan) == c)
        scan->at++;
    else
        fault(scan);
}

void dt_json_scan_open(dt_json_scan *scan, char kind)
{
    take(scan, kind);
    scan->first = true;
}

/* Goes to the next member or element; false, after `close`, if there is none. */
static bool go_on(dt_json_scan *scan, char close)
{
    const char c = dt_json_scan_peek(scan);
    if (c == close) {
        scan->at++;
        scan->first = false;
        return false;
    }
    if (!scan->first)
        take(scan, ',');
    scan->first = false;
    if (dt_json_scan_peek(scan) == '\0')
        fault(scan);
    return !scan->bad;
}

bool dt_json_scan_key(dt_json_scan *scan, dt_span *key)
{
    if (!go_on(scan, '}'))
        return false;
    *key = dt_json_scan_string(scan);
    take(scan, ':');
    return !scan->bad;
}

bool dt_json_scan_element(dt_json_scan *scan)
{
    return go_on(scan, ']');
}

dt_span dt_json_scan_string(dt_json_scan *scan)
{
    take(scan, '"');
    const char *begin = scan->at;
    const char *at = begin;
    scan->first = false;
    for (;;) {
        at = at < scan->end ? memchr(at, '"', (size_t)(scan->end - at)) : NULL;
        if (!at) {
            fault(scan);
            return (dt_span){"", 0};
        }
        size_t backslashes = 0;
        while (at - backslashes > begin && at[-1 - (ptrdiff_t)backslashes] == '\\')
            backslashes++;
        if (backslashes % 2 == 0)
            break;
        at++;
    }
    scan->at = at + 1;
    return (dt_span){begin, (size_t)(at - begin)};
}

static bool ends_word(char c)
{
    return c == ',' || c == ']' || c == '}' || c == ' ' || c == '\n' || c == '\r' || c == '\t' ||
           c == '\0';
}

/* Reads a number, true, false or null. */
static dt_span word(dt_json_scan *scan)
{
    dt_json_scan_peek(scan);
    const char *begin = scan->at;
    while (scan->at < scan->end && !ends_word(*scan->at))
        scan->at++;
    scan->first = false;
    if (scan->at == begin)
        fault(scan);
    return (dt_span){begin, (size_t)(scan->at - begin)};
}

static bool is(dt_span text, const char *name)
{
    return text.length == strlen(name) && memcmp(text.data, name, text.length) == 0;
}

double dt_json_scan_number(dt_json_scan *scan)
{
    char text[64];
    char *end;
    const dt_span number = word(scan);
    if (is(number, "null"))
        return (double)NAN;
    if (number.length >= sizeof text) {
        fault(scan);
        return (double)NAN;
    }
    memcpy(text, number.data, number.length);
    text[number.length] = '\0';
    const double value = strtod(text, &end);
    if (number.length == 0 || *end || !strchr("-0123456789", text[0])) {
        scan->at = number.data;
        fault(scan);
        return (double)NAN;
    }
    return value;
}

bool dt_json_scan_bool(dt_json_scan *scan)
{
    const dt_span value = word(scan);
    if (!is(value, "true") && !is(value, "false"))
        fault(scan);
    return is(value, "true");
}

/* Brackets are counted, whatever their kind. */
dt_span dt_json_scan_skip(dt_json_scan *scan)
{
    int64_t depth = 0;
    dt_json_scan_peek(scan);
    const char *begin = scan->at;
    do {
        const char c = dt_json_scan_peek(scan);
        if (c == '"') {
            dt_json_scan_string(scan);
        } else if (c == '{' || c == '[') {
            depth++;
            scan->at++;
        } else if (depth > 0 && (c == '}' || c == ']')) {
            depth--;
            scan->at++;
        } else if (depth > 0 && (c == ',' || c == ':')) {
            scan->at++;
        } else {
            word(scan);
        }
    } while (depth > 0 && !scan->bad);
    scan->first = false;
    return (dt_span){begin, scan->bad ? 0 : (size_t)(scan->at - begin)};
}

/* ---- escapes -------------------------------------------------------------------------------- */

static int32_t hexadecimal(const char *at, const char *end)
{
    int32_t code = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; ++i) {
        const char *digits = "0123456789abcdef";
        const char *found = at[i] ? strchr(digits, at[i] | 0x20) : NULL;
        if (!found)
            return -1;
        code = code * 16 + (int32_t)(found - digits);
    }
    return code;
}

static dt_status add_character(dt_text *out, int32_t code)
{
    char utf8[4];
    size_t length = 1;
    if (code < 0x80) {
        utf8[0] = (char)code;
    } else if (code < 0x800) {
        utf8[0] = (char)(0xC0 | code >> 6);
        length = 2;
    } else if (code < 0x10000) {
        utf8[0] = (char)(0xE0 | code >> 12);
        length = 3;
    } else {
        utf8[0] = (char)(0xF0 | code >> 18);
        length = 4;
    }
    for (size_t i = 1; i < length; ++i)
        utf8[i] = (char)(0x80 | (code >> 6 * (length - 1 - i) & 0x3F));
    return dt_text_add(out, utf8, length);
}

/* Decodes the escape after a backslash; returns what follows it. */
static const char *decode(const char *at, const char *end, int32_t *code)
{
    static const char names[] = "bfnrt";
    static const char values[] = "\b\f\n\r\t";
    const char *named = at < end && *at ? strchr(names, *at) : NULL;
    if (at >= end || *at != 'u') {
        *code = named ? values[named - names] : at < end ? (unsigned char)*at : 0xFFFD;
        return at < end ? at + 1 : end;
    }
    const int32_t high = hexadecimal(at + 1, end);
    *code = high >= 0 && (high < 0xD800 || high > 0xDFFF) ? high : 0xFFFD;
    if (high < 0)
        return at + 1;
    if (high >= 0xD800 && high < 0xDC00 && end - at >= 11 && at[5] == '\\' && at[6] == 'u') {
        const int32_t low = hexadecimal(at + 7, end);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            *code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
            return at + 11;
        }
    }
    return at + 5;
}

dt_status dt_json_scan_text(dt_span string, dt_text *out)
{
    const char *at = string.data;
    const char *end = at + string.length;
    dt_text_clear(out);
    DT_TRY(dt_text_add(out, "", 0));
    while (at < end) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        DT_TRY(dt_text_add(out, at, (size_t)((escape ? escape : end) - at)));
        if (!escape)
            break;
        int32_t code;
        at = decode(escape + 1, end, &code);
        DT_TRY(add_character(out, code));
    }
    return DT_OK;
}
