/* Writes a large set of short sequences as shards, for `train --stream-data`, in the memory of one
 * shard and without a FASTA file.
 *
 *     stream_set --output-dir DIR [--sequences N] [--sequences-per-shard N] [--seed N] [--text 1]
 *
 * Sequences of 100 to 150 bases (--encoding onehot) in 128 species, which halve from rank to rank up
 * to 2 domains. Nine bases of ten are those of the species, so that there is something to learn. The
 * seed determines every byte. With --text 1 it writes the set as set.fasta and set.tsv instead, as
 * input of `prepare`.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/memory.h"
#include "data/shards.h"
#include "random.h"

enum { RANKS = 7, SPECIES = 1 << RANKS, SHORTEST = 100, LONGEST = 150, ID_BYTES = 12 };

static const char *const rank_names[RANKS] = {"domain", "phylum", "class",  "order",
                                              "family", "genus",  "species"};

/* Streams of random numbers (random.h). */
enum { OF_SPECIES = 100, OF_SEQUENCE = 101 };

typedef struct {
    dt_dataset dataset; /* its arrays have room for one shard */
    uint8_t species[SPECIES][LONGEST];
    uint32_t seed;
} maker;

static void make_species(maker *m)
{
    for (uint32_t s = 0; s < SPECIES; ++s) {
        dt_random random = dt_random_begin(m->seed, OF_SPECIES, s);
        for (int t = 0; t < LONGEST; ++t)
            m->species[s][t] = (uint8_t)dt_random_below(&random, 4);
    }
}

/* Adds sequence number i to the part. */
static void make_sequence(maker *m, int64_t i)
{
    dt_dataset *part = &m->dataset;
    const int64_t k = part->count++;
    uint16_t *tokens = part->tokens + part->offsets[k];
    dt_random random = dt_random_begin(m->seed, OF_SEQUENCE, (uint32_t)i);
    const uint32_t species = dt_random_below(&random, SPECIES);
    const int length = SHORTEST + (int)dt_random_below(&random, LONGEST - SHORTEST + 1);
    for (int t = 0; t < length; ++t)
        tokens[t] = m->species[species][t];
    for (int change = 0; change < length / 10; ++change)
        tokens[dt_random_below(&random, (uint32_t)length)] = (uint16_t)dt_random_below(&random, 4);
    part->offsets[k + 1] = part->offsets[k] + length;
    part->bases[k] = length;
    for (int r = 0; r < RANKS; ++r)
        part->labels[k * RANKS + r] = (int32_t)(species >> (RANKS - 1 - r));
    part->id_offsets[k + 1] = part->id_offsets[k] + ID_BYTES;
    snprintf(part->ids + part->id_offsets[k], ID_BYTES, "s%010lld", (long long)i);
}

static dt_status make_part(void *context, int64_t first, int64_t count, dt_dataset *part)
{
    maker *m = context;
    m->dataset.count = 0;
    for (int64_t i = first; i < first + count; ++i)
        make_sequence(m, i);
    *part = m->dataset;
    return DT_OK;
}

static dt_status make_taxonomy(dt_taxonomy *taxonomy)
{
    char text[SPECIES][16];
    const char *labels[SPECIES];
    for (int r = 0; r < RANKS; ++r) {
        for (int c = 0; c < 2 << r; ++c) {
            snprintf(text[c], sizeof text[c], "%c__%03d", rank_names[r][0], c);
            labels[c] = text[c];
        }
        DT_TRY(dt_taxonomy_add_rank(taxonomy, rank_names[r], 2 << r, labels));
    }
    return DT_OK;
}

