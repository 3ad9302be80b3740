/* deeptaxa extract: the amplicons of a primer pair, cut out of reference sequences. */
#include "cli/extract_options.h"

#include <stdlib.h>
#include <string.h>

#include "cli/threads.h"
#include "core/clock.h"
#include "core/log.h"
#include "data/dataset_build.h"
#include "data/identical.h"
#include "data/sequence_reader.h"
#include "io/output.h"
#include "sequence/primer.h"

#define MOST_COUNTED 65536 /* lengths from here on are counted as one */

typedef struct {
    const dt_extract_options *options;
    dt_fasta *input;
    dt_primer_search *search;
    const char *taxonomy_file; /* NULL: none; that of the sequences: lineages in their headers */
    dt_taxonomy_table table;   /* with taxonomy_file */
    dt_identical *identical;
    dt_output fasta;
    dt_output taxonomy; /* with --output-taxonomy */
    bool fasta_begun, taxonomy_begun;
    dt_text ids; /* --identical common: ids of the different amplicons, each with its '\0' */

    int64_t sequences, bases, written, reversed, without_row;
    char without_row_example[128];
    int64_t results[DT_AMPLICON_RESULTS];
    int64_t mismatches[2][DT_MAX_MISMATCHES + 1];
    int64_t lengths[MOST_COUNTED + 1];
} extraction;

/* ---- output ---------------------------------------------------------------------------------- */

static void put_header(extraction *x)
{
    const dt_taxonomy *taxonomy = &x->table.taxonomy;
    dt_output_text(&x->taxonomy, "sequence_id");
    for (int32_t r = 0; r < taxonomy->tax_ranks; ++r) {
        dt_output_char(&x->taxonomy, '\t');
        dt_output_cell(&x->taxonomy, taxonomy->rank[r].name, strlen(taxonomy->rank[r].name));
    }
    dt_output_char(&x->taxonomy, '\n');
}

/* Writes the first `ranks` labels of a row; the others are unclassified. */
static void put_lineage(extraction *x, const char *id, int64_t row, int32_t ranks)
{
    const dt_taxonomy *taxonomy = &x->table.taxonomy;
    dt_output_cell(&x->taxonomy, id, strlen(id));
    for (int32_t r = 0; r < taxonomy->tax_ranks; ++r) {
        const int32_t label = x->table.labels[row * taxonomy->tax_ranks + r];
        const char *text = r < ranks ? taxonomy->rank[r].label[label] : DT_UNCLASSIFIED;
        dt_output_char(&x->taxonomy, '\t');
        dt_output_cell(&x->taxonomy, text, strlen(text));
    }
    dt_output_char(&x->taxonomy, '\n');
}

static void put_record(extraction *x, const dt_fasta_record *record)
{
    dt_output_char(&x->fasta, '>');
    dt_output_bytes(&x->fasta, record->id.data, record->id.length);
    if (record->description.length > 0) {
        dt_output_char(&x->fasta, ' ');
        dt_output_bytes(&x->fasta, record->description.data, record->description.length);
    }
    dt_output_char(&x->fasta, '\n');
    dt_output_bytes(&x->fasta, record->sequence.data, record->sequence.length);
    dt_output_char(&x->fasta, '\n');
    x->written++;
}

/* --identical common: the lineages are known at the end alone. */
static void put_common_lineages(extraction *x)
{
    const char *id = x->ids.data;
    for (int32_t i = 0; i < dt_identical_count(x->identical); ++i) {
        const int64_t row = dt_identical_row(x->identical, i);
        if (row >= 0)
            put_lineage(x, id, row, dt_identical_common(x->identical, i));
        id += strlen(id) + 1;
    }
}

/* ---- sequences ------------------------------------------------------------------------------- */

static int64_t find_row(extraction *x, const dt_fasta_record *record)
{
    if (!x->taxonomy_file)
        return -1;
    const int64_t row = dt_taxonomy_table_find(&x->table, record->id.data, record->id.length);
    if (row < 0 && x->without_row++ == 0)
        snprintf(x->without_row_example, sizeof x->without_row_example, "%s", record->id.data);
    return row;
}

static dt_status add_amplicon(extraction *x, const dt_fasta_record *record,
                              const dt_amplicon *amplicon)
{
    const dt_text *sequence = &record->sequence;
    const dt_identical_rule rule = (dt_identical_rule)x->options->identical;
    const int64_t row = find_row(x, record);
    dt_identity identity;
    x->reversed += amplicon->reversed;
    x->lengths[sequence->length < MOST_COUNTED ? sequence->length : MOST_COUNTED]++;
    for (int p = 0; p < 2; ++p)
        x->mismatches[p][amplicon->mismatches[p]]++;
    DT_TRY(dt_identical_add(x->identical, sequence->data, sequence->length, row, &identity));
    if ((rule == DT_IDENTICAL_MERGE && !identity.new_lineage) ||
        (rule == DT_IDENTICAL_COMMON && !identity.new_sequence))
        return DT_OK;
    put_record(x, record);
    if (rule == DT_IDENTICAL_COMMON)
        return dt_text_add(&x->ids, record->id.data, record->id.length + 1);
    if (x->options->output_taxonomy && row >= 0)
        put_lineage(x, record->id.data, row, x->table.taxonomy.tax_ranks);
    return DT_OK;
}

