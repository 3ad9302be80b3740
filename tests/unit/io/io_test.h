/* What the tests of io/ share: files in a folder of the test's own, and where the real data is. */
#ifndef DT_TESTS_IO_TEST_H
#define DT_TESTS_IO_TEST_H

#include <unistd.h>
#include <zlib.h>

#include "core/file.h"
#include "core/log.h"
#include "test.h"

#define GOLD_FASTA "/usr/share/microbiomeutil-data/RESOURCES/rRNA16S.gold.fasta"

/* The group's set-up: makes a folder and works in it, so that tests name plain files. The log goes
 * to "log" in it. */
static char test_folder[] = "/tmp/deeptaxa-io-XXXXXX";
static char start_folder[4096];

static inline int enter_folder(void **state)
{
    (void)state;
    dt_log_quiet(true);
    if (!getcwd(start_folder, sizeof start_folder) || !mkdtemp(test_folder))
        return -1;
    return chdir(test_folder);
}

static inline int leave_folder(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", test_folder);
    return chdir(start_folder) != 0 || system(command) != 0;
}

/* The path of a file of the data that stands beside the project. */
static inline const char *shared_path(char *out, size_t size, const char *name)
{
    const char *shared = getenv("DEEPTAXA_SHARED");
    if (shared && shared[0] == '/')
        snprintf(out, size, "%s/%s", shared, name);
    else
        snprintf(out, size, "%s/%s/%s", start_folder, shared ? shared : "../shared", name);
    return out;
}

static inline void write_bytes(const char *name, const char *bytes, size_t length)
{
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static inline void write_text(const char *name, const char *text)
{
    write_bytes(name, text, strlen(text));
}

static inline void write_gzip(const char *name, const char *bytes, size_t length)
{
    gzFile file = gzopen(name, "wb");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, bytes, (unsigned)length), length);
    assert_int_equal(gzclose(file), Z_OK);
}

/* Starts a log of its own; what it holds afterwards is the caller's to free(). */
static inline void begin_log(void)
{
    unlink("log");
    ASSERT_OK(dt_log_open("/dev/null")); /* takes what was said before */
    ASSERT_OK(dt_log_open("log"));
}

static inline char *end_log(void)
{
    dt_log_close();
    char *text;
    size_t length;
    ASSERT_OK(dt_read_file("log", &text, &length));
    return text;
}

/* How often `part` occurs in `text`. */
static inline int count_of(const char *text, const char *part)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        count++;
    return count;
}

#endif
