#include "data/dataset_check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/printable.h"
#include "taxonomy/spelling.h"

#define HEX "0123456789abcdef"

dt_status dt_dataset_refuse(const char *path, const char *format, ...)
{
    char what[512];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return dt_fail(DT_ERR_INPUT, "%s: %s; run `deeptaxa prepare` again", path, what);
}

/* ---- numbers --------------------------------------------------------------------------------- */

static dt_status check_counts(const dt_dataset_summary *s, const char *path)
{
    const int64_t n = s->sequences_per_shard;
    if (n < 1)
        return dt_dataset_damaged(path, "sequences_per_shard is %" PRId64, n);
    if (s->shards != s->sequences / n + (s->sequences % n != 0))
        return dt_dataset_damaged(
            path, "%" PRId64 " sequences in shards of %" PRId64 " are not %" PRId64 " shards",
            s->sequences, n, s->shards);
    if (s->tokens > 0 && s->sequences == 0)
        return dt_dataset_damaged(path, "%" PRId64 " tokens without sequences", s->tokens);
    return DT_OK;
}

/* ---- texts ----------------------------------------------------------------------------------- */

/* `prefix` and 16 hexadecimal digits. */
static bool is_hash(const char *text, const char *prefix)
{
    const size_t length = strlen(prefix);
    return strncmp(text, prefix, length) == 0 && strlen(text + length) == 16 &&
           strspn(text + length, HEX) == 16;
}

static dt_status check_texts(const dt_dataset *dataset, const dt_dataset_summary *s,
                             const char *path)
{
    const bool onehot = dataset->encoding == DT_ENCODING_ONEHOT;
    if (!is_hash(s->data_checksum, "crc32:"))
        return dt_dataset_damaged(path, "data_checksum is '%s'", s->data_checksum);
    if (onehot ? strcmp(s->tokenizer_hash, "none") != 0 : !is_hash(s->tokenizer_hash, "fnv1a64:"))
        return dt_dataset_damaged(path, "tokenizer_hash is '%s' with encoding %s",
                                  s->tokenizer_hash, dt_encoding_name(dataset->encoding));
    if (onehot && dataset->suffix_count != 0)
        return dt_dataset_damaged(path, "suffix_count is %d with encoding %s",
                                  (int)dataset->suffix_count, dt_encoding_name(dataset->encoding));
    return DT_OK;
}

/* ---- ranks ----------------------------------------------------------------------------------- */

/* Names and labels come from a line of a table, and become parts of lines of others. */
static bool is_name(const char *text)
{
    return text[0] && !dt_has_control(text, strlen(text));
}

static dt_status check_rank(const dt_taxonomy *taxonomy, int32_t r, const char *path)
{
    const dt_tax_rank *rank = &taxonomy->rank[r];
    if (!is_name(rank->name))
        return dt_dataset_damaged(path, "rank %d has the name '%.100s'", (int)r, rank->name);
    for (int32_t q = 0; q < r; ++q) {
        const char *other = taxonomy->rank[q].name;
        if (dt_labels_alike(other, strlen(other), rank->name, strlen(rank->name)))
            return dt_dataset_damaged(path, "two ranks are named '%.100s'", rank->name);
    }
    if (rank->classes < 1)
        return dt_dataset_damaged(path, "rank '%.100s' has no labels", rank->name);
    for (int32_t i = 0; i < rank->classes; ++i)
        if (!is_name(rank->label[i]))
            return dt_dataset_damaged(path, "rank '%.100s' has the label '%.100s'", rank->name,
                                      rank->label[i]);
    return DT_OK;
}

static dt_status check_ranks(const dt_taxonomy *taxonomy, const char *path)
{
    if (taxonomy->tax_ranks < 1)
        return dt_dataset_damaged(path, "it has no taxonomic ranks");
    for (int32_t r = 0; r < taxonomy->tax_ranks; ++r)
        DT_TRY(check_rank(taxonomy, r, path));
    return DT_OK;
}

dt_status dt_dataset_check(const dt_dataset *dataset, const dt_dataset_summary *summary,
                           const char *path)
{
    DT_TRY(check_counts(summary, path));
    DT_TRY(check_texts(dataset, summary, path));
    return check_ranks(&dataset->taxonomy, path);
}