static dt_status add_block(void *context, dt_sequence_block *block)
{
    extraction *x = context;
    for (int32_t i = 0; i < block->count; ++i) {
        const dt_amplicon *amplicon = &block->amplicon[i];
        x->sequences++;
        x->results[amplicon->result]++;
        if (amplicon->result == DT_AMPLICON_FOUND)
            DT_TRY(add_amplicon(x, &block->record[i], amplicon));
    }
    return x->fasta.error ? dt_output_flush(&x->fasta) : DT_OK;
}

/* ---- summary --------------------------------------------------------------------------------- */

static void tell(const char *what, int64_t count, int64_t of)
{
    char number[DT_NUMBER_SIZE];
    if (count > 0)
        dt_info("  %-42s %12s  %5.1f %%", what, dt_with_commas(count, number),
                100.0 * (double)count / (double)of);
}

/* Returns the length that a share of the amplicons does not exceed. */
static int64_t length_quantile(const extraction *x, double share)
{
    const double wanted = share * (double)x->results[DT_AMPLICON_FOUND];
    int64_t count = 0;
    int64_t length = 0;
    while (length < MOST_COUNTED && (double)(count += x->lengths[length]) < wanted)
        ++length;
    return length;
}

static void tell_mismatches(const extraction *x, int primer)
{
    dt_text text = {0};
    dt_status status = DT_OK;
    for (int m = 0; m <= DT_MAX_MISMATCHES && status == DT_OK; ++m)
        if (x->mismatches[primer][m] > 0)
            status = dt_text_addf(&text, "%s%d: %.1f %%", text.length ? ", " : "", m,
                                  100.0 * (double)x->mismatches[primer][m] /
                                      (double)x->results[DT_AMPLICON_FOUND]);
    if (status == DT_OK)
        dt_info("mismatches in the %s primer: %s", primer ? "reverse" : "forward", text.data);
    dt_text_free(&text);
}

/* Identical amplicons whose lineages differ, by the first rank that does. */
static void tell_disagreement(const extraction *x)
{
    const dt_taxonomy *taxonomy = &x->table.taxonomy;
    int64_t first[DT_MAX_TAX_RANKS + 1] = {0};
    int64_t all = 0;
    const int32_t count = dt_identical_count(x->identical);
    for (int32_t i = 0; i < count; ++i)
        first[dt_identical_common(x->identical, i)]++;
    for (int32_t r = 0; r < taxonomy->tax_ranks; ++r)
        all += first[r];
    if (all == 0)
        return;
    dt_info("amplicons that belong to several lineages, by the first rank that differs:");
    for (int32_t r = 0; r < taxonomy->tax_ranks; ++r)
        tell(taxonomy->rank[r].name, first[r], count);
}

static void tell_all(const extraction *x, double seconds)
{
    static const char *const reasons[DT_AMPLICON_RESULTS] = {
        [DT_AMPLICON_FOUND] = "amplicons",
        [DT_AMPLICON_NO_FORWARD] = "without the forward primer",
        [DT_AMPLICON_NO_REVERSE] = "without the reverse primer",
        [DT_AMPLICON_NO_PRIMER] = "without both primers",
        [DT_AMPLICON_ORDER] = "primers in the wrong order",
        [DT_AMPLICON_TOO_SHORT] = "shorter than --min-length",
        [DT_AMPLICON_TOO_LONG] = "longer than --max-length"};
    const int64_t found = x->results[DT_AMPLICON_FOUND];
    const dt_region *region = x->options->region ? dt_region_find(x->options->region) : NULL;
    if (region)
        dt_info("primers: %s, %s (%s)", region->forward, region->reverse, region->source);
    tell("sequences", x->sequences, x->sequences);
    for (int r = 0; r < DT_AMPLICON_RESULTS; ++r)
        tell(reasons[r], x->results[r], x->sequences);
    tell("amplicons of the other strand", x->reversed, found);
    tell("different amplicons", dt_identical_count(x->identical), found);
    dt_info("length in bases: %lld (5 %%), %lld (median), %lld (95 %%), at most %lld",
            (long long)length_quantile(x, 0.05), (long long)length_quantile(x, 0.5),
            (long long)length_quantile(x, 0.95), (long long)length_quantile(x, 1.0));
    tell_mismatches(x, 0);
    tell_mismatches(x, 1);
    tell_disagreement(x);
    if (x->without_row > 0)
        dt_warn("%lld amplicons, such as '%s', are not in %s", (long long)x->without_row,
                x->without_row_example, x->taxonomy_file);
    dt_info("wrote %lld amplicons to %s in %.1f s", (long long)x->written, x->options->output_file,
            seconds);
}

/* ---- command --------------------------------------------------------------------------------- */

