#include "data/dataset_build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/utf8.h"
#include "data/fingerprints.h"
#include "data/same_data.h"
#include "data/sequence_reader.h"
#include "data/token_shares.h"
#include "taxonomy/taxonomy_table.h"

typedef struct {
    const dt_dataset_build_options *options;
    dt_dataset *dataset;
    dt_taxonomy_table table;
    dt_fasta *fasta;
    int64_t *kmers; /* (DT_STRAND_KMERS) of the sequences; NULL: a strand profile is given */
    dt_reading_counts counts;

    dt_strmap *sequence_of_id;
    uint32_t *letters; /* (count) hashes of the sequences as read; only with several processes */
    int64_t *lines;    /* (count) line of each header in the FASTA file */
    int64_t with_row;
    bool *row_used;    /* (rows) matches a sequence */
    int64_t rows_used; /* sequences whose ids differ in annotations may share a row */
    dt_bare_matches bare_matches;
    int64_t first_without_row;
    int64_t first_sharing; /* first sequence whose row an earlier one has used; -1: none */
    dt_judgement judgement;

    /* capacities of the arrays */
    size_t tokens_capacity, offsets_capacity, bases_capacity, labels_capacity, ids_capacity,
        id_offsets_capacity, lines_capacity, letters_capacity;
} builder;

/* ---- appending to the dataset, in the order of the file ---- */

static dt_status append_id(builder *b, const dt_fasta_record *record)
{
    dt_dataset *dataset = b->dataset;
    const int64_t i = dataset->count;
    if (i == INT32_MAX)
        return dt_fail(DT_ERR_INPUT, "%s: more than %d sequences", dt_fasta_name(b->fasta),
                       INT32_MAX);
    int32_t other;
    int added;
    DT_TRY(dt_strmap_add(b->sequence_of_id, record->id.data, record->id.length, (int32_t)i, &other,
                         &added));
    if (!added)
        return dt_fail(DT_ERR_INPUT,
                       "%s: line %lld: duplicate id '%.100s', first seen on line %lld; ids must be "
                       "unique",
                       dt_fasta_name(b->fasta), (long long)record->line, record->id.data,
                       (long long)b->lines[other]);
    const size_t begin = (size_t)dataset->id_offsets[i];
    const size_t end = begin + record->id.length + 1;
    DT_TRY(DT_GROW(b->lines, b->lines_capacity, (size_t)i + 1));
    DT_TRY(DT_GROW(dataset->id_offsets, b->id_offsets_capacity, (size_t)i + 2));
    DT_TRY(DT_GROW(dataset->ids, b->ids_capacity, end));
    memcpy(dataset->ids + begin, record->id.data, end - begin);
    dataset->id_offsets[i + 1] = (int64_t)end;
    b->lines[i] = record->line;
    return DT_OK;
}

/* A sequence without a row gets the class -1, which finish_labels() replaces. */
static dt_status append_labels(builder *b, const dt_fasta_record *record)
{
    const size_t tax_ranks = (size_t)b->table.taxonomy.tax_ranks;
    const size_t at = (size_t)b->dataset->count * tax_ranks;
    DT_TRY(DT_GROW(b->dataset->labels, b->labels_capacity, at + tax_ranks));
    const int64_t row = dt_taxonomy_table_find(&b->table, record->id.data, record->id.length);
    for (size_t r = 0; r < tax_ranks; ++r)
        b->dataset->labels[at + r] = row < 0 ? -1 : b->table.labels[(size_t)row * tax_ranks + r];
    if (row < 0 && b->first_without_row < 0)
        b->first_without_row = b->dataset->count;
    if (row >= 0) {
        b->with_row++;
        b->rows_used += !b->row_used[row];
        if (b->row_used[row] && b->first_sharing < 0)
            b->first_sharing = b->dataset->count;
        b->row_used[row] = true;
        dt_bare_matches_add(&b->bare_matches, &b->table, record->id.data, record->id.length);
    }
    return DT_OK;
}

static dt_status keep_tokens(builder *b, const uint16_t *tokens, size_t begin, size_t end)
{
    dt_dataset *dataset = b->dataset;
    if (dataset->token_file) {
        if (fwrite(tokens, sizeof *tokens, end - begin, dataset->token_file) == end - begin)
            return DT_OK;
        return dt_fail(DT_ERR_IO, "%s: cannot write a temporary file: %s", b->options->token_folder,
                       strerror(errno));
    }
    DT_TRY(DT_GROW(dataset->tokens, b->tokens_capacity, end));
    if (end > begin) /* otherwise another process has them, and `tokens` may be NULL */
        memcpy(dataset->tokens + begin, tokens, (end - begin) * sizeof *tokens);
    return DT_OK;
}

