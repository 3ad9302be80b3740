/* Writes files that TensorBoard reads: events (tensorflow/core/util/event.proto) as records of
 * TFRecord, each with its length and masked CRC-32C
 * (https://www.tensorflow.org/tutorials/load_data/tfrecord). The messages are encoded here
 * (https://protobuf.dev/programming-guides/encoding/).
 *
 * Each event is in the file when its function returns: TensorBoard follows a file that grows.
 */
#ifndef DT_IO_EVENT_FILE_H
#define DT_IO_EVENT_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct dt_event_file dt_event_file;

/* Creates `<folder>/events.out.tfevents.<seconds>.<host>.<pid>`; the folder exists. Says that a
 * session begins at `step`: TensorBoard drops events of this and later steps in older files of the
 * folder. */
dt_status dt_event_file_create(dt_event_file **out, const char *folder, int64_t step);
void dt_event_file_close(dt_event_file *file); /* NULL is allowed */

/* Add a number; nothing if it is not finite. And a text in Markdown. */
dt_status dt_event_scalar(dt_event_file *file, int64_t step, const char *tag, double value);
dt_status dt_event_text(dt_event_file *file, int64_t step, const char *tag, const char *text);

/* Returns the masked CRC-32C of a record, for tests. */
uint32_t dt_event_crc(const void *bytes, size_t length);

#endif
