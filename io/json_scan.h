/* Reads JSON (RFC 8259) from memory, value by value and without a tree: for arrays of a million
 * elements. What is small is read with jansson.
 *
 *     dt_json_scan scan = dt_json_scan_of(bytes, length);
 *     dt_span key;
 *     dt_json_scan_open(&scan, '{');
 *     while (dt_json_scan_key(&scan, &key))
 *         if (dt_span_is(key, "score"))
 *             score = dt_json_scan_number(&scan);
 *         else
 *             dt_json_scan_skip(&scan);
 *     return scan.bad ? ... : ...
 *
 * These functions do not fail: at the first fault they set `bad` to its place and go to the end of
 * the text, so that loops end and all later values are empty. Strings are returned as they stand
 * between their quotation marks; dt_json_scan_text() decodes them. Invalid UTF-8 and control
 * characters in strings are accepted.
 */
#ifndef DT_IO_JSON_SCAN_H
#define DT_IO_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "core/memory.h"
#include "core/status.h"
#include "io/span.h"

typedef struct {
    const char *at, *end;
    const char *bad; /* place of the first fault; NULL: none */
    bool first;      /* no member or element of the innermost container was read yet */
} dt_json_scan;

dt_json_scan dt_json_scan_of(const char *bytes, size_t length);

/* Returns the first character of the next value, which tells its kind; 0 at the end. */
char dt_json_scan_peek(dt_json_scan *scan);

/* Enters an object ('{') or array ('['); any other value is a fault. */
void dt_json_scan_open(dt_json_scan *scan, char kind);
/* Sets *key to the key of the next member, whose value must be read next. False, after which the
 * object is left, if there is none. */
bool dt_json_scan_key(dt_json_scan *scan, dt_span *key);
/* Returns true if there is a next element, which must be read next; otherwise the array is left. */
bool dt_json_scan_element(dt_json_scan *scan);

dt_span dt_json_scan_string(dt_json_scan *scan);
double dt_json_scan_number(dt_json_scan *scan); /* NaN for null */
bool dt_json_scan_bool(dt_json_scan *scan);
/* Skips the next value, of any kind; returns its text. */
dt_span dt_json_scan_skip(dt_json_scan *scan);

/* Replaces `out` by a string's content, with the escapes decoded. A single surrogate becomes
 * U+FFFD. */
dt_status dt_json_scan_text(dt_span string, dt_text *out);

#endif
