#include "io/taxonomy_table.h"
#include "io_test.h"

static void refuse(const char *text, const char *message)
{
    dt_taxonomy_table table;
    write_text("bad.tsv", text);
    ASSERT_FAILS(DT_ERR_INPUT, message, dt_taxonomy_table_read(&table, "bad.tsv"));
    assert_non_null(strstr(dt_error_message(), "bad.tsv"));
    assert_null(strchr(dt_error_message(), '\n'));
    assert_null(table.index);
}

static void read_text(dt_taxonomy_table *table, const char *text)
{
    write_text("good.tsv", text);
    ASSERT_OK(dt_taxonomy_table_read(table, "good.tsv"));
}

/* The label that the row of `id` has at a rank. */
static const char *label(const dt_taxonomy_table *table, const char *id, int32_t tax_rank)
{
    const int64_t row = dt_taxonomy_table_find(table, id, strlen(id));
    assert_true(row >= 0);
    const int32_t tax_ranks = table->taxonomy.tax_ranks;
    return table->taxonomy.rank[tax_rank].label[table->labels[row * tax_ranks + tax_rank]];
}

static void check_ranks(const dt_taxonomy_table *table, int32_t count, const char *const *names)
{
    assert_int_equal(table->taxonomy.tax_ranks, count);
    for (int32_t r = 0; r < count; ++r)
        assert_string_equal(table->taxonomy.rank[r].name, names[r]);
}

static const char deeptaxa_text[] = "sequence_id\tdomain\tGenus name\n"
                                    "b\tBacteria\tVibrio\n"
                                    "a\tArchaea\tg__Sulfolobus\n"
                                    "\n"
                                    "c\tBacteria\tBacillus\n";

static void deeptaxa_table_keeps_ranks_and_sorts_labels(void **state)
{
    (void)state;
    const char *names[] = {"domain", "Genus name"};
    dt_taxonomy_table table;
    read_text(&table, deeptaxa_text);
    check_ranks(&table, 2, names);
    assert_int_equal(table.rows, 3);
    assert_int_equal(table.missing, 0);
    assert_string_equal(table.first_id, "b");
    assert_int_equal(table.lines[2], 5);
    assert_int_equal(table.taxonomy.rank[0].classes, 2);
    assert_string_equal(table.taxonomy.rank[0].label[0], "Archaea");
    assert_string_equal(table.taxonomy.rank[1].label[2], "g__Sulfolobus");
    assert_string_equal(label(&table, "a", 1), "g__Sulfolobus");
    assert_string_equal(label(&table, "b", 0), "Bacteria");
    assert_string_equal(label(&table, "c", 1), "Bacillus");
    assert_int_equal(dt_taxonomy_table_find(&table, "d", 1), -1);
    dt_taxonomy_table_free(&table);
}

static void id_column_may_stand_anywhere(void **state)
{
    (void)state;
    const char *names[] = {"domain", "genus"};
    dt_taxonomy_table table;
    read_text(&table, "domain\tsequence_id\tgenus\nBacteria\tb\tVibrio\n");
    check_ranks(&table, 2, names);
    assert_string_equal(label(&table, "b", 0), "Bacteria");
    assert_string_equal(label(&table, "b", 1), "Vibrio");
    dt_taxonomy_table_free(&table);
}

static void gzip_crlf_and_byte_order_mark_change_nothing(void **state)
{
    (void)state;
    dt_taxonomy_table plain;
    dt_taxonomy_table windows;
    dt_taxonomy_table gzipped;
    char text[512] = "\xef\xbb\xbf";
    size_t length = 3;
    for (const char *c = deeptaxa_text; *c; ++c) {
        if (*c == '\n')
            text[length++] = '\r';
        text[length++] = *c;
    }
    text[length] = '\0';
    read_text(&plain, deeptaxa_text);
    read_text(&windows, text);
    write_gzip("table.gz", text, length);
    ASSERT_OK(dt_taxonomy_table_read(&gzipped, "table.gz"));
    dt_taxonomy_table *others[] = {&windows, &gzipped};
    for (int i = 0; i < 2; ++i) {
        assert_true(dt_taxonomy_equal(&plain.taxonomy, &others[i]->taxonomy));
        assert_int_equal(others[i]->rows, plain.rows);
        assert_memory_equal(others[i]->labels, plain.labels, 6 * sizeof(int32_t));
        dt_taxonomy_table_free(others[i]);
    }
    dt_taxonomy_table_free(&plain);
}

