#include "data/dataset_build.h"
#include "unit/io/io_test.h"
#include "unit/sequence/small_tokenizer.h"

static dt_status build_files(dt_dataset *dataset, const char *fasta, const char *taxonomy,
                             bool normalize, int threads)
{
    dt_tokenizer *tokenizer = small_tokenizer();
    const dt_dataset_build_options options = {
        .fasta_file = fasta,
        .taxonomy_file = taxonomy,
        .normalize = normalize,
        .threads = threads,
        .tokenizer = tokenizer,
        .tokenizer_json = "{}",
        .tokenizer_name = "small",
    };
    const dt_status status = dt_dataset_build(dataset, &options);
    dt_tokenizer_destroy(tokenizer);
    return status;
}

static dt_status build(dt_dataset *dataset, const char *fasta, const char *taxonomy)
{
    write_text("in.fasta", fasta);
    write_text("in.tsv", taxonomy);
    return build_files(dataset, "in.fasta", "in.tsv", true, 2);
}

static void check_tokens(const dt_dataset *dataset, int64_t i, int32_t count, const int32_t *tokens)
{
    int32_t out[64];
    assert_int_equal(dt_dataset_tokens(dataset, i, 64, out), count);
    assert_memory_equal(out, tokens, (size_t)count * sizeof *tokens);
}

/* Long enough to avoid the warning about short sequences. */
#define BASES "ACGTACGTACGTACGTACGT"

static void same_arrays(const dt_dataset *a, const dt_dataset *b)
{
    assert_int_equal(a->count, b->count);
    const size_t count = (size_t)a->count;
    assert_true(dt_taxonomy_equal(&a->taxonomy, &b->taxonomy));
    assert_memory_equal(a->offsets, b->offsets, (count + 1) * sizeof *a->offsets);
    assert_memory_equal(a->tokens, b->tokens, (size_t)a->offsets[count] * sizeof *a->tokens);
    assert_memory_equal(a->id_offsets, b->id_offsets, (count + 1) * sizeof *a->id_offsets);
    assert_memory_equal(a->ids, b->ids, (size_t)a->id_offsets[count]);
    assert_memory_equal(a->bases, b->bases, count * sizeof *a->bases);
    assert_memory_equal(a->labels, b->labels,
                        count * (size_t)a->taxonomy.tax_ranks * sizeof *a->labels);
}

static void sequences_are_labelled_and_tokenised_in_order(void **state)
{
    (void)state;
    dt_dataset dataset;
    ASSERT_OK(build(&dataset, ">b x\nACGT\n>a\nA\nTG\n",
                    "sequence_id\tdomain\tgenus\nz\tD2\tG0\na\tD1\tG1\nb\tD2\tG2\n"));
    assert_int_equal(dataset.count, 2);
    assert_string_equal(dt_dataset_id(&dataset, 0), "b");
    assert_string_equal(dt_dataset_id(&dataset, 1), "a");
    check_tokens(&dataset, 0, 3, (const int32_t[]){1, 11, 2});
    check_tokens(&dataset, 1, 5, (const int32_t[]){1, 5, 8, 7, 2});
    /* Classes are those of the whole table; G0 matches no sequence. */
    assert_int_equal(dataset.taxonomy.rank[1].classes, 3);
    const int32_t labels[] = {1, 2, 0, 1};
    assert_memory_equal(dataset.labels, labels, sizeof labels);
    assert_string_equal(dataset.fasta_file, "in.fasta");
    assert_string_equal(dataset.taxonomy_file, "in.tsv");
    assert_string_equal(dataset.tokenizer_json, "{}");
    assert_string_equal(dataset.tokenizer_name, "small");
    assert_int_equal(dataset.suffix_count, 1);
    dt_dataset_free(&dataset);
}