static dt_status append_tokens(builder *b, const uint16_t *tokens, int32_t count, int32_t bases)
{
    dt_dataset *dataset = b->dataset;
    const size_t begin = (size_t)dataset->offsets[dataset->count];
    const size_t end = begin + (size_t)count;
    DT_TRY(DT_GROW(dataset->offsets, b->offsets_capacity, (size_t)dataset->count + 2));
    DT_TRY(DT_GROW(dataset->bases, b->bases_capacity, (size_t)dataset->count + 1));
    DT_TRY(keep_tokens(b, tokens, begin, end));
    dataset->offsets[dataset->count + 1] = (int64_t)end;
    dataset->bases[dataset->count] = bases;
    return DT_OK;
}

static bool is_shared(const builder *b)
{
    return b->options->comm && b->options->comm->world_size > 1;
}

static dt_status append_letters(builder *b, uint32_t hash)
{
    const size_t i = (size_t)b->dataset->count;
    if (!is_shared(b))
        return DT_OK;
    DT_TRY(DT_GROW(b->letters, b->letters_capacity, i + 1));
    b->letters[i] = hash;
    return DT_OK;
}

static dt_status append_block(void *context, dt_sequence_block *block)
{
    builder *b = context;
    for (int32_t i = 0; i < block->count; ++i) {
        const dt_fasta_record *record = &block->record[i];
        const uint16_t *tokens = block->tokens + block->token_begin[i];
        const bool mine = dt_owns_tokens(b->options->comm, block->first + i);
        DT_TRY(append_id(b, record));
        DT_TRY(append_letters(b, block->letters[i]));
        DT_TRY(append_labels(b, record));
        DT_TRY(append_tokens(b, tokens, block->token_count[i],
                             mine ? (int32_t)record->sequence.length : 0));
        if (mine)
            dt_judgement_add(&b->judgement, &block->judged[i], block->first + i, record->id.data);
        b->dataset->count++;
    }
    return DT_OK;
}

static dt_status read_sequences(builder *b)
{
    const dt_dataset_build_options *options = b->options;
    return dt_read_sequences(b->fasta,
                             &(dt_reading){.normalize = options->normalize,
                                           .amplicons = options->amplicons,
                                           .headers = b->table.headers,
                                           .strand = options->strand,
                                           .tokenizer = options->tokenizer,
                                           .block_size = DT_BLOCK_SEQUENCES,
                                           .threads = options->threads,
                                           .comm = options->comm,
                                           .kmers = b->kmers},
                             &b->counts, append_block, b);
}

/* ---- completing the dataset ---- */

static dt_status join_judgements(dt_judgement *judgement, dt_comm *comm)
{
    dt_judgement *all;
    DT_TRY(DT_NEW(all, (size_t)comm->world_size));
    const dt_status status = dt_gather_all(comm, judgement, sizeof *judgement, all);
    *judgement = (dt_judgement){0};
    for (int32_t q = 0; status == DT_OK && q < comm->world_size; ++q)
        dt_judgement_merge(judgement, &all[q]);
    free(all);
    return status;
}

/* Before the tokens are exchanged: afterwards all processes have the same ones, whatever each has
 * read. */
static dt_status check_same_data(const builder *b)
{
    const dt_dataset_build_options *options = b->options;
    dt_fingerprints sequences;
    if (!is_shared(b))
        return DT_OK;
    DT_TRY(dt_fingerprints_of(&sequences, b->dataset));
    const dt_status status =
        dt_same_data(options->comm, b->dataset, &sequences, b->letters, options->agreed);
    dt_fingerprints_free(&sequences);
    return status;
}

/* Adds the tokens and counts of the other processes. */
static dt_status join_shares(builder *b)
{
    dt_comm *comm = b->options->comm;
    if (!comm)
        return DT_OK;
    double counts[] = {(double)b->counts.gaps, (double)b->counts.gapped_sequences,
                       (double)b->counts.reversed};
    DT_TRY(comm->ops->sum(comm, counts, 3));
    b->counts.gaps = (int64_t)counts[0];
    b->counts.gapped_sequences = (int64_t)counts[1];
    b->counts.reversed = (int64_t)counts[2];
    DT_TRY(join_judgements(&b->judgement, comm));
    return dt_token_shares_join(b->dataset, comm, b->options->everywhere, b->options->agreed);
}