static int most_mismatches(const dt_extract_options *options, const char *primer)
{
    return dt_option_given(&options->parsed, "max-mismatch")
               ? (int)options->max_mismatch
               : dt_primer_mismatches(primer, options->identity);
}

static dt_status create_search(const dt_extract_options *options, dt_primer_search **search)
{
    static const int strands[] = {[DT_READ_BOTH] = DT_STRAND_BOTH,
                                  [DT_READ_FORWARD] = DT_STRAND_FORWARD,
                                  [DT_READ_REVERSE] = DT_STRAND_REVERSE};
    dt_primer_pair pair = {options->forward_primer, options->reverse_primer,
                           .strands = strands[options->read_orientation]};
    if (options->region) {
        const dt_region *region = dt_region_find(options->region);
        pair.forward = region->forward;
        pair.reverse = region->reverse;
    }
    pair.most_mismatches[0] = most_mismatches(options, pair.forward);
    pair.most_mismatches[1] = most_mismatches(options, pair.reverse);
    return dt_primer_search_create(search, &pair);
}

static dt_status begin_output(extraction *x)
{
    const dt_extract_options *options = x->options;
    dt_remove_unfinished_beside(options->output_file);
    DT_TRY(dt_output_begin(&x->fasta, options->output_file));
    x->fasta_begun = true;
    if (!options->output_taxonomy)
        return DT_OK;
    dt_remove_unfinished_beside(options->output_taxonomy);
    DT_TRY(dt_output_begin(&x->taxonomy, options->output_taxonomy));
    x->taxonomy_begun = true;
    put_header(x);
    return DT_OK;
}

static dt_status finish_output(extraction *x)
{
    if (x->taxonomy_begun) {
        if (x->options->identical == DT_IDENTICAL_COMMON)
            put_common_lineages(x);
        x->taxonomy_begun = false;
        DT_TRY(dt_output_commit(&x->taxonomy));
    }
    x->fasta_begun = false;
    return dt_output_commit(&x->fasta);
}

static dt_status check_found(const extraction *x)
{
    if (x->results[DT_AMPLICON_FOUND] > 0)
        return DT_OK;
    return dt_fail(DT_ERR_INPUT,
                   "%s: no amplicon in %lld sequences: %lld lack the forward primer, %lld the "
                   "reverse one, %lld both; check the primers (both 5' to 3'), their order and "
                   "--identity",
                   dt_fasta_name(x->input), (long long)x->sequences,
                   (long long)x->results[DT_AMPLICON_NO_FORWARD],
                   (long long)x->results[DT_AMPLICON_NO_REVERSE],
                   (long long)x->results[DT_AMPLICON_NO_PRIMER]);
}

static dt_status extract(extraction *x)
{
    const dt_extract_options *options = x->options;
    char note[DT_THREAD_NOTE];
    int threads;
    DT_TRY(dt_plan_threads(&(dt_thread_wish){.asked = options->threads, .ranks = {1, 1}}, &threads,
                           note));
    DT_TRY(create_search(options, &x->search));
    DT_TRY(dt_fasta_open(&x->input, options->fasta_file));
    if (x->taxonomy_file) {
        DT_TRY(dt_check_standard_input(options->fasta_file, x->taxonomy_file, NULL));
        DT_TRY(dt_taxonomy_table_for(&x->table, x->taxonomy_file, options->fasta_file));
    }
    DT_TRY(dt_identical_create(&x->identical, x->taxonomy_file ? &x->table : NULL));
    DT_TRY(begin_output(x));
    const dt_cut cut = {.search = x->search,
                        .keep_primers = options->keep_primers,
                        .min_length = options->min_length,
                        .max_length = options->max_length,
                        .trunc_length = options->trunc_length};
    const dt_reading reading = {.normalize = true,
                                .headers = x->table.headers,
                                .cut = &cut,
                                .block_size = DT_BLOCK_SEQUENCES,
                                .threads = threads};
    DT_TRY(dt_read_sequences(x->input, &reading, NULL, add_block, x));
    DT_TRY(check_found(x));
    return finish_output(x);
}

static void free_extraction(extraction *x)
{
    if (x->fasta_begun)
        dt_output_discard(&x->fasta);
    if (x->taxonomy_begun)
        dt_output_discard(&x->taxonomy);
    dt_identical_destroy(x->identical);
    dt_taxonomy_table_free(&x->table);
    dt_text_free(&x->ids);
    dt_fasta_close(x->input);
    dt_primer_search_destroy(x->search);
    free(x);
}

static dt_status run(const void *parsed)
{
    const double start = dt_seconds();
    extraction *x;
    DT_TRY(DT_NEW(x, 1));
    x->options = parsed;
    x->taxonomy_file = x->options->taxonomy_file;
    if (x->options->output_taxonomy && !x->taxonomy_file)
        x->taxonomy_file = x->options->fasta_file;
    const dt_status status = extract(x);
    if (status == DT_OK)
        tell_all(x, dt_seconds() - start);
    free_extraction(x);
    return status;
}

int main(int argc, char **argv)
{
    dt_extract_options options;
    return dt_command_main(&dt_extract_command, argc, argv, &options, run);
}
