/* Writes Python's pickle format, protocol 2, into memory: what the checkpoints of PyTorch need.
 * Nothing is memoised: an object that is written twice is two objects.
 *
 *     dt_pickle_writer pickle = {0};
 *     dt_pickle_writer_start(&pickle);
 *     dt_pickle_begin_dict(&pickle);                      {"epochs": 10, "betas": [0.9, 0.999]}
 *     dt_pickle_put_text(&pickle, "epochs");
 *     dt_pickle_put_int(&pickle, 10);
 *     dt_pickle_put_text(&pickle, "betas");
 *     dt_pickle_begin_list(&pickle);
 *     dt_pickle_put_double(&pickle, 0.9);
 *     dt_pickle_put_double(&pickle, 0.999);
 *     dt_pickle_end_list(&pickle);
 *     dt_pickle_end_dict(&pickle);
 *     DT_TRY(dt_pickle_writer_finish(&pickle));
 *     ... pickle.text.data, pickle.text.length ...
 *     dt_text_free(&pickle.text);
 *
 * Keys and values alternate in a dict, and each begin needs its end; the caller sees to both. The
 * first error (memory) is recorded, and dt_pickle_writer_finish() returns it.
 */
#ifndef DT_IO_PICKLE_WRITER_H
#define DT_IO_PICKLE_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/memory.h"
#include "core/status.h"

typedef struct {
    dt_text text;
    dt_status status;
} dt_pickle_writer;

void dt_pickle_writer_start(dt_pickle_writer *pickle);
dt_status dt_pickle_writer_finish(dt_pickle_writer *pickle);

void dt_pickle_put_none(dt_pickle_writer *pickle);
void dt_pickle_put_bool(dt_pickle_writer *pickle, bool value);
void dt_pickle_put_int(dt_pickle_writer *pickle, int64_t value);
void dt_pickle_put_double(dt_pickle_writer *pickle, double value);
void dt_pickle_put_text(dt_pickle_writer *pickle, const char *text); /* UTF-8 */

void dt_pickle_begin_dict(dt_pickle_writer *pickle);
/* Keys and values up to dt_pickle_end_dict() are added to the object before: an ordered dict. */
void dt_pickle_begin_items(dt_pickle_writer *pickle);
void dt_pickle_end_dict(dt_pickle_writer *pickle);
void dt_pickle_begin_list(dt_pickle_writer *pickle);
void dt_pickle_end_list(dt_pickle_writer *pickle);
void dt_pickle_begin_tuple(dt_pickle_writer *pickle);
void dt_pickle_end_tuple(dt_pickle_writer *pickle);

/* A class or function; dt_pickle_put_call() after it and a tuple calls it with the tuple's values. */
void dt_pickle_put_global(dt_pickle_writer *pickle, const char *module, const char *name);
void dt_pickle_put_call(dt_pickle_writer *pickle);
/* After an object and a value: the object's attributes, if the value is a dict. */
void dt_pickle_put_state(dt_pickle_writer *pickle);
/* After a value: the object that the reader knows by this value, its persistent id. */
void dt_pickle_put_persistent(dt_pickle_writer *pickle);

#endif
