/* The readers on real files: counts that are known, and gzip against plain. */
#include "data/dataset_build.h"
#include "io/fasta.h"
#include "taxonomy/taxonomy_table.h"
#include "unit/io/io_test.h"
#include "unit/sequence/small_tokenizer.h"

/* Reads the whole file; gives the number of records and of bases, and an FNV-1a hash of all. */
static void read_all(const char *path, int64_t *records, int64_t *bases, uint64_t *hash)
{
    dt_fasta *fasta;
    ASSERT_OK(dt_fasta_open(&fasta, path));
    dt_fasta_record record = {0};
    bool found;
    *records = *bases = 0;
    *hash = 0xcbf29ce484222325u;
    for (;;) {
        ASSERT_OK(dt_fasta_next(fasta, &record, &found));
        if (!found)
            break;
        const dt_text *texts[] = {&record.id, &record.description, &record.sequence};
        for (int t = 0; t < 3; ++t)
            for (size_t i = 0; i <= texts[t]->length; ++i)
                *hash = (*hash ^ (unsigned char)texts[t]->data[i]) * 0x100000001b3u;
        ++*records;
        *bases += (int64_t)record.sequence.length;
    }
    dt_fasta_record_free(&record);
    dt_fasta_close(fasta);
}

static void gold_set_is_read_whole_plain_and_gzipped(void **state)
{
    (void)state;
    int64_t records[2];
    int64_t bases[2];
    uint64_t hash[2];
    read_all(GOLD_FASTA, &records[0], &bases[0], &hash[0]);
    assert_int_equal(records[0], 5181);
    assert_int_equal(bases[0], 7615362);
    assert_int_equal(system("gzip -1 -c " GOLD_FASTA " > gold.gz"), 0);
    read_all("gold.gz", &records[1], &bases[1], &hash[1]);
    assert_int_equal(records[1], records[0]);
    assert_true(hash[0] == hash[1]);
}

static void its_fold_has_its_records(void **state)
{
    (void)state;
    char path[8192];
    int64_t records;
    int64_t bases;
    uint64_t hash;
    read_all(shared_path(path, sizeof path, "data/its-fold0/train.fasta.gz"), &records, &bases,
             &hash);
    assert_int_equal(records, 8285);
    read_all(shared_path(path, sizeof path, "data/its-fold0/test.fasta"), &records, &bases, &hash);
    assert_int_equal(records, 1099);
}

static void its_fold_has_seven_ranks(void **state)
{
    (void)state;
    /* Distinct labels counted with cut and sort. */
    const int32_t training[] = {1, 6, 41, 146, 422, 1722, 6724};
    const int32_t test[] = {1, 6, 30, 103, 258, 495, 340};
    char path[8192];
    dt_taxonomy_table table;
    ASSERT_OK(dt_taxonomy_table_read(
        &table, shared_path(path, sizeof path, "data/its-fold0/train.taxonomy.tsv")));
    assert_int_equal(table.rows, 8285);
    assert_int_equal(table.taxonomy.tax_ranks, 7);
    assert_int_equal(table.missing, 0);
    for (int r = 0; r < 7; ++r)
        assert_int_equal(table.taxonomy.rank[r].classes, training[r]);
    dt_taxonomy_table_free(&table);
    ASSERT_OK(dt_taxonomy_table_read(
        &table, shared_path(path, sizeof path, "data/its-fold0/test.taxonomy.tsv")));
    assert_int_equal(table.rows, 1099);
    assert_int_equal(table.taxonomy.tax_ranks, 7);
    assert_int_equal(table.missing, 829);
    for (int r = 0; r < 7; ++r) /* a rank that some lineage lacks has `Unclassified` beside them */
        assert_int_equal(table.taxonomy.rank[r].classes -
                             (dt_taxonomy_class(&table.taxonomy, r, DT_UNCLASSIFIED) >= 0),
                         test[r]);
    dt_taxonomy_table_free(&table);
}

static void its_fold_becomes_a_dataset(void **state)
{
    (void)state;
    char fasta[8192];
    char taxonomy[8192];
    dt_tokenizer *tokenizer = small_tokenizer();
    const dt_dataset_build_options options = {
        .fasta_file = shared_path(fasta, sizeof fasta, "data/its-fold0/train.fasta.gz"),
        .taxonomy_file =
            shared_path(taxonomy, sizeof taxonomy, "data/its-fold0/train.taxonomy.tsv"),
        .normalize = true,
        .threads = 2,
        .tokenizer = tokenizer,
        .tokenizer_json = "{}",
        .tokenizer_name = "small",
    };
    dt_dataset dataset;
    begin_log();
    ASSERT_OK(dt_dataset_build(&dataset, &options));
    char *log = end_log();
    assert_int_equal(count_of(log, "\n"), 1);
    assert_int_equal(count_of(log, "notice: only one class"), 1);
    assert_int_equal(count_of(log, "rank domain ('k__Fungi')"), 1);
    free(log);
    assert_int_equal(dataset.count, 8285);
    assert_int_equal(dataset.taxonomy.tax_ranks, 7);
    dt_taxonomy_table table;
    ASSERT_OK(dt_taxonomy_table_read(&table, taxonomy));
    for (int64_t i = 0; i < dataset.count; ++i) {
        const char *id = dt_dataset_id(&dataset, i);
        const int64_t row = dt_taxonomy_table_find(&table, id, strlen(id));
        assert_memory_equal(dataset.labels + 7 * i, table.labels + 7 * row, 7 * sizeof(int32_t));
    }
    dt_taxonomy_table_free(&table);
    dt_dataset_free(&dataset);
    dt_tokenizer_destroy(tokenizer);
}

int main(void)
{
    char path[8192];
    if (access(GOLD_FASTA, R_OK) != 0)
        SKIP_PROGRAM("%s is missing (Debian package microbiomeutil-data)", GOLD_FASTA);
    if (!getcwd(start_folder, sizeof start_folder) ||
        access(shared_path(path, sizeof path, "data/its-fold0/train.fasta.gz"), R_OK) != 0)
        SKIP_PROGRAM("%s is missing (set DEEPTAXA_SHARED to the folder of the data)", path);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gold_set_is_read_whole_plain_and_gzipped),
        cmocka_unit_test(its_fold_has_its_records),
        cmocka_unit_test(its_fold_has_seven_ranks),
        cmocka_unit_test(its_fold_becomes_a_dataset),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