/* Learns the profile from the sequences of all processes. */
static dt_status learn_strand(builder *b, dt_strand_profile *profile)
{
    dt_comm *comm = b->options->comm;
    int64_t *kmers = b->kmers;
    double *sum;
    dt_status status = DT_OK;
    if (comm) {
        DT_TRY(DT_NEW(sum, DT_STRAND_KMERS));
        for (int32_t x = 0; x < DT_STRAND_KMERS; ++x)
            sum[x] = (double)kmers[x];
        status = comm->ops->sum(comm, sum, DT_STRAND_KMERS);
        for (int32_t x = 0; x < DT_STRAND_KMERS; ++x)
            kmers[x] = (int64_t)sum[x];
        free(sum);
    }
    dt_strand_profile_of(profile, kmers);
    return status;
}

static dt_status finish_strand(builder *b)
{
    dt_strand_info *strand = &b->dataset->strand;
    DT_TRY(DT_NEW(strand->profile, 1));
    strand->sorted = b->options->strand != NULL;
    strand->reoriented = b->counts.reversed;
    if (!strand->sorted)
        return learn_strand(b, strand->profile);
    *strand->profile = *b->options->strand;
    return DT_OK;
}

static dt_status check_ids_match(const builder *b)
{
    if (b->with_row > 0)
        return DT_OK;
    return dt_fail(
        DT_ERR_INPUT, "%s and %s have no ids in common: their first ids are '%.100s' and '%.100s'",
        dt_fasta_name(b->fasta), b->table.path, dt_dataset_id(b->dataset, 0), b->table.first_id);
}

/* Copies a rank of the table's taxonomy; adds `Unclassified` as the last label if sequences
 * without a row need it and the table does not have it. */
static dt_status copy_rank(builder *b, const dt_tax_rank *rank, bool needs_unclassified)
{
    const char **labels;
    DT_TRY(DT_NEW(labels, (size_t)rank->classes + 1));
    memcpy(labels, rank->label, (size_t)rank->classes * sizeof *labels);
    int32_t classes = rank->classes;
    if (needs_unclassified &&
        dt_strmap_find(rank->index, DT_UNCLASSIFIED, strlen(DT_UNCLASSIFIED)) < 0)
        labels[classes++] = DT_UNCLASSIFIED;
    const dt_status status =
        dt_taxonomy_add_rank(&b->dataset->taxonomy, rank->name, classes, labels);
    free(labels);
    return status;
}

static dt_status finish_labels(builder *b)
{
    dt_dataset *dataset = b->dataset;
    const int32_t tax_ranks = b->table.taxonomy.tax_ranks;
    const bool needs_unclassified = b->with_row < dataset->count;
    int32_t unclassified[DT_MAX_TAX_RANKS];
    for (int32_t r = 0; r < tax_ranks; ++r) {
        DT_TRY(copy_rank(b, &b->table.taxonomy.rank[r], needs_unclassified));
        unclassified[r] = dt_taxonomy_class(&dataset->taxonomy, r, DT_UNCLASSIFIED);
    }
    for (int64_t i = 0; needs_unclassified && i < dataset->count; ++i)
        for (int32_t r = 0; r < tax_ranks; ++r)
            if (dataset->labels[i * tax_ranks + r] < 0)
                dataset->labels[i * tax_ranks + r] = unclassified[r];
    return DT_OK;
}

static dt_status report_single_classes(const dt_taxonomy *taxonomy)
{
    dt_text names = {0};
    dt_status status = DT_OK;
    for (int32_t r = 0; r < taxonomy->tax_ranks && status == DT_OK; ++r)
        if (taxonomy->rank[r].classes == 1)
            status = dt_text_addf(&names, "%s%s ('%s')", names.length ? ", " : "",
                                  taxonomy->rank[r].name, taxonomy->rank[r].label[0]);
    if (names.length > 0)
        dt_notice("only one class, hence nothing to learn, at rank %s", names.data);
    dt_text_free(&names);
    return status;
}

