#include "core/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/memory.h"
#include "core/printable.h"
#include "core/utf8.h"

#define DEFAULT_WIDTH 80             /* of a terminal of unknown width */
#define MAX_EARLY ((size_t)64 << 10) /* bytes stored before a log file is opened */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static FILE *log_file;
static dt_text early;    /* lines from before the first log file, in its format */
static bool keep = true; /* until the first log file */
static bool quiet_flag;
static bool status_line_shown;
static bool lost_reported; /* the failure of standard error */

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

static void show(const char *prefix, const char *text)
{
    char lost[160];
    if (status_line_shown)
        fputs("\r\033[K", stderr);
    status_line_shown = false;
    if (fprintf(stderr, "%s%s\n", prefix, text) >= 0 || lost_reported)
        return;
    snprintf(lost, sizeof lost,
             "cannot write to standard error (%s): the program continues, and messages are only in "
             "this log",
             strerror(errno));
    append_to_log("notice: ", lost);
    lost_reported = true;
}

static void say(bool shown, const char *prefix, const char *format, va_list args)
{
    char *text;
    if (vasprintf(&text, format, args) < 0)
        return;                                 /* no memory for a message */
    dt_make_printable(text, prefix[0] == '\0'); /* notices and warnings are single lines */
    pthread_mutex_lock(&mutex);
    if (shown && !quiet_flag)
        show(prefix, text);
    append_to_log(prefix, text);
    pthread_mutex_unlock(&mutex);
    free(text);
}

#define SAY(shown, prefix)                                                                         \
    do {                                                                                           \
        va_list args;                                                                              \
        va_start(args, format);                                                                    \
        say(shown, prefix, format, args);                                                          \
        va_end(args);                                                                              \
    } while (0)

void dt_info(const char *format, ...)
{
    SAY(true, "");
}

void dt_notice(const char *format, ...)
{
    SAY(true, "notice: ");
}

void dt_warn(const char *format, ...)
{
    SAY(true, "warning: ");
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
    SAY(false, "");
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
    FILE *file = fopen(path, "a");
    if (!file)
        return dt_fail(DT_ERR_IO, "%s: cannot write the log: %s", path, strerror(errno));
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
    pthread_mutex_lock(&mutex);
    quiet_flag = quiet;
    pthread_mutex_unlock(&mutex);
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
    return !quiet_flag && isatty(STDERR_FILENO);
}

void dt_log_status_line(const char *text)
{
    pthread_mutex_lock(&mutex);
    if (!quiet_flag && isatty(STDERR_FILENO)) {
        /* a wrapped line could not be removed, and text in the last column may wrap */
        fprintf(stderr, "\r\033[K%.*s", dt_log_width() - 1, text);
        fflush(stderr);
        status_line_shown = text[0] != '\0';
    }
    pthread_mutex_unlock(&mutex);
}