static void normalising_is_counted_and_optional(void **state)
{
    (void)state;
    const char *fasta = ">a\nac-guacguacguacguacgu\n>b\nACGTACGTACGTACGTACGT\n>c\n"
                        "..ACGTACGTACGTACGTACGTA--\n";
    const char *taxonomy = "sequence_id\tgenus\na\tG1\nb\tG2\nc\tG2\n";
    dt_dataset dataset;
    begin_log();
    ASSERT_OK(build(&dataset, fasta, taxonomy));
    char *log = end_log();
    check_tokens(&dataset, 0, 7, (const int32_t[]){1, 11, 11, 11, 11, 11, 2});
    check_tokens(&dataset, 2, 8, (const int32_t[]){1, 11, 11, 11, 11, 11, 5, 2});
    assert_int_equal(dt_dataset_bases(&dataset, 0), 20);
    assert_int_equal(dt_dataset_bases(&dataset, 2), 21);
    assert_int_equal(count_of(log, "\n"), 1);
    assert_int_equal(count_of(log,
                              "notice: in.fasta: 5 gap characters ('-', '.') were dropped from "
                              "2 sequences"),
                     1);
    free(log);
    dt_dataset_free(&dataset);
    begin_log();
    ASSERT_OK(build_files(&dataset, "in.fasta", "in.tsv", false, 2));
    log = end_log();
    assert_int_equal(dt_dataset_length(&dataset, 0, 64), 23);
    assert_int_equal(dt_dataset_bases(&dataset, 0), 21);
    assert_int_equal(dt_dataset_bases(&dataset, 2), 25);
    assert_int_equal(count_of(log, "were dropped"), 0);
    assert_int_equal(count_of(log, "in.fasta: 1 of 3 sequences have many tokens unknown to the "
                                   "tokenizer (for example 'a'): are these nucleotides in "
                                   "upper case, with T for U?"),
                     1);
    free(log);
    dt_dataset_free(&dataset);
}

static void sequences_without_a_row_are_unclassified_and_come_last(void **state)
{
    (void)state;
    dt_dataset dataset;
    begin_log();
    ASSERT_OK(build(&dataset,
                    ">a\n" BASES "A\n>new\n" BASES "C\n>b\n" BASES "G\n>newer\n" BASES "T\n",
                    "sequence_id\tdomain\tgenus\na\tX\tX\nb\tZ\t\nc\tZ\tZ\n"));
    char *log = end_log();
    assert_int_equal(count_of(log, "2 of 4 sequences have no row in in.tsv (the first is 'new')"),
                     1);
    assert_int_equal(count_of(log, "1 of 3 rows match no sequence"), 1);
    assert_int_equal(count_of(log, "1 of 6 labels are missing"), 1);
    assert_int_equal(count_of(log, "\n"), 3);
    free(log);
    /* Appended if only they need it (domain), in sorted order if the table has it (genus). */
    const char *domains[] = {"X", "Z", "Unclassified"};
    const char *genera[] = {"Unclassified", "X", "Z"};
    assert_int_equal(dataset.taxonomy.rank[0].classes, 3);
    assert_int_equal(dataset.taxonomy.rank[1].classes, 3);
    for (int i = 0; i < 3; ++i) {
        assert_string_equal(dataset.taxonomy.rank[0].label[i], domains[i]);
        assert_string_equal(dataset.taxonomy.rank[1].label[i], genera[i]);
    }
    const int32_t labels[] = {0, 1, 2, 0, 1, 0, 2, 0};
    assert_memory_equal(dataset.labels, labels, sizeof labels);
    dt_dataset_free(&dataset);
}

static void ranks_of_a_single_class_get_one_notice(void **state)
{
    (void)state;
    dt_dataset dataset;
    begin_log();
    ASSERT_OK(build(&dataset, ">a\n" BASES "A\n>b\n" BASES "C\n",
                    "a\tk__F;p__P;c__1\nb\tk__F;p__P;c__2\n"));
    char *log = end_log();
    assert_int_equal(count_of(log, "notice: only one class"), 1);
    assert_int_equal(count_of(log, "domain ('k__F'), phylum ('p__P')"), 1);
    assert_int_equal(count_of(log, "\n"), 1);
    free(log);
    dt_dataset_free(&dataset);
}

