#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/log.h"
#include "core/printable.h"

static int descriptor[FUZZ_FILES] = {-1, -1, -1, -1};
static char folder[64];

/* What libhdf5 1.10 loses when a file is damaged is not ours. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5\n";
}

/* An input frees little: a longer memory of what was freed, and of where, costs more than the input. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=8:malloc_context_size=6";
}

_Noreturn void fuzz_broken(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: broken: %s (message: %s)\n", file, line, what, dt_error_message());
    abort();
}

int fuzz_descriptor(int number)
{
    return descriptor[number];
}

const char *fuzz_file(int number, const void *bytes, size_t size)
{
    static char path[FUZZ_FILES][32];
    int *file = &descriptor[number];
    if (*file < 0) {
        dt_log_quiet(true);
        *file = memfd_create("input", MFD_CLOEXEC);
        FUZZ_CHECK(*file >= 0);
        snprintf(path[number], sizeof path[number], "/proc/self/fd/%d", *file);
    }
    FUZZ_CHECK(pwrite(*file, bytes, size, 0) == (ssize_t)size);
    FUZZ_CHECK(ftruncate(*file, (off_t)size) == 0);
    return path[number];
}

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command) != 0)
        fprintf(stderr, "cannot remove %s\n", folder);
}

const char *fuzz_folder(void)
{
    if (folder[0])
        return folder;
    strcpy(folder, "/dev/shm/deeptaxa-fuzz-XXXXXX");
    if (!mkdtemp(folder)) {
        strcpy(folder, "/tmp/deeptaxa-fuzz-XXXXXX");
        FUZZ_CHECK(mkdtemp(folder) != NULL);
    }
    atexit(remove_folder);
    return folder;
}

/* Checks that a text has no control characters. */
static void check_printable(const char *text)
{
    size_t plain = 0;
    while (text[plain] >= ' ' && text[plain] < 0x7f)
        plain++;
    if (!text[plain]) /* nearly all */
        return;
    char *copy = strdup(text);
    FUZZ_CHECK(copy != NULL);
    dt_make_printable(copy, false);
    FUZZ_CHECK(strcmp(copy, text) == 0);
    free(copy);
}

bool fuzz_succeeded(dt_status status)
{
    if (status == DT_OK)
        return true;
    const char *message = dt_error_message();
    FUZZ_CHECK(message[0] != '\0');
    check_printable(message);
    FUZZ_CHECK(status != DT_ERR_INTERNAL);
    return false;
}
