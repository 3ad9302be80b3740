/* What the parity tests share: fixtures written by the Python scripts beside them, and the data
 * that stands outside the project. */
#ifndef DT_TESTS_PARITY_FIXTURES_H
#define DT_TESTS_PARITY_FIXTURES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define FIXTURES "tests/parity/fixtures/"
#define GOLD_FASTA "/usr/share/microbiomeutil-data/RESOURCES/rRNA16S.gold.fasta"

/* Path of a file of the shared folder: DEEPTAXA_SHARED, or ../shared. */
static inline const char *shared_path(const char *file)
{
    static char path[4096];
    const char *folder = getenv("DEEPTAXA_SHARED");
    snprintf(path, sizeof path, "%s/%s", folder && *folder ? folder : "../shared", file);
    return path;
}

/* FNV-1a, 32 bits, over token ids as two bytes each, the lower one first. */
static inline uint32_t digest(const uint16_t *ids, int32_t count)
{
    uint32_t value = 0x811C9DC5u;
    for (int32_t i = 0; i < count; ++i) {
        value = (value ^ (ids[i] & 255u)) * 0x01000193u;
        value = (value ^ (uint32_t)(ids[i] >> 8)) * 0x01000193u;
    }
    return value;
}

#endif