static void annotated_ids_match_their_rows_and_are_kept(void **state)
{
    (void)state;
    dt_dataset dataset;
    begin_log();
    ASSERT_OK(build(&dataset, ">a;size=9;\nA\n>b\nC\n>a;size=2;\nG\n>n;size=1;\nT\n",
                    "sequence_id\tgenus\na\tX\nb\tY\nc\tZ\n"));
    char *log = end_log();
    assert_string_equal(dt_dataset_id(&dataset, 0), "a;size=9;");
    const int32_t labels[] = {0, 1, 0, 3};
    assert_memory_equal(dataset.labels, labels, sizeof labels);
    assert_int_equal(count_of(log,
                              "notice: in.fasta: 2 sequences match a row of in.tsv only without "
                              "annotations such as ';size=1' in their ids (the first is "
                              "'a;size=9;')"),
                     1);
    assert_int_equal(count_of(log, "1 of 4 sequences have no row in in.tsv (the first is "
                                   "'n;size=1;')"),
                     1);
    assert_int_equal(count_of(log, "1 of 3 rows match no sequence"), 1);
    assert_int_equal(count_of(log,
                              "warning: in.fasta: 1 sequences share the row of an earlier one, "
                              "whose id differs only in annotations (the first is "
                              "'a;size=2;')"),
                     1);
    free(log);
    dt_dataset_free(&dataset);
}

static void ranks_are_shown_with_the_first_label_of_each(void **state)
{
    (void)state;
    dt_dataset dataset;
    dt_text text = {0};
    ASSERT_OK(
        build(&dataset, ">b\nA\n>c\nC\n>d\nG\n",
              "a\tBacteria;A1;A2;A3;A4\nb\tBacteria;King2;;\nc\tArchaea;King1;Q;\nd\tB;K;P;\n"));
    ASSERT_OK(dt_dataset_show_ranks(&text, &dataset));
    assert_string_equal(text.data, "Level 0 - domain: 3 labels, such as 'Bacteria'\n"
                                   "Level 1 - phylum: 4 labels, such as 'King2'\n"
                                   "Level 2 - class: 4 labels, such as 'Q'\n"
                                   "Level 3 - order: 2 labels, but no sequence has one\n"
                                   "Level 4 - family: 2 labels, but no sequence has one\n");
    dt_text_free(&text);
    dt_dataset_free(&dataset);
}

static void refuse(const char *fasta, const char *taxonomy, const char *message)
{
    dt_dataset dataset;
    ASSERT_FAILS(DT_ERR_INPUT, message, build(&dataset, fasta, taxonomy));
    assert_null(strchr(dt_error_message(), '\n'));
    assert_null(dataset.tokens);
    assert_null(dataset.tokenizer_json);
    assert_int_equal(dataset.count, 0);
}

static void damaged_input_is_refused_and_the_dataset_empty(void **state)
{
    (void)state;
    const char *taxonomy = "sequence_id\tgenus\na\tG1\nb\tG2\n";
    refuse(">a\nA\n>b\nC\n\n>a\nG\n", taxonomy,
           "in.fasta: line 6: duplicate id 'a', first seen on line 1");
    refuse(">a\nA\n>b\n--\n.\n", taxonomy,
           "in.fasta: line 3: the sequence of 'b' consists of gap characters only");
    refuse(">a\nA\n>b\n", taxonomy, "in.fasta: line 3: the record 'b' has no sequence");
    refuse(">x\nA\n>y\nC\n", taxonomy,
           "in.fasta and in.tsv have no ids in common: their first ids are 'x' and 'a'");
    refuse(">a\nA\n", "sequence_id\tgenus\na\tG1\textra\n", "in.tsv: line 2: the row has 3");
    dt_dataset dataset;
    ASSERT_FAILS(DT_ERR_USAGE, "cannot both come from standard input",
                 build_files(&dataset, "-", "-", true, 1));
    ASSERT_FAILS(DT_ERR_IO, "missing.fasta", build_files(&dataset, "missing.fasta", "-", true, 1));
}

