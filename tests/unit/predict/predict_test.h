/* What the tests of predict/ share: a small taxonomy and files in a folder of their own. */
#ifndef DT_TESTS_PREDICT_TEST_H
#define DT_TESTS_PREDICT_TEST_H

#include <dirent.h>

#include "taxonomy/taxonomy.h"
#include "unit/io/io_test.h"

/* genus: Bacillus, Listeria, Vibrio; species: five. */
static inline dt_taxonomy small_taxonomy(void)
{
    static const char *const genus[] = {"Bacillus", "Listeria", "Vibrio"};
    static const char *const species[] = {"cereus", "cholerae", "innocua", "subtilis",
                                          "vulnificus"};
    dt_taxonomy taxonomy = {0};
    ASSERT_OK(dt_taxonomy_add_rank(&taxonomy, "genus", 3, genus));
    ASSERT_OK(dt_taxonomy_add_rank(&taxonomy, "species", 5, species));
    return taxonomy;
}

/* Number of files in a folder, hidden ones included. */
static inline int count_files(const char *folder)
{
    int count = 0;
    DIR *entries = opendir(folder);
    assert_non_null(entries);
    for (const struct dirent *entry; (entry = readdir(entries));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(entries);
    return count;
}

static inline char *read_text(const char *path)
{
    char *text;
    size_t length;
    ASSERT_OK(dt_read_file(path, &text, &length));
    return text;
}

#endif
