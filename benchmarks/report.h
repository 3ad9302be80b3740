/* The results of a benchmark: a table with units, and the same as JSON. */
#ifndef DT_BENCHMARKS_REPORT_H
#define DT_BENCHMARKS_REPORT_H

#include <stdint.h>

#include "core/status.h"

#define DT_REPORT_FIGURES 48
#define DT_REPORT_NOTES 8

typedef enum { DT_AIM_NONE, DT_AIM_AT_LEAST, DT_AIM_AT_MOST } dt_aim;

typedef struct {
    char name[80];
    double value;
    const char *unit;
    dt_aim aim;
    double bound; /* bound of the aim */
} dt_figure;

/* Zero-initialise all but the name of the benchmark. */
typedef struct {
    const char *benchmark;
    int32_t count;
    int32_t notes;
    dt_figure figure[DT_REPORT_FIGURES];
    char note[DT_REPORT_NOTES][256];
} dt_report;

/* Adds a line; lines that do not fit are dropped. */
void dt_report_add(dt_report *report, const char *name, double value, const char *unit);

/* Sets an aim for the last line added. */
void dt_report_aim(dt_report *report, dt_aim aim, double bound);

/* Adds a remark, e.g. what was compared. */
void dt_report_note(dt_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Prints the machine, the lines and the remarks. With a path it also writes {"benchmark",
 * "machine", "processors", "date", "results": [{"name", "value", "unit", "aim", "met"}], "notes"}
 * there; where a line has no aim, it has neither "aim" nor "met". */
dt_status dt_report_publish(const dt_report *report, const char *path);

/* Returns the median of `count` values; sorts them. count > 0. */
double dt_median(double *values, int32_t count);

#endif
