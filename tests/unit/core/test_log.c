/* What is said stands in the log file line by line, each with its time. */
#include "test.h"

#include <pthread.h>
#include <unistd.h>

#include "core/file.h"
#include "core/log.h"

static char path[] = "/tmp/deeptaxa-test-XXXXXX";

/* The log file's lines without their times, which every one must have; the caller frees them. */
static char *read_log(void)
{
    char *bytes;
    size_t length;
    ASSERT_OK(dt_read_file(path, &bytes, &length));
    char *to = bytes;
    for (const char *line = bytes; *line;) {
        int year;
        int end = 0;
        if (sscanf(line, "%4d-%*2d-%*2dT%*2d:%*2d:%*2d.%*6d%n", &year, &end) != 1 || end != 26 ||
            line[end] != ' ')
            fail_msg("a line without a time: %.80s", line);
        const size_t rest = strcspn(line + end + 1, "\n") + 1;
        memmove(to, line + end + 1, rest);
        to += rest;
        line += (size_t)end + 1 + rest;
    }
    *to = '\0';
    return bytes;
}

static void every_line_has_its_time(void **state)
{
    (void)state;
    dt_log_note("before the file was there\nin two lines");
    dt_log_quiet(true);
    ASSERT_OK(dt_log_open(path));
    dt_info("one");
    dt_info("a table\n  %d\n\n  end", 7);
    dt_info("\x1b[2J\xc2\x9b,\a");
    dt_warn("label '%s'", "a\nb\x7f");
    dt_log_note("not on standard error");
    dt_log_close();
    char *text = read_log();
    assert_string_equal(text,
                        "before the file was there\nin two lines\none\na table\n  7\n\n  end\n"
                        "?[2J??,?\nwarning: label 'a?b?'\nnot on standard error\n");
    free(text);
}

static void a_long_message_is_whole(void **state)
{
    (void)state;
    char *word = malloc(20001);
    assert_non_null(word);
    memset(word, 'x', 20000);
    word[20000] = '\0';
    ASSERT_OK(dt_write_file(path, "", 0));
    ASSERT_OK(dt_log_open(path));
    dt_info("%s", word);
    dt_log_close();
    char *text = read_log();
    assert_int_equal(strlen(text), 20001);
    free(text);
    free(word);
}

static int make(void **state)
{
    (void)state;
    const int fd = mkstemp(path);
    return fd < 0 || close(fd) != 0;
}

static int clear(void **state)
{
    (void)state;
    return unlink(path);
}

/* Returns what standard error receives, without the times of objects; the caller frees it. */
static char *shown(void (*print)(void))
{
    char *text;
    size_t length;
    char other[] = "/tmp/deeptaxa-test-XXXXXX";
    fflush(stderr);
    const int before = dup(STDERR_FILENO);
    const int file = mkstemp(other);
    assert_true(before >= 0 && file >= 0 && dup2(file, STDERR_FILENO) >= 0);
    print();
    fflush(stderr);
    dup2(before, STDERR_FILENO);
    close(before);
    close(file);
    ASSERT_OK(dt_read_file(other, &text, &length));
    unlink(other);
    for (char *at = text; (at = strstr(at, "\"time\": \""));)
        memmove(at, at + 38, strlen(at + 38) + 1);
    return text;
}

static void print_all(void)
{
    dt_info("two\nlines, a \"quote\", a \\ and\tan \xC3\xA9 and \xFF");
    dt_notice("n");
    dt_warn("w");
    dt_log_error("e");
}

static void messages_are_objects_or_left_out(void **state)
{
    (void)state;
    ASSERT_OK(dt_write_file(path, "", 0));
    ASSERT_OK(dt_log_open(path));
    dt_log_quiet(false);
    dt_log_json(true);
    char *text = shown(print_all);
    assert_string_equal(
        text, "{\"level\": \"info\", \"message\": \"two\\nlines, a \\\"quote\\\", a \\\\ "
              "and\\u0009an \xC3\xA9 and ?\"}\n{\"level\": \"notice\", \"message\": \"n\"}\n"
              "{\"level\": \"warning\", \"message\": \"w\"}\n"
              "{\"level\": \"error\", \"message\": \"e\"}\n");
    free(text);
    dt_log_json(false);
    dt_log_warnings_only(true);
    text = shown(print_all);
    assert_string_equal(text, "warning: w\ne\n");
    free(text);
    dt_log_warnings_only(false);
    dt_log_quiet(true);
    dt_log_close();
    text = read_log();
    assert_non_null(strstr(text, "\nnotice: n\nwarning: w\ne\ntwo\nlines, a \"quote\""));
    free(text);
}

static void *change(void *unused)
{
    for (int i = 0; i < 1000; ++i) {
        dt_log_quiet(i % 2 == 0);
        dt_log_warnings_only(i % 3 == 0);
        dt_log_json(i % 5 == 0);
    }
    return unused;
}

/* As the thread that calls MPI does when a run ends; tests/threads.sh sees a race. */
static void a_thread_may_change_what_is_shown(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, change, NULL), 0);
    for (int i = 0; i < 1000; ++i) {
        dt_log_is_terminal();
        dt_log_note("%d", i);
    }
    pthread_join(thread, NULL);
    dt_log_json(false);
    dt_log_warnings_only(false);
    dt_log_quiet(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_has_its_time),
        cmocka_unit_test(a_long_message_is_whole),
        cmocka_unit_test(messages_are_objects_or_left_out),
        cmocka_unit_test(a_thread_may_change_what_is_shown),
    };
    return cmocka_run_group_tests(tests, make, clear);
}
