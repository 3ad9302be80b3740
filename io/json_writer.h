/* Writes JSON (RFC 8259) as a stream, without holding it in memory.
 *
 *     dt_json json;
 *     dt_json_begin(&json, &out, 2, 3);
 *     dt_json_object(&json);
 *     dt_json_key(&json, "labels");
 *     dt_json_array(&json);
 *     dt_json_string(&json, "Bacteria");
 *     dt_json_end(&json);
 *     dt_json_end(&json);
 *
 * These functions do not fail: the dt_output records write errors and reports them at its end. Keys
 * and values must alternate in an object, and each object and array needs its dt_json_end();
 * asserts check this.
 */
#ifndef DT_IO_JSON_WRITER_H
#define DT_IO_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/output.h"

#define DT_JSON_DEPTH 32 /* maximum nesting of objects and arrays */

typedef struct {
    dt_output *out;
    int indent;         /* blanks per level */
    int indented_depth; /* levels whose members get a line each */
    int depth;
    bool after_key;
    bool filled[DT_JSON_DEPTH + 1]; /* the level is not empty */
    bool object[DT_JSON_DEPTH + 1]; /* the level is an object, else an array */
} dt_json;

/* Members of the first `indented_depth` levels get a line each, indented by `indent` blanks per
 * level; deeper ones share a line. Each top-level value ends with a newline: with (0, 0), several
 * values make a JSON Lines file. Nothing needs to be freed. */
void dt_json_begin(dt_json *json, dt_output *out, int indent, int indented_depth);

void dt_json_object(dt_json *json); /* "{" */
void dt_json_array(dt_json *json);  /* "[" */
void dt_json_end(dt_json *json);    /* closes the innermost object or array */

void dt_json_key(dt_json *json, const char *key);

/* UTF-8 is written as it is; each byte that is not UTF-8 becomes U+FFFD. NULL becomes null. */
void dt_json_string(dt_json *json, const char *text);
void dt_json_bytes(dt_json *json, const char *text, size_t length);
void dt_json_int(dt_json *json, int64_t number);
/* The shortest decimal that reads back as the same value of its type; null if not finite. */
void dt_json_float(dt_json *json, float number);
void dt_json_double(dt_json *json, double number);
void dt_json_bool(dt_json *json, bool value);
void dt_json_null(dt_json *json);

/* Write a key and its value. */
void dt_json_put_string(dt_json *json, const char *key, const char *text);
void dt_json_put_int(dt_json *json, const char *key, int64_t number);
void dt_json_put_double(dt_json *json, const char *key, double number);
void dt_json_put_bool(dt_json *json, const char *key, bool value);
void dt_json_put_null(dt_json *json, const char *key);

#endif