static void report_amplicons(const builder *b)
{
    const int64_t *results = b->counts.amplicons;
    const int64_t other = results[DT_AMPLICON_ORDER] + results[DT_AMPLICON_TOO_SHORT];
    int64_t all = 0;
    for (int r = 0; r < DT_AMPLICON_RESULTS; ++r)
        all += results[r];
    if (b->options->amplicons)
        dt_info("%s: %lld of %lld sequences are cut to the amplicon of the primers; the others "
                "are left out: %lld lack the forward primer, %lld the reverse one, %lld both, %lld "
                "have them in the wrong order or too close",
                dt_fasta_name(b->fasta), (long long)results[DT_AMPLICON_FOUND], (long long)all,
                (long long)results[DT_AMPLICON_NO_FORWARD],
                (long long)results[DT_AMPLICON_NO_REVERSE],
                (long long)results[DT_AMPLICON_NO_PRIMER], (long long)other);
}

static dt_status report(const builder *b)
{
    const dt_dataset *dataset = b->dataset;
    const char *fasta = dt_fasta_name(b->fasta);
    const int64_t without_row = dataset->count - b->with_row;
    report_amplicons(b);
    if (b->counts.gaps > 0)
        dt_notice("%s: %lld gap characters ('-', '.') were dropped from %lld sequences", fasta,
                  (long long)b->counts.gaps, (long long)b->counts.gapped_sequences);
    if (b->options->strand)
        dt_info("%s: %lld of %lld sequences were reverse-complemented (--orientation auto)", fasta,
                (long long)b->counts.reversed, (long long)dataset->count);
    if (without_row > 0)
        dt_warn("%s: %lld of %lld sequences have no row in %s (the first is '%.100s'); they are "
                "'" DT_UNCLASSIFIED "' at every rank",
                fasta, (long long)without_row, (long long)dataset->count, b->table.path,
                dt_dataset_id(dataset, b->first_without_row));
    dt_bare_matches_report(&b->bare_matches, &b->table, fasta);
    if (b->with_row > b->rows_used)
        dt_warn("%s: %lld sequences share the row of an earlier one, whose id differs only in "
                "annotations (the first is '%.100s'): remove those that are copies, or training "
                "and validation may share a sequence",
                fasta, (long long)(b->with_row - b->rows_used),
                dt_dataset_id(dataset, b->first_sharing));
    if (b->table.rows > b->rows_used)
        dt_notice("%s: %lld of %lld rows match no sequence%s", b->table.path,
                  (long long)(b->table.rows - b->rows_used), (long long)b->table.rows,
                  b->options->trained ? "" : "; their labels still count as classes");
    dt_judgement_report(&b->judgement, b->options->tokenizer, fasta, b->options->normalize,
                        "remove them");
    return b->options->trained ? DT_OK : report_single_classes(&dataset->taxonomy);
}

/* Frees the unused capacity of an array. */
static void shrink(void *array, size_t count, size_t size)
{
    const size_t bytes = count * size;
    void *smaller = bytes ? realloc(*(void **)array, bytes) : NULL;
    if (smaller)
        *(void **)array = smaller;
}

static void shrink_dataset(dt_dataset *dataset)
{
    const size_t count = (size_t)dataset->count;
    const size_t labels = count * (size_t)dataset->taxonomy.tax_ranks;
    if (!dataset->token_file)
        shrink(&dataset->tokens, (size_t)dataset->offsets[count], sizeof *dataset->tokens);
    shrink(&dataset->offsets, count + 1, sizeof *dataset->offsets);
    shrink(&dataset->bases, count, sizeof *dataset->bases);
    shrink(&dataset->labels, labels, sizeof *dataset->labels);
    shrink(&dataset->ids, (size_t)dataset->id_offsets[count], 1);
    shrink(&dataset->id_offsets, count + 1, sizeof *dataset->id_offsets);
}

/* ---- building ---- */

/* Refuses an input that can be read only once if several processes have to read it. */
static dt_status check_shared(const char *flag, const char *path, const dt_comm *comm)
{
    if (!comm || comm->world_size == 1 || !dt_read_only_once(path))
        return DT_OK;
    return dt_fail(DT_ERR_USAGE,
                   "--%s %s: %s reaches only one of the %d processes; use a file that all of them "
                   "can read",
                   flag, path, strcmp(path, "-") == 0 ? "standard input" : "a pipe",
                   comm->world_size);
}

