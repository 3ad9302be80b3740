/* Writes JSON (RFC 8259) as it comes, without holding it in memory.
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
 * Nothing here fails: write errors are kept in the dt_output, whose end reports them. Keys and
 * values must alternate in an object, and each object and array needs its dt_json_end(); that is
 * the caller's business and checked by assert.
 */
#ifndef DT_IO_JSON_WRITER_H
#define DT_IO_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/output.h"

#define DT_JSON_DEPTH 32 /* objects and arrays within each other */

typedef struct {
    dt_output *out;
    int indent;         /* blanks a level */
    int indented_depth; /* levels whose members stand on lines of their own */
    int depth;
    bool after_key;
    bool filled[DT_JSON_DEPTH + 1]; /* the level holds something already */
    bool object[DT_JSON_DEPTH + 1]; /* else array */
} dt_json;

/* Members of the first `indented_depth` levels get a line each, with `indent` blanks a level;
 * deeper ones stay on one line. Each value of the outermost level ends with a line end, so that
 * with (0, 0) several values make a file of JSON lines. Nothing needs freeing. */
void dt_json_begin(dt_json *json, dt_output *out, int indent, int indented_depth);

void dt_json_object(dt_json *json); /* "{" */
void dt_json_array(dt_json *json);  /* "[" */
void dt_json_end(dt_json *json);    /* what was opened last */

void dt_json_key(dt_json *json, const char *key);

/* UTF-8 stays as it is; bytes that are none become U+FFFD each. NULL is null. */
void dt_json_string(dt_json *json, const char *text);
void dt_json_bytes(dt_json *json, const char *text, size_t length);
void dt_json_int(dt_json *json, int64_t number);
/* The shortest decimal that reads back as the same value of its type; null where not finite. */
void dt_json_float(dt_json *json, float number);
void dt_json_double(dt_json *json, double number);
void dt_json_bool(dt_json *json, bool value);
void dt_json_null(dt_json *json);

/* A key and its value. */
void dt_json_put_string(dt_json *json, const char *key, const char *text);
void dt_json_put_int(dt_json *json, const char *key, int64_t number);
void dt_json_put_double(dt_json *json, const char *key, double number);
void dt_json_put_bool(dt_json *json, const char *key, bool value);
void dt_json_put_null(dt_json *json, const char *key);

#endif