static void qiime2_table_is_read_with_and_without_header(void **state)
{
    (void)state;
    const char *names[] = {"domain", "phylum", "class", "order"};
    const char *headers[] = {"", "Feature ID\tTaxon\tConfidence\n",
                             "Feature ID\tTaxon\tConfidence\n#q2:types\tcategorical\tnumeric\n"};
    for (int i = 0; i < 3; ++i) {
        char text[512];
        snprintf(text, sizeof text, "%s%s", headers[i],
                 "a\td__Bacteria; p__P1; c__C1;o__O1;\t0.9\n"
                 "b\tk__Fungi; c__C2 ; o__\t1\n"
                 "c\tArchaea;P2\t0.5\n");
        dt_taxonomy_table table;
        read_text(&table, text);
        check_ranks(&table, 4, names);
        assert_int_equal(table.rows, 3);
        assert_string_equal(label(&table, "a", 0), "d__Bacteria");
        assert_string_equal(label(&table, "a", 3), "o__O1");
        assert_string_equal(label(&table, "b", 0), "k__Fungi");
        assert_string_equal(label(&table, "b", 1), "Unclassified");
        assert_string_equal(label(&table, "b", 2), "c__C2");
        assert_string_equal(label(&table, "b", 3), "Unclassified");
        assert_string_equal(label(&table, "c", 1), "P2");
        assert_string_equal(label(&table, "c", 2), "Unclassified");
        assert_int_equal(table.missing, 4);
        dt_taxonomy_table_free(&table);
    }
}

static void all_seven_ranks_by_prefix_and_by_position(void **state)
{
    (void)state;
    const char *names[] = {"domain", "phylum", "class", "order", "family", "genus", "species"};
    dt_taxonomy_table table;
    read_text(&table, "a\td__A;p__B;c__C;o__D;f__E;g__F;s__G h\nb\tA;B;C;D;E;F;G h\n");
    check_ranks(&table, 7, names);
    assert_string_equal(label(&table, "a", 6), "s__G h");
    assert_string_equal(label(&table, "b", 6), "G h");
    assert_int_equal(table.missing, 0);
    dt_taxonomy_table_free(&table);
}

static void missing_labels_are_unclassified_with_one_warning(void **state)
{
    (void)state;
    dt_taxonomy_table table;
    begin_log();
    read_text(&table, "sequence_id\tdomain\tgenus\n"
                      "a\tBacteria\t\nb\tBacteria\tg__\nc\t \tXylella\nd\tBacteria\tAzoarcus\n");
    char *log = end_log();
    assert_int_equal(count_of(log, "\n"), 1);
    assert_int_equal(count_of(log, "warning: good.tsv: 3 of 8 labels are missing"), 1);
    free(log);
    assert_int_equal(table.missing, 3);
    assert_string_equal(label(&table, "a", 1), "Unclassified");
    assert_string_equal(label(&table, "b", 1), "Unclassified");
    assert_string_equal(label(&table, "c", 0), "Unclassified");
    /* It sorts with the rest. */
    assert_int_equal(dt_taxonomy_class(&table.taxonomy, 1, "Azoarcus"), 0);
    assert_int_equal(dt_taxonomy_class(&table.taxonomy, 1, "Unclassified"), 1);
    assert_int_equal(dt_taxonomy_class(&table.taxonomy, 1, "Xylella"), 2);
    dt_taxonomy_table_free(&table);
}

