#include "report.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "io/json_writer.h"

void dt_report_add(dt_report *report, const char *name, double value, const char *unit)
{
    if (report->count == DT_REPORT_FIGURES)
        return;
    dt_figure *figure = &report->figure[report->count++];
    *figure = (dt_figure){.value = value, .unit = unit};
    snprintf(figure->name, sizeof figure->name, "%s", name);
}

void dt_report_aim(dt_report *report, dt_aim aim, double bound)
{
    if (report->count == 0)
        return;
    report->figure[report->count - 1].aim = aim;
    report->figure[report->count - 1].bound = bound;
}

void dt_report_note(dt_report *report, const char *format, ...)
{
    if (report->notes == DT_REPORT_NOTES)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(report->note[report->notes++], sizeof report->note[0], format, arguments);
    va_end(arguments);
}

static bool is_met(const dt_figure *figure)
{
    return figure->aim == DT_AIM_AT_LEAST ? figure->value >= figure->bound
                                          : figure->value <= figure->bound;
}

static void machine_name(char *out, size_t size)
{
    snprintf(out, size, "unknown processor");
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[256];
    while (file && fgets(line, sizeof line, file)) {
        const char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !value)
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(out, size, "%s", value + 1 + strspn(value + 1, " "));
        break;
    }
    if (file)
        fclose(file);
}

/* Returns the decimals for four significant digits; whole numbers above that. */
static int decimals(double value)
{
    const double size = value < 0 ? -value : value;
    return size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : 3;
}

static void print(const dt_report *report)
{
    char machine[128];
    machine_name(machine, sizeof machine);
    printf("%s: %s, %ld processors\n", report->benchmark, machine, sysconf(_SC_NPROCESSORS_ONLN));
    for (int32_t i = 0; i < report->count; ++i) {
        const dt_figure *figure = &report->figure[i];
        printf("%-52s %12.*f %-12s", figure->name, decimals(figure->value), figure->value,
               figure->unit);
        if (figure->aim != DT_AIM_NONE)
            printf(" aim %s %g: %s", figure->aim == DT_AIM_AT_LEAST ? ">=" : "<=", figure->bound,
                   is_met(figure) ? "met" : "missed");
        printf("\n");
    }
    for (int32_t i = 0; i < report->notes; ++i)
        printf("%s\n", report->note[i]);
}

static void write_figure(dt_json *json, const dt_figure *figure)
{
    dt_json_object(json);
    dt_json_put_string(json, "name", figure->name);
    dt_json_put_double(json, "value", figure->value);
    dt_json_put_string(json, "unit", figure->unit);
    if (figure->aim != DT_AIM_NONE) {
        char aim[64];
        snprintf(aim, sizeof aim, "%s %g",
                 figure->aim == DT_AIM_AT_LEAST ? ">=" : "<=", figure->bound);
        dt_json_put_string(json, "aim", aim);
        dt_json_put_bool(json, "met", is_met(figure));
    }
    dt_json_end(json);
}

static dt_status write_json(const dt_report *report, const char *path)
{
    dt_output out;
    dt_json json;
    char text[128];
    DT_TRY(dt_output_begin(&out, path));
    dt_json_begin(&json, &out, 2, 2);
    dt_json_object(&json);
    dt_json_put_string(&json, "benchmark", report->benchmark);
    machine_name(text, sizeof text);
    dt_json_put_string(&json, "machine", text);
    dt_json_put_int(&json, "processors", sysconf(_SC_NPROCESSORS_ONLN));
    dt_timestamp(text, sizeof text);
    text[10] = '\0'; /* the day */
    dt_json_put_string(&json, "date", text);
    dt_json_key(&json, "results");
    dt_json_array(&json);
    for (int32_t i = 0; i < report->count; ++i)
        write_figure(&json, &report->figure[i]);
    dt_json_end(&json);
    dt_json_key(&json, "notes");
    dt_json_array(&json);
    for (int32_t i = 0; i < report->notes; ++i)
        dt_json_string(&json, report->note[i]);
    dt_json_end(&json);
    dt_json_end(&json);
    return dt_output_commit(&out);
}

dt_status dt_report_publish(const dt_report *report, const char *path)
{
    print(report);
    return path ? write_json(report, path) : DT_OK;
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

double dt_median(double *values, int32_t count)
{
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}