static dt_status begin(maker *m, size_t per_shard)
{
    dt_dataset *d = &m->dataset;
    d->encoding = DT_ENCODING_ONEHOT;
    d->normalized = true;
    make_species(m);
    DT_TRY(dt_copy_text(&d->tokenizer_name, "onehot"));
    DT_TRY(dt_copy_text(&d->fasta_file, "made"));
    DT_TRY(dt_copy_text(&d->taxonomy_file, "made"));
    DT_TRY(make_taxonomy(&d->taxonomy));
    DT_TRY(DT_NEW(d->tokens, per_shard * LONGEST));
    DT_TRY(DT_NEW(d->offsets, per_shard + 1));
    DT_TRY(DT_NEW(d->bases, per_shard));
    DT_TRY(DT_NEW(d->labels, per_shard * RANKS));
    DT_TRY(DT_NEW(d->id_offsets, per_shard + 1));
    return DT_NEW(d->ids, per_shard * ID_BYTES);
}

static void unmake(maker *m)
{
    m->dataset.count = 0;
    dt_dataset_free(&m->dataset);
}

/* Writes the set as FOLDER/set.fasta and FOLDER/set.tsv instead, to measure `deeptaxa prepare`. */
static dt_status write_text(maker *m, const char *folder, int64_t sequences)
{
    char path[PATH_MAX];
    DT_TRY(dt_make_folder(folder));
    DT_TRY(dt_path(path, sizeof path, "%s/set.fasta", folder));
    FILE *fasta = fopen(path, "w");
    DT_TRY(dt_path(path, sizeof path, "%s/set.tsv", folder));
    FILE *table = fopen(path, "w");
    for (int r = -1; table && r < RANKS; ++r)
        fprintf(table, "%s%c", r < 0 ? "sequence_id" : rank_names[r], r < RANKS - 1 ? '\t' : '\n');
    for (int64_t i = 0; fasta && table && i < sequences; ++i) {
        const dt_dataset *d = &m->dataset;
        m->dataset.count = 0;
        make_sequence(m, i);
        fprintf(fasta, ">%s\n", d->ids);
        for (int64_t t = 0; t < d->offsets[1]; ++t)
            fputc("ACGT"[d->tokens[t]], fasta);
        fputc('\n', fasta);
        fputs(d->ids, table);
        for (int r = 0; r < RANKS; ++r)
            fprintf(table, "\t%s", d->taxonomy.rank[r].label[d->labels[r]]);
        fputc('\n', table);
    }
    const bool failed = !fasta || !table || ferror(fasta) || ferror(table);
    if ((fasta && fclose(fasta) != 0) || (table && fclose(table) != 0) || failed)
        return dt_fail(DT_ERR_IO, "%s: cannot write", folder);
    return DT_OK;
}

static dt_status make(maker *m, const char *folder, int sequences, int per_shard, bool text)
{
    DT_TRY(begin(m, (size_t)per_shard));
    if (text)
        return write_text(m, folder, sequences);
    const dt_shard_parts parts = {.count = sequences, .make = make_part, .context = m};
    return dt_shards_write_parts(folder, &m->dataset, per_shard, &parts);
}

int main(int argc, char **argv)
{
    const char *folder = NULL;
    int sequences = 20000000;
    int per_shard = 8192;
    int seed = 42;
    int text = 0;
    const dt_argument known[] = {
        {.name = "--output-dir", .text = &folder},
        {.name = "--sequences", .number = &sequences, .lowest = 1},
        {.name = "--sequences-per-shard", .number = &per_shard, .lowest = 1},
        {.name = "--seed", .number = &seed},
        {.name = "--text", .number = &text},
    };
    if (!dt_arguments_read(known, sizeof known / sizeof *known, argc, argv))
        return 2;
    if (!folder) {
        fprintf(stderr, "%s: --output-dir is missing\n", argv[0]);
        return 2;
    }
    static maker m;
    const double began = dt_seconds();
    m.seed = (uint32_t)seed;
    const dt_status status = make(&m, folder, sequences, per_shard, text != 0);
    unmake(&m);
    if (status == DT_OK)
        printf("%s: %d sequences in %.1f s\n", folder, sequences, dt_seconds() - began);
    else
        fprintf(stderr, "%s: %s\n", argv[0], dt_error_message());
    return dt_exit_status(status);
}