static void unclassified_in_the_table_is_the_same_label(void **state)
{
    (void)state;
    dt_taxonomy_table table;
    read_text(&table, "sequence_id\tgenus\na\tUnclassified\nb\t\n");
    assert_int_equal(table.taxonomy.rank[0].classes, 1);
    assert_int_equal(table.missing, 1);
    dt_taxonomy_table_free(&table);
}

/* As pandas reads them, with which DeepTaxa does. */
static void words_for_missing_values_are_no_labels(void **state)
{
    (void)state;
    dt_taxonomy_table table;
    read_text(&table, "sequence_id\tdomain\tgenus\n"
                      "a\tNA\tNA\nb\tNaN\tNanoarchaeum\nc\tNone\tNA1\nd\tA\t<NA>\n"
                      "NA\tA\tna\n");
    assert_int_equal(table.missing, 5);
    assert_string_equal(label(&table, "a", 0), "Unclassified");
    assert_string_equal(label(&table, "b", 1), "Nanoarchaeum");
    assert_string_equal(label(&table, "c", 1), "NA1");
    assert_string_equal(label(&table, "NA", 1), "na");
    dt_taxonomy_table_free(&table);
}

static void blanks_and_quotation_marks_round_a_cell_are_no_part_of_it(void **state)
{
    (void)state;
    dt_taxonomy_table table;
    read_text(&table, "\"sequence_id\"\t\"domain\"\tgenus\n"
                      "\"a\"\t\"Bacteria\"\t\"Vibrio\"\n"
                      "b\t Bacteria \tVibrio \n"
                      "c\tBacteria\t\"a \"\"b\"\" \"\"\"\n"
                      "d\t\"\"\t\"x\" y\n"
                      "e\tBacteria\t\"\n");
    assert_string_equal(table.taxonomy.rank[0].name, "domain");
    assert_int_equal(table.taxonomy.rank[0].classes, 2);
    assert_string_equal(label(&table, "a", 0), "Bacteria");
    assert_string_equal(label(&table, "b", 0), "Bacteria");
    assert_string_equal(label(&table, "d", 0), "Unclassified");
    assert_string_equal(label(&table, "a", 1), "Vibrio");
    assert_string_equal(label(&table, "b", 1), "Vibrio");
    assert_string_equal(label(&table, "c", 1), "a \"b\" \"");
    assert_string_equal(label(&table, "d", 1), "\"x\" y");
    assert_string_equal(label(&table, "e", 1), "\"");
    dt_taxonomy_table_free(&table);
    read_text(&table, "\"Feature ID\"\t\"Taxon\"\n\"a\"\t\"k__A; p__B\"\n");
    assert_string_equal(label(&table, "a", 1), "p__B");
    dt_taxonomy_table_free(&table);
}

static void a_header_of_neither_format_is_refused(void **state)
{
    (void)state;
    refuse("", "the file is empty");
    refuse("\n\n", "the file is empty");
    refuse("id\tdomain\tgenus\nx\tBacteria\tVibrio\n", "no column 'sequence_id'");
    refuse("sequence_id,domain\na,Bacteria\n", "(separated by commas?)");
    refuse(
        "sequence_id\ttaxonomy\na\tBacteria; Bacillota\n",
        "column 'taxonomy' holds whole lineages ('Bacteria; Bacillota'): give one column a rank, "
        "or call the columns 'Feature ID' and 'Taxon'");
    refuse(">one\nACGT\n", "is a FASTA file; a taxonomy table is expected");
    refuse("sequence_id\na\n", "0 columns beside 'sequence_id'");
    refuse("sequence_id\tdomain\tdomain\n", "two columns 'domain'");
    refuse("sequence_id\tdomain\t\n", "a column without a name");
    refuse("sequence_id\tdomain\n", "a header but no row");
    refuse("Feature ID\tTaxon\n", "a header but no row");
    char text[512] = "sequence_id";
    for (int i = 0; i < 33; ++i)
        sprintf(text + strlen(text), "\tr%d", i);
    refuse(text, "33 columns beside 'sequence_id'; 1 to 32");
}

