#include "options/option.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- allowed values -------------------------------------------------------------------------- */

typedef struct {
    double low;
    double high;
    bool low_included;
    bool high_included;
} interval;

static interval read_interval(const char *text)
{
    interval result = {.low_included = text[0] == '['};
    char *end;
    result.low = strtod(text + 1, &end);
    result.high = strtod(end + strspn(end, ", "), &end);
    result.high_included = *end == ']';
    return result;
}

static bool interval_holds(const char *text, double number)
{
    if (!text)
        return true;
    const interval range = read_interval(text);
    const bool above = range.low_included ? number >= range.low : number > range.low;
    const bool below = range.high_included ? number <= range.high : number < range.high;
    return above && below;
}

bool dt_option_allows(const dt_option *option, double number)
{
    return interval_holds(option->range, number);
}

static bool is_endless(double bound)
{
    return bound > 1e300 || bound < -1e300;
}

/* " from 1 to 64", " of at least 1", " above 0", " of at least 0 and below 1" */
static void range_words(const char *text, char *out, size_t size)
{
    out[0] = '\0';
    if (!text)
        return;
    const interval range = read_interval(text);
    if (range.low_included && range.high_included) {
        snprintf(out, size, " from %.10g to %.10g", range.low, range.high);
        return;
    }
    int used = 0;
    if (!is_endless(range.low))
        used = snprintf(out, size, " %s %.10g", range.low_included ? "of at least" : "above",
                        range.low);
    if (!is_endless(range.high))
        snprintf(out + used, size - (size_t)used, "%s %s %.10g", used ? " and" : "",
                 range.high_included ? "of at most" : "below", range.high);
}

static void describe_allowed(const dt_option *option, char *out, size_t size)
{
    char range[128];
    range_words(option->range, range, sizeof range);
    switch (option->kind) {
    case DT_VALUE_FLAG:
        snprintf(out, size, "true or false");
        break;
    case DT_VALUE_INT:
    case DT_VALUE_INT32:
    case DT_VALUE_UINT32:
    case DT_VALUE_INTS:
        snprintf(out, size, "a whole number%s", range);
        break;
    case DT_VALUE_DOUBLE:
    case DT_VALUE_DOUBLES:
        snprintf(out, size, "a number%s", range);
        break;
    case DT_VALUE_TEXT:
    case DT_VALUE_CHARS:
    case DT_VALUE_TEXTS:
        snprintf(out, size, "a text (%s)", option->value);
        break;
    case DT_VALUE_CHOICE:
    case DT_VALUE_CHOICES: {
        const char *lead = strchr(option->choices, '|') ? "one of " : "";
        int used = snprintf(out, size, "%s", lead);
        for (const char *at = option->choices; *at && (size_t)used + 3 < size; ++at) {
            const char here[2] = {*at, '\0'};
            used += snprintf(out + used, size - (size_t)used, "%s", *at == '|' ? ", " : here);
        }
        break;
    }
    }
}

/* ---- storing values -------------------------------------------------------------------------- */

typedef struct {
    const dt_option *option;
    const char *text;
} value_text;

static dt_status bad_value(const value_text *value)
{
    char allowed[512];
    describe_allowed(value->option, allowed, sizeof allowed);
    return dt_fail(DT_ERR_USAGE, "--%s: '%s' is not %s", value->option->name, value->text, allowed);
}

static dt_status check_range(const value_text *value, double number)
{
    return interval_holds(value->option->range, number) ? DT_OK : bad_value(value);
}

static dt_status parse_int(const value_text *value, int64_t low, int64_t high, int64_t *out)
{
    char *end;
    errno = 0;
    const long long number = strtoll(value->text, &end, 10);
    if (end == value->text || *end || errno || number < low || number > high)
        return bad_value(value);
    *out = number;
    return check_range(value, (double)number);
}

static dt_status parse_int32(const value_text *value, int32_t *out)
{
    int64_t number = 0;
    DT_TRY(parse_int(value, INT32_MIN, INT32_MAX, &number));
    *out = (int32_t)number;
    return DT_OK;
}

static dt_status parse_uint32(const value_text *value, uint32_t *out)
{
    int64_t number = 0;
    DT_TRY(parse_int(value, 0, UINT32_MAX, &number));
    *out = (uint32_t)number;
    return DT_OK;
}

static dt_status parse_double(const value_text *value, double *out)
{
    char *end;
    const double number = strtod(value->text, &end);
    if (end == value->text || *end || !isfinite(number))
        return bad_value(value);
    *out = number;
    return check_range(value, number);
}

static dt_status parse_choice(const value_text *value, int32_t *out)
{
    *out = dt_choice_named(value->option->choices, value->text);
    return *out >= 0 ? DT_OK : bad_value(value);
}

static dt_status parse_flag(const value_text *value, bool *out)
{
    *out = strcmp(value->text, "true") == 0;
    return *out || strcmp(value->text, "false") == 0 ? DT_OK : bad_value(value);
}

