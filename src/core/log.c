#include "core/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/memory.h"
#include "core/own_file.h"
#include "core/printable.h"
#include "core/utf8.h"

#define DEFAULT_WIDTH 80             /* of a terminal of unknown width */
#define MAX_EARLY ((size_t)64 << 10) /* bytes stored before a log file is opened */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static FILE *log_file;
static dt_text early;    /* lines from before the first log file, in its format */
static bool keep = true; /* until the first log file */
static atomic_bool quiet_flag, warnings_only, json_format; /* set while other threads write */
static bool status_line_shown;
static bool lost_reported; /* the failure of standard error */

typedef enum { INFO, NOTICE, WARNING, ERROR } level;
static const char *const prefixes[] = {"", "notice: ", "warning: ", ""};

/* The log file is always UTF-8; a terminal receives file names unchanged. */
static void make_utf8(char *text)
{
    const size_t length = strlen(text);
    for (size_t at = 0; (at += dt_utf8_valid(text + at, length - at)) < length;)
        text[at] = '?';
}

/* Writes each line of the text, with the time, to the log file or the early lines. */
static void append_to_log(const char *prefix, char *text)
{
    char now[32];
    dt_timestamp(now, sizeof now);
    make_utf8(text);
    for (const char *line = text; line;) {
        const int length = (int)strcspn(line, "\n");
        if (log_file)
            fprintf(log_file, "%s %s%.*s\n", now, prefix, length, line);
        else if (keep && early.length < MAX_EARLY)
            dt_text_addf(&early, "%s %s%.*s\n", now, prefix, length, line);
        prefix = "";
        line = line[length] ? line + length + 1 : NULL;
    }
    if (log_file)
        fflush(log_file);
}

/* Appends a JSON string (RFC 8259) of a text, which is made UTF-8. */
static dt_status add_json_string(dt_text *out, char *text)
{
    make_utf8(text);
    DT_TRY(dt_text_add(out, "\"", 1));
    for (const char *c = text; *c; ++c) {
        if (*c == '"' || *c == '\\')
            DT_TRY(dt_text_addf(out, "\\%c", *c));
        else if ((unsigned char)*c < 0x20)
            DT_TRY(dt_text_addf(out, *c == '\n' ? "\\n" : "\\u%04x", (unsigned)*c));
        else
            DT_TRY(dt_text_add(out, c, 1));
    }
    return dt_text_add(out, "\"", 1);
}

/* Writes the message to standard error; false if that is impossible. */
static bool write_message(level importance, char *text)
{
    static const char *const names[] = {"info", "notice", "warning", "error"};
    char now[32];
    dt_text line = {0};
    if (!json_format)
        return fprintf(stderr, "%s%s\n", prefixes[importance], text) >= 0;
    dt_timestamp(now, sizeof now);
    dt_status status = dt_text_addf(
        &line, "{\"time\": \"%s\", \"level\": \"%s\", \"message\": ", now, names[importance]);
    if (status == DT_OK)
        status = add_json_string(&line, text);
    const bool written = status == DT_OK && fprintf(stderr, "%s}\n", line.data) >= 0;
    dt_text_free(&line);
    return written;
}

static void show(level importance, char *text)
{
    char lost[160];
    if (status_line_shown)
        fputs("\r\033[K", stderr);
    status_line_shown = false;
    if (write_message(importance, text) || lost_reported)
        return;
    snprintf(lost, sizeof lost,
             "cannot write to standard error (%s): the program continues, and messages are only in "
             "this log",
             strerror(errno));
    append_to_log("notice: ", lost);
    lost_reported = true;
}

static void say(bool shown, level importance, const char *format, va_list args)
{
    char *text;
    if (vasprintf(&text, format, args) < 0)
        return;                                  /* no memory for a message */
    dt_make_printable(text, importance == INFO); /* all others are single lines */
    pthread_mutex_lock(&mutex);
    if (shown && !quiet_flag && !(warnings_only && importance < WARNING))
        show(importance, text);
    append_to_log(prefixes[importance], text);
    pthread_mutex_unlock(&mutex);
    free(text);
}

#define SAY(shown, importance)                                                                     \
    do {                                                                                           \
        va_list args;                                                                              \
        va_start(args, format);                                                                    \
        say(shown, importance, format, args);                                                      \
        va_end(args);                                                                              \
    } while (0)

void dt_info(const char *format, ...)
{
    SAY(true, INFO);
}

void dt_notice(const char *format, ...)
{
    SAY(true, NOTICE);
}

void dt_warn(const char *format, ...)
{
    SAY(true, WARNING);
}

void dt_log_error(const char *format, ...)
{
    SAY(true, ERROR);
}

dt_status dt_print(const char *text)
{
    char *printable = strdup(text);
    if (!printable)
        return dt_fail(DT_ERR_MEMORY, "not enough memory to print a text");
    dt_make_printable(printable, true);
    const bool failed = fputs(printable, stdout) < 0 || fflush(stdout) != 0 || ferror(stdout);
    free(printable);
    return failed ? dt_fail(DT_ERR_IO, "cannot write to standard output") : DT_OK;
}

void dt_log_note(const char *format, ...)
{
    SAY(false, INFO);
}

void dt_info_lines(const char *text)
{
    while (*text) {
        const size_t length = strcspn(text, "\n");
        dt_info("%.*s", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

dt_status dt_log_open(const char *path)
{
    FILE *file;
    DT_TRY(dt_open_append(path, &file));
    dt_log_close();
    pthread_mutex_lock(&mutex);
    log_file = file;
    if (early.length > 0)
        fwrite(early.data, 1, early.length, file);
    fflush(file);
    dt_text_free(&early);
    keep = false;
    pthread_mutex_unlock(&mutex);
    return DT_OK;
}

void dt_log_close(void)
{
    pthread_mutex_lock(&mutex);
    if (log_file)
        fclose(log_file);
    log_file = NULL;
    pthread_mutex_unlock(&mutex);
}

void dt_log_quiet(bool quiet)
{
    quiet_flag = quiet;
}

void dt_log_warnings_only(bool only)
{
    warnings_only = only;
}

void dt_log_json(bool json)
{
    json_format = json;
}

int dt_log_width(void)
{
    struct winsize size;
    if (!isatty(STDERR_FILENO))
        return 0;
    const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return known ? size.ws_col : DEFAULT_WIDTH;
}

bool dt_log_is_terminal(void)
{
    return !quiet_flag && !warnings_only && !json_format && isatty(STDERR_FILENO);
}

void dt_log_status_line(const char *text)
{
    pthread_mutex_lock(&mutex);
    if (dt_log_is_terminal()) {
        /* a wrapped line could not be removed, and text in the last column may wrap */
        fprintf(stderr, "\r\033[K%.*s", dt_log_width() - 1, text);
        fflush(stderr);
        status_line_shown = text[0] != '\0';
    }
    pthread_mutex_unlock(&mutex);
}