static void damaged_rows_are_refused_with_their_line(void **state)
{
    (void)state;
    refuse("sequence_id\tdomain\tgenus\na\tB\tC\n\nb\tB\n",
           "line 4: the row has 2 tab-separated cells; 3 are expected");
    refuse("sequence_id\tdomain\na\tB\tC\n",
           "line 2: the row has 3 tab-separated cells; 2 are expected");
    refuse("a\tk__A;p__B\nb\tk__A\t0.5\n", "line 2: the row has 3");
    refuse("sequence_id\tdomain\na\tB\nb\tB\n\na\tB\n",
           "line 5: the id 'a' stands in line 2 already");
    refuse("a\tk__A\nb\tk__A\na\tk__B\n", "line 3: the id 'a' stands in line 1 already");
    refuse("sequence_id\tdomain\n \tB\n", "line 2: the sequence id is empty");
    refuse("sequence_id\tdomain\na\tB\1\n", "line 2: is no text");
    refuse("sequence_id\tgenus\na\tM\xc3\xbcllera\nb\tM\xfcllera\n", "line 3: is not UTF-8");
}

static void damaged_lineages_are_refused_with_their_line(void **state)
{
    (void)state;
    refuse("a\tk__A;p__B\nb\tk__A;c__C;p__B\n", "line 2: the lineage part 'p__B' is out of order");
    refuse("a\tk__A;d__B\n", "line 1: the lineage part 'd__B' is out of order");
    refuse("a\tk__A;p__B;c__C;x\nb\tk__A;o__O;B\n", "line 2: the lineage part 'B' is out of");
    refuse("a\tk__A;t__B\n", "'t__B' has an unknown prefix");
    refuse("a\tA;B;C;D;E;F;G;H\n", "'H' is one too many");
    refuse("Feature ID\tTaxon\na\tk__;p__\n", "no lineage holds any label");
}

static void files_that_cannot_be_read_are_named(void **state)
{
    (void)state;
    dt_taxonomy_table table;
    ASSERT_FAILS(DT_ERR_IO, "missing.tsv: cannot open it",
                 dt_taxonomy_table_read(&table, "missing.tsv"));
    write_gzip("whole.gz", deeptaxa_text, strlen(deeptaxa_text));
    char *bytes;
    size_t size;
    ASSERT_OK(dt_read_file("whole.gz", &bytes, &size));
    write_bytes("cut.gz", bytes, size - 9);
    ASSERT_FAILS(DT_ERR_INPUT, "ends too early", dt_taxonomy_table_read(&table, "cut.gz"));
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deeptaxa_table_keeps_ranks_and_sorts_labels),
        cmocka_unit_test(id_column_may_stand_anywhere),
        cmocka_unit_test(gzip_crlf_and_byte_order_mark_change_nothing),
        cmocka_unit_test(qiime2_table_is_read_with_and_without_header),
        cmocka_unit_test(all_seven_ranks_by_prefix_and_by_position),
        cmocka_unit_test(missing_labels_are_unclassified_with_one_warning),
        cmocka_unit_test(unclassified_in_the_table_is_the_same_label),
        cmocka_unit_test(words_for_missing_values_are_no_labels),
        cmocka_unit_test(blanks_and_quotation_marks_round_a_cell_are_no_part_of_it),
        cmocka_unit_test(a_header_of_neither_format_is_refused),
        cmocka_unit_test(damaged_rows_are_refused_with_their_line),
        cmocka_unit_test(damaged_lineages_are_refused_with_their_line),
        cmocka_unit_test(files_that_cannot_be_read_are_named),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