/* Stores element i of the value; 0 if it is not a list. */
static dt_status store_element(const value_text *text, const dt_value *value, int32_t i)
{
    if (dt_value_is_list(value->kind) && i >= value->most)
        return text->option->count ? DT_OK /* dt_value_finish() reports it */
                                   : dt_fail(DT_ERR_USAGE, "--%s: takes at most %d values",
                                             text->option->name, value->most);
    switch (value->kind) {
    case DT_VALUE_FLAG:
        return parse_flag(text, value->at);
    case DT_VALUE_INT:
        return parse_int(text, INT64_MIN, INT64_MAX, value->at);
    case DT_VALUE_UINT32:
        return parse_uint32(text, value->at);
    case DT_VALUE_INT32:
    case DT_VALUE_INTS:
        return parse_int32(text, (int32_t *)value->at + i);
    case DT_VALUE_DOUBLE:
    case DT_VALUE_DOUBLES:
        return parse_double(text, (double *)value->at + i);
    case DT_VALUE_TEXT:
    case DT_VALUE_TEXTS:
        ((const char **)value->at)[i] = text->text;
        return DT_OK;
    case DT_VALUE_CHOICE:
    case DT_VALUE_CHOICES:
        return parse_choice(text, (int32_t *)value->at + i);
    case DT_VALUE_CHARS:
        break;
    }
    return dt_fail(DT_ERR_INTERNAL, "--%s: invalid value kind", text->option->name);
}

/* Stores the value or values in `text`; lists of numbers and choices may be separated by commas and
 * blanks. *count is the number of values. */
dt_status dt_value_parse(const dt_option *option, const char *text, const dt_value *value,
                         int32_t *count)
{
    if (!dt_value_is_list(option->kind) || option->kind == DT_VALUE_TEXTS) {
        if (!*text) /* for `--name=` */
            return DT_OK;
        return store_element(&(value_text){option, text}, value, (*count)++);
    }
    const char *at = text;
    for (;;) {
        at += strspn(at, ", \t");
        const size_t length = strcspn(at, ", \t");
        if (!length)
            return DT_OK;
        char one[128];
        snprintf(one, sizeof one, "%.*s", (int)(length < INT_MAX ? length : INT_MAX), at);
        DT_TRY(store_element(&(value_text){option, one}, value, (*count)++));
        at += length;
    }
}

/* Checks and stores the number of elements. */
dt_status dt_value_finish(const dt_option *option, const dt_value *value, int32_t count)
{
    char allowed[512];
    if (!count) {
        describe_allowed(option, allowed, sizeof allowed);
        return dt_fail(DT_ERR_USAGE, "--%s: needs a value: %s", option->name, allowed);
    }
    if (option->count && count != option->count)
        return dt_fail(DT_ERR_USAGE, "--%s: takes %d values, not %d", option->name, option->count,
                       count);
    if (value->count)
        *value->count = count;
    return DT_OK;
}

/* ---- the tables of a command ----------------------------------------------------------------- */

/* Returns row i, and the base of its offsets. */
static const dt_option *find_row(const dt_command *command, int i, size_t *base)
{
    for (int t = 0; t < DT_OPTION_TABLES && command->tables[t].rows; ++t) {
        const dt_option_table *table = &command->tables[t];
        const char *at = table->rows;
        for (; ((const dt_option *)at)->name; at += table->stride)
            if (i-- == 0) {
                *base = table->base;
                return (const dt_option *)at;
            }
    }
    return NULL;
}

void dt_option_defaults(const dt_option *option, char *out, size_t size)
{
    const dt_other_default *other = &option->other;
    if (other->option)
        snprintf(out, size, "%s; with --%s %s %s", option->default_value, other->option,
                 other->choice, other->value);
    else
        snprintf(out, size, "%s", option->default_value);
}

const dt_option *dt_command_option(const dt_command *command, int i)
{
    size_t base;
    return find_row(command, i, &base);
}

int dt_command_find(const dt_command *command, const char *name, size_t length)
{
    const dt_option *option;
    for (int i = 0; (option = dt_command_option(command, i)); ++i)
        if (strlen(option->name) == length && memcmp(option->name, name, length) == 0)
            return i;
    return -1;
}

dt_value dt_value_of(const dt_option *option, const void *base)
{
    char *from = (char *)base;
    const bool counted = dt_value_is_list(option->kind) && !option->count;
    return (dt_value){.kind = option->kind,
                      .choices = option->choices,
                      .at = from + option->offset,
                      .most = option->count ? option->count : option->most,
                      .count = counted ? (int32_t *)(from + option->counter) : NULL};
}

dt_value dt_option_value(const dt_command *command, int i, const void *options)
{
    size_t base = 0;
    const dt_option *option = find_row(command, i, &base);
    return dt_value_of(option, (const char *)options + base);
}

dt_status dt_value_store(const dt_option *option, const dt_value *value, int32_t count,
                         const char *const *texts)
{
    int32_t stored = 0;
    for (int32_t t = 0; t < count; ++t)
        DT_TRY(dt_value_parse(option, texts[t], value, &stored));
    return dt_value_finish(option, value, stored);
}

dt_status dt_option_add_value(const dt_command *command, int i, const void *options, bool quoted,
                              dt_text *out)
{
    const dt_value value = dt_option_value(command, i, options);
    return dt_value_add_all(&value, quoted, out);
}

static dt_origin origin_of(const dt_parsed *parsed, const char *name)
{
    const int row = dt_command_find(parsed->command, name, strlen(name));
    return row >= 0 ? parsed->origin[row] : DT_FROM_DEFAULT;
}

bool dt_option_given(const dt_parsed *parsed, const char *name)
{
    return origin_of(parsed, name) != DT_FROM_DEFAULT;
}

bool dt_option_typed(const dt_parsed *parsed, const char *name)
{
    return origin_of(parsed, name) == DT_FROM_LINE;
}

void dt_option_choice(const dt_command *command, const char *name, int choice, char *out,
                      size_t size)
{
    const int row = dt_command_find(command, name, strlen(name));
    dt_choice_name(row >= 0 ? dt_command_option(command, row)->choices : NULL, choice, out, size);
}
