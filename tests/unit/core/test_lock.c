/* The lock of a folder where flock() fails: what means another run, and what does not. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/file.h"
#include "core/log.h"
#include "test.h"

static int fails[4]; /* what the next calls fail with; 0: they do not */
static size_t calls;

/* Stands before the C library's, also for the library under test. */
int flock(int fd, int operation)
{
    (void)fd;
    assert_int_equal(operation, LOCK_EX | LOCK_NB);
    errno = calls < sizeof fails / sizeof *fails ? fails[calls] : 0;
    ++calls;
    return errno ? -1 : 0;
}

static char folder[64];
static char log_path[96];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/dt-lock-XXXXXX");
    calls = 0;
    memset(fails, 0, sizeof fails);
    if (!mkdtemp(folder))
        return -1;
    snprintf(log_path, sizeof log_path, "%s/log", folder);
    return dt_log_open(log_path) == DT_OK ? 0 : -1;
}

static int remove_folder(void **state)
{
    char path[96];
    (void)state;
    dt_log_close();
    unlink(log_path);
    snprintf(path, sizeof path, "%s/.deeptaxa.lock", folder);
    unlink(path);
    return rmdir(folder);
}

static void write_holder(const char *text)
{
    char path[96];
    snprintf(path, sizeof path, "%s/.deeptaxa.lock", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static bool log_has(const char *part)
{
    char *text;
    size_t length;
    ASSERT_OK(dt_read_file(log_path, &text, &length));
    const bool there = strstr(text, part) != NULL;
    free(text);
    return there;
}

static void without_locks_the_folder_is_taken_with_a_notice(void **state)
{
    static const int errors[] = {ENOLCK, ENOSYS, EOPNOTSUPP, EINVAL, EIO, ENOTTY, 524};
    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; ++i) {
        int lock = -1;
        calls = 0;
        fails[0] = errors[i];
        ASSERT_OK(dt_lock_folder(folder, &lock));
        assert_true(lock >= 0);
        assert_true(log_has(strerror(errors[i] == 524 ? ENOTSUP : errors[i])));
        dt_unlock_folder(lock);
    }
    assert_true(log_has("notice: "));
    assert_true(log_has("make sure that no other run uses it"));
    assert_false(log_has("Unknown error"));
}

static void another_run_is_named(void **state)
{
    int lock;
    (void)state;
    write_holder("host node7, pid 4711");
    fails[0] = EWOULDBLOCK;
    ASSERT_FAILS(DT_ERR_IO, "another run is using this output folder (host node7, pid 4711)",
                 dt_lock_folder(folder, &lock));
    assert_false(log_has("notice"));
}

static void another_run_that_has_not_written_its_name_is_told(void **state)
{
    int lock;
    (void)state;
    fails[0] = EWOULDBLOCK;
    ASSERT_FAILS(DT_ERR_IO, "(its lock file does not contain host and pid)",
                 dt_lock_folder(folder, &lock));
}

static void an_interrupted_call_is_repeated(void **state)
{
    int lock;
    (void)state;
    fails[0] = fails[1] = EINTR;
    ASSERT_OK(dt_lock_folder(folder, &lock));
    assert_int_equal(calls, 3);
    assert_false(log_has("notice"));
    dt_unlock_folder(lock);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(without_locks_the_folder_is_taken_with_a_notice),
        TEST(another_run_is_named),
        TEST(another_run_that_has_not_written_its_name_is_told),
        TEST(an_interrupted_call_is_repeated),
    };
    dt_log_quiet(true);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
