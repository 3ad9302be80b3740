/* Feeds a fuzz target the files of its corpus, without a fuzzer:
 *
 *     fuzz_NAME [--mutations N] FILE|FOLDER …
 *
 * With --mutations each file is followed by N changed ones, always the same: a short test of the
 * target where there is no clang. The paths are those of files or of folders of files. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/memory.h"
#include "fuzz.h"

#pragma weak LLVMFuzzerCustomMutator

static uint64_t random_state = 1;
static long mutations, runs;

static size_t below(size_t limit)
{
    return (size_t)(fuzz_random(&random_state) % limit);
}

/* One change of those of libFuzzer: bits, bytes, a part removed, repeated or overwritten. */
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t most)
{
    const size_t at = size ? below(size) : 0;
    const size_t part = size ? 1 + below(size - at < 64 ? size - at : 64) : 0;
    switch (below(6)) {
    case 0:
        if (size > 0)
            bytes[at] ^= (uint8_t)(1u << below(8));
        return size;
    case 1:
        if (size > 0)
            bytes[at] = (uint8_t)below(256);
        return size;
    case 2: /* a number of a border: 0, 1, -1, the largest */
        for (size_t i = 0; i < part && i < 8; ++i)
            bytes[at + i] = (uint8_t)(0 - below(2));
        return size;
    case 3:
        memmove(bytes + at, bytes + at + part, size - at - part);
        return size - part;
    case 4:
        if (part > most - size)
            return size;
        memmove(bytes + at + part, bytes + at, size - at);
        return size + part;
    default:
        if (size > 0)
            memmove(bytes + at, bytes + below(size - part + 1), part);
        return size;
    }
}

static void run_one(const uint8_t *bytes, size_t size)
{
    runs++;
    LLVMFuzzerTestOneInput(bytes, size);
}

/* `room`: bytes of the buffer. */
static void run_mutations(const char *bytes, size_t size, uint8_t *buffer, size_t room)
{
    for (long i = 0; i < mutations; ++i) {
        size_t length = size;
        memcpy(buffer, bytes, size);
        for (size_t change = 0; change <= below(4); ++change)
            length = LLVMFuzzerCustomMutator
                         ? LLVMFuzzerCustomMutator(buffer, length, room,
                                                   (unsigned int)fuzz_random(&random_state))
                         : LLVMFuzzerMutate(buffer, length, room);
        uint8_t *exact = malloc(length ? length : 1); /* so that a sanitizer sees what is beyond */
        FUZZ_CHECK(exact != NULL);
        memcpy(exact, buffer, length);
        run_one(exact, length);
        free(exact);
    }
}

static int run_file(const char *path)
{
    char *bytes;
    size_t size;
    if (dt_read_file(path, &bytes, &size) != DT_OK) {
        fprintf(stderr, "%s\n", dt_error_message());
        return 1;
    }
    const size_t room = 2 * size + 4096;
    uint8_t *buffer = malloc(room);
    FUZZ_CHECK(buffer != NULL);
    run_one((const uint8_t *)bytes, size);
    run_mutations(bytes, size, buffer, room);
    free(buffer);
    free(bytes);
    return 0;
}

static int run_path(const char *path)
{
    struct stat info;
    struct dirent **entry;
    int failed = 0;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
        return run_file(path);
    const int count = scandir(path, &entry, NULL, alphasort);
    for (int i = 0; i < count; ++i) {
        char name[PATH_MAX];
        snprintf(name, sizeof name, "%s/%s", path, entry[i]->d_name);
        if (entry[i]->d_name[0] != '.' && run_file(name) != 0)
            failed = 1;
        free(entry[i]);
    }
    free(entry);
    return failed || count < 0;
}

int main(int argc, char **argv)
{
    int failed = 0;
    for (int i = 1; i < argc; ++i)
        if (strcmp(argv[i], "--mutations") == 0 && i + 1 < argc)
            mutations = strtol(argv[++i], NULL, 10);
        else if (run_path(argv[i]) != 0)
            failed = 1;
    printf("%ld inputs\n", runs);
    return failed || runs == 0;
}