/* 5,000 sequences of mixed lengths: several batches, the last one incomplete. */
static void write_many(const char *fasta, const char *taxonomy, int count, int twice)
{
    FILE *sequences = fopen(fasta, "w");
    FILE *rows = fopen(taxonomy, "w");
    assert_non_null(sequences);
    assert_non_null(rows);
    fprintf(rows, "sequence_id\tgenus\n");
    uint32_t x = 1;
    for (int i = 0; i < count; ++i) {
        fprintf(sequences, ">id%d\n", i == twice ? 7 : i);
        x = x * 1664525u + 1013904223u;
        const int length = 1 + (int)(x >> 24);
        for (int c = 0; c < length; ++c) {
            x = x * 1664525u + 1013904223u;
            fputc("ACGTacgt-N"[(x >> 16) % 10], sequences);
        }
        fprintf(sequences, "A\n");
        fprintf(rows, "id%d\tG%d\n", count - 1 - i, i % 17);
    }
    fclose(sequences);
    fclose(rows);
}

static void dataset_does_not_depend_on_the_threads(void **state)
{
    (void)state;
    write_many("many.fasta", "many.tsv", 5000, -1);
    dt_dataset one;
    ASSERT_OK(build_files(&one, "many.fasta", "many.tsv", true, 1));
    assert_int_equal(one.count, 5000);
    assert_string_equal(dt_dataset_id(&one, 4999), "id4999");
    for (int threads = 2; threads <= 4; ++threads) {
        dt_dataset other;
        ASSERT_OK(build_files(&other, "many.fasta", "many.tsv", true, threads));
        same_arrays(&one, &other);
        dt_dataset_free(&other);
    }
    dt_dataset_free(&one);
}

static void gzip_input_gives_the_same_dataset(void **state)
{
    (void)state;
    write_many("many.fasta", "many.tsv", 3000, -1);
    assert_int_equal(system("gzip -c many.fasta > many.gz && gzip -c many.tsv > table.gz"), 0);
    dt_dataset plain;
    dt_dataset gzipped;
    ASSERT_OK(build_files(&plain, "many.fasta", "many.tsv", true, 2));
    ASSERT_OK(build_files(&gzipped, "many.gz", "table.gz", true, 2));
    same_arrays(&plain, &gzipped);
    dt_dataset_free(&plain);
    dt_dataset_free(&gzipped);
}

static void a_distant_duplicate_id_is_found(void **state)
{
    (void)state;
    write_many("many.fasta", "many.tsv", 5000, 4990);
    for (int threads = 1; threads <= 4; threads += 3) {
        dt_dataset dataset;
        ASSERT_FAILS(DT_ERR_INPUT, "line 9981: duplicate id 'id7', first seen on line 15",
                     build_files(&dataset, "many.fasta", "many.tsv", true, threads));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences_are_labelled_and_tokenised_in_order),
        cmocka_unit_test(normalising_is_counted_and_optional),
        cmocka_unit_test(sequences_without_a_row_are_unclassified_and_come_last),
        cmocka_unit_test(ranks_of_a_single_class_get_one_notice),
        cmocka_unit_test(annotated_ids_match_their_rows_and_are_kept),
        cmocka_unit_test(ranks_are_shown_with_the_first_label_of_each),
        cmocka_unit_test(damaged_input_is_refused_and_the_dataset_empty),
        cmocka_unit_test(dataset_does_not_depend_on_the_threads),
        cmocka_unit_test(gzip_input_gives_the_same_dataset),
        cmocka_unit_test(a_distant_duplicate_id_is_found),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