dt_status dt_check_standard_input(const char *fasta_file, const char *taxonomy_file,
                                  const dt_comm *comm)
{
    if (!taxonomy_file)
        taxonomy_file = fasta_file;
    const bool same = strcmp(fasta_file, taxonomy_file) == 0;
    if (same && strcmp(fasta_file, "-") == 0)
        return dt_fail(DT_ERR_USAGE, "FASTA and taxonomy cannot both come from standard input: "
                                     "name a file with --taxonomy-file");
    if (same && dt_read_only_once(fasta_file))
        return dt_fail(DT_ERR_USAGE,
                       "%s: FASTA and taxonomy cannot both come from one pipe: name a file with "
                       "--taxonomy-file",
                       fasta_file);
    DT_TRY(check_shared("fasta-file", fasta_file, comm));
    return check_shared("taxonomy-file", taxonomy_file, comm);
}

static dt_status open_token_file(builder *b)
{
    const char *folder = b->options->token_folder;
    if (!folder || (b->options->comm && b->options->comm->world_size > 1))
        return DT_OK;
    const int fd = dt_open_unnamed(folder);
    b->dataset->token_file = fd < 0 ? NULL : fdopen(fd, "w+b");
    if (b->dataset->token_file)
        return DT_OK;
    const dt_status status =
        dt_fail(DT_ERR_IO, "%s: cannot create a temporary file: %s", folder, strerror(errno));
    if (fd >= 0)
        close(fd);
    return status;
}

static const char *taxonomy_file(const dt_dataset_build_options *options)
{
    return options->taxonomy_file ? options->taxonomy_file : options->fasta_file;
}

static dt_status prepare(builder *b)
{
    const dt_dataset_build_options *options = b->options;
    dt_dataset *dataset = b->dataset;
    DT_TRY(dt_check_standard_input(options->fasta_file, options->taxonomy_file, options->comm));
    DT_TRY(dt_utf8_copy(&dataset->fasta_file, options->fasta_file));
    DT_TRY(dt_utf8_copy(&dataset->taxonomy_file, taxonomy_file(options)));
    dataset->encoding = dt_tokenizer_encoding(options->tokenizer);
    if (dataset->encoding != DT_ENCODING_ONEHOT)
        DT_TRY(dt_utf8_copy(&dataset->tokenizer_json, options->tokenizer_json));
    DT_TRY(dt_utf8_copy(&dataset->tokenizer_name, options->tokenizer_name));
    dataset->normalized = options->normalize;
    dataset->suffix_count = dt_tokenizer_suffix_count(options->tokenizer);
    DT_TRY(DT_GROW(dataset->offsets, b->offsets_capacity, 1));
    DT_TRY(DT_GROW(dataset->id_offsets, b->id_offsets_capacity, 1));
    dataset->offsets[0] = dataset->id_offsets[0] = 0;
    DT_TRY(dt_strmap_create(&b->sequence_of_id));
    return options->strand ? DT_OK : DT_NEW(b->kmers, DT_STRAND_KMERS);
}

/* The part that each process does by itself. */
static dt_status build_alone(builder *b)
{
    DT_TRY(prepare(b));
    DT_TRY(open_token_file(b));
    DT_TRY(dt_fasta_open(&b->fasta, b->options->fasta_file));
    DT_TRY(dt_taxonomy_table_for(&b->table, taxonomy_file(b->options), b->options->fasta_file));
    DT_TRY(DT_NEW(b->row_used, (size_t)b->table.rows));
    DT_TRY(read_sequences(b));
    DT_TRY(check_ids_match(b));
    DT_TRY(finish_labels(b));
    shrink_dataset(b->dataset);
    return DT_OK;
}

static dt_status build(builder *b)
{
    const dt_dataset_build_options *options = b->options;
    dt_status status = build_alone(b);
    if (options->comm)
        status = dt_agree(options->comm, status, options->agreed);
    DT_TRY(status);
    DT_TRY(check_same_data(b));
    DT_TRY(join_shares(b));
    DT_TRY(finish_strand(b));
    return report(b);
}

static void free_builder(builder *b)
{
    free(b->kmers);
    dt_strmap_destroy(b->sequence_of_id);
    free(b->letters);
    free(b->lines);
    free(b->row_used);
    dt_fasta_close(b->fasta);
    dt_taxonomy_table_free(&b->table);
}

dt_status dt_dataset_build(dt_dataset *dataset, const dt_dataset_build_options *options)
{
    *dataset = (dt_dataset){0};
    builder b = {
        .options = options, .dataset = dataset, .first_without_row = -1, .first_sharing = -1};
    const dt_status status = build(&b);
    free_builder(&b);
    if (status != DT_OK)
        dt_dataset_free(dataset);
    return status;
}
