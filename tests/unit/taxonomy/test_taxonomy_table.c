#include "taxonomy/taxonomy_table.h"
#include "unit/io/io_test.h"

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

static void id_column_may_stand_anywhere_in_any_case(void **state)
{
    (void)state;
    const char *names[] = {"domain", "genus"};
    dt_taxonomy_table table;
    const char *const ids[] = {"sequence_id", "Sequence_ID", "sequence id"};
    for (int i = 0; i < 3; ++i) {
        char text[128];
        snprintf(text, sizeof text, "domain\t%s\tgenus\nBacteria\tb\tVibrio\n", ids[i]);
        read_text(&table, text);
        check_ranks(&table, 2, names);
        assert_string_equal(label(&table, "b", 0), "Bacteria");
        assert_string_equal(label(&table, "b", 1), "Vibrio");
        dt_taxonomy_table_free(&table);
    }
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
    refuse("sequence_id\ttaxonomy\na\tBacteria; Bacillota\n",
           "column 'taxonomy' contains whole lineages ('Bacteria; Bacillota'): use one column per "
           "rank, "
           "or rename the columns to 'Feature ID' and 'Taxon'");
    refuse(">one\nACGT\n", "is a FASTA file; a taxonomy table is expected");
    refuse("sequence_id\na\n", "0 columns besides 'sequence_id'");
    refuse("sequence_id\tdomain\tdomain\n", "two columns 'domain'");
    refuse("sequence_id\tdomain\t\n", "a column without a name");
    refuse("sequence_id\tdomain\n", "a header without rows");
    refuse("Feature ID\tTaxon\n", "a header without rows");
    char text[512] = "sequence_id";
    for (int i = 0; i < 33; ++i)
        sprintf(text + strlen(text), "\tr%d", i);
    refuse(text, "33 columns besides 'sequence_id'; 1 to 32");
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
           "line 5: duplicate id 'a', first seen on line 2");
    refuse("a\tk__A\nb\tk__A\na\tk__B\n", "line 3: duplicate id 'a', first seen on line 1");
    refuse("sequence_id\tdomain\n \tB\n", "line 2: the sequence id is empty");
    refuse("sequence_id\tdomain\na\tB\1\n", "line 2: binary data");
    refuse("sequence_id\tgenus\na\tM\xc3\xbcllera\nb\tM\xfcllera\n", "line 3: not UTF-8");
}

static void damaged_lineages_are_refused_with_their_line(void **state)
{
    (void)state;
    refuse("a\tk__A;p__B\nb\tk__A;c__C;p__B\n", "line 2: the lineage part 'p__B' is out of order");
    refuse("a\tk__A;d__B\n", "line 1: the lineage part 'd__B' is out of order");
    refuse("a\tk__A;p__B;c__C;x\nb\tk__A;o__O;B\n", "line 2: the lineage part 'B' is out of");
    refuse("a\tk__A;t__B\n", "'t__B' has an unknown prefix");
    refuse("a\tA;B;C;D;E;F;G;H\n", "'H' is one too many");
    refuse("Feature ID\tTaxon\na\tk__;p__\n", "no lineage has any labels");
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

/* ---- lineages as databases and classifiers write them ---- */

/* Reads a table and returns what was said of it; the caller's to free(). */
static char *read_and_listen(dt_taxonomy_table *table, const char *text)
{
    begin_log();
    read_text(table, text);
    return end_log();
}

/* The labels of a row, joined by '/'. */
static const char *lineage_of(const dt_taxonomy_table *table, const char *id)
{
    static char out[512];
    out[0] = '\0';
    for (int32_t r = 0; r < table->taxonomy.tax_ranks; ++r)
        sprintf(out + strlen(out), "%s%s", r ? "/" : "", label(table, id, r));
    return out;
}

static void a_kingdom_below_the_domain_is_a_rank(void **state)
{
    (void)state;
    const char *names[] = {"domain", "kingdom", "phylum", "class"};
    dt_taxonomy_table table;
    free(read_and_listen(&table, "a\td__Bacteria; k__Bacillati; p__Bacillota; c__Bacilli\n"
                                 "b\td__Archaea; p__Q\n"
                                 "c\tArchaea; k__Methanobacteriati; R; S\n"));
    check_ranks(&table, 4, names);
    assert_string_equal(lineage_of(&table, "a"),
                        "d__Bacteria/k__Bacillati/p__Bacillota/c__Bacilli");
    assert_string_equal(lineage_of(&table, "b"), "d__Archaea/Unclassified/p__Q/Unclassified");
    assert_string_equal(lineage_of(&table, "c"), "Archaea/k__Methanobacteriati/R/S");
    dt_taxonomy_table_free(&table);
}

static void a_kingdom_alone_is_the_domain(void **state)
{
    (void)state;
    const char *names[] = {"domain", "phylum"};
    dt_taxonomy_table table;
    char *log = read_and_listen(&table, "a\tk__Fungi; p__A\nb\td__Bacteria; p__B\nc\tk__; p__B\n");
    check_ranks(&table, 2, names);
    assert_string_equal(lineage_of(&table, "a"), "k__Fungi/p__A");
    assert_string_equal(lineage_of(&table, "b"), "d__Bacteria/p__B");
    assert_string_equal(lineage_of(&table, "c"), "Unclassified/p__B");
    assert_int_equal(count_of(log, "\n"), 1); /* of the missing label */
    free(log);
    dt_taxonomy_table_free(&table);
}

static void a_kingdom_alone_among_kingdoms_below_a_domain_is_told(void **state)
{
    (void)state;
    dt_taxonomy_table table;
    char *log = read_and_listen(&table, "a\tk__Fungi; p__A\nb\td__Eukaryota; k__Fungi; p__B\n"
                                        "c\tk__Metazoa; P\n");
    assert_int_equal(table.taxonomy.tax_ranks, 3);
    assert_string_equal(lineage_of(&table, "a"), "Unclassified/k__Fungi/p__A");
    assert_string_equal(lineage_of(&table, "b"), "d__Eukaryota/k__Fungi/p__B");
    assert_string_equal(lineage_of(&table, "c"), "Unclassified/k__Metazoa/P");
    assert_int_equal(count_of(log, "warning: good.tsv: 2 lineages have k__ and no domain (line 1: "
                                   "'k__Fungi'): k__ is treated as the kingdom, as in line 2"),
                     1);
    free(log);
    dt_taxonomy_table_free(&table);
}

static void roots_above_the_domain_are_dropped_with_one_notice(void **state)
{
    (void)state;
    const char *const texts[] = {
        "a\troot;cellular organisms;Bacteria;P;C\nb\troot;cellular organisms;Archaea;Q;D;\n",
        "a\tr__Root; r__cellular_organisms; Bacteria; P; C\nb\tRoot;Archaea;Q;D\n",
        "a\tno rank__root;R1__cellular organisms;Bacteria;P;C\nb\tcellular root;Archaea;Q;D\n",
    };
    for (int i = 0; i < 3; ++i) {
        dt_taxonomy_table table;
        char *log = read_and_listen(&table, texts[i]);
        assert_int_equal(table.taxonomy.tax_ranks, 3);
        assert_string_equal(lineage_of(&table, "a"), "Bacteria/P/C");
        assert_string_equal(lineage_of(&table, "b"), "Archaea/Q/D");
        assert_int_equal(count_of(log, "\n"), 1);
        assert_int_equal(count_of(log, "notice: good.tsv: removed the root, which is not a "
                                       "taxonomic rank, from 2 lineages (line 1: '"),
                         1);
        free(log);
        dt_taxonomy_table_free(&table);
    }
}

static void a_lineage_of_roots_only_is_missing(void **state)
{
    (void)state;
    dt_taxonomy_table table;
    free(read_and_listen(&table, "a\troot;cellular organisms\nb\troot;Bacteria;P\n"));
    assert_string_equal(lineage_of(&table, "a"), "Unclassified/Unclassified");
    assert_string_equal(lineage_of(&table, "b"), "Bacteria/P");
    dt_taxonomy_table_free(&table);
}

static void bars_separate_where_there_is_no_semicolon(void **state)
{
    (void)state;
    const char *names[] = {"domain", "phylum", "class"};
    dt_taxonomy_table table;
    free(read_and_listen(&table, "a\td__Bacteria|p__P|c__C\nb\td__Archaea|p__Q|c__|\n"
                                 "c\tBacteria|P|D\nd\td__Bacteria;p__P|x;c__C\n"));
    check_ranks(&table, 3, names);
    assert_string_equal(lineage_of(&table, "a"), "d__Bacteria/p__P/c__C");
    assert_string_equal(lineage_of(&table, "b"), "d__Archaea/p__Q/Unclassified");
    assert_string_equal(lineage_of(&table, "c"), "Bacteria/P/D");
    assert_string_equal(lineage_of(&table, "d"), "d__Bacteria/p__P|x/c__C");
    dt_taxonomy_table_free(&table);
}

static void confidences_in_parentheses_are_dropped_with_one_notice(void **state)
{
    (void)state;
    dt_taxonomy_table table;
    char *log = read_and_listen(&table, "a\tBacteria(100);P(99.5);C(0);\n"
                                        "b\tBacteria(98);P(7);C_x(y)(50)\n"
                                        "c\tBacteria;P(2);D(E)\n"
                                        "d\tBacteria;P;F(1)(2)\n"
                                        "e\tBacteria(101);P(1);G(1)\n");
    assert_string_equal(lineage_of(&table, "a"), "Bacteria/P/C");
    assert_string_equal(lineage_of(&table, "b"), "Bacteria/P/C_x(y)");
    assert_string_equal(lineage_of(&table, "c"), "Bacteria/P(2)/D(E)");
    assert_string_equal(lineage_of(&table, "d"), "Bacteria/P/F(1)(2)");
    assert_string_equal(lineage_of(&table, "e"), "Bacteria(101)/P(1)/G(1)");
    assert_int_equal(count_of(log, "\n"), 2);
    assert_int_equal(count_of(log, "warning: good.tsv: 3 lineages have a confidence in parentheses "
                                   "at only some names (line 3: 'Bacteria;P(2);D(E)')"),
                     1);
    assert_int_equal(count_of(log,
                              "notice: good.tsv: removed the confidences in parentheses from 2 "
                              "lineages (line 1: 'Bacteria(100);P(99.5);C(0);')"),
                     1);
    free(log);
    dt_taxonomy_table_free(&table);
}

static void confidences_beside_missing_names_and_blanks_are_dropped(void **state)
{
    (void)state;
    dt_taxonomy_table table;
    free(read_and_listen(&table, "a\tk__B(100);p__F(98);c__\nb\tBacteria (100);NA;C (99)\n"
                                 "c\tBacteria(100);P(7);unclassified;unclassified;\n"));
    assert_string_equal(lineage_of(&table, "a"), "k__B/p__F/" DT_UNCLASSIFIED "/" DT_UNCLASSIFIED);
    assert_string_equal(lineage_of(&table, "b"), "Bacteria/" DT_UNCLASSIFIED "/C/" DT_UNCLASSIFIED);
    assert_string_equal(lineage_of(&table, "c"), "Bacteria/P/unclassified/unclassified");
    dt_taxonomy_table_free(&table);
}

static void words_for_missing_names_in_lineages_are_no_labels(void **state)
{
    (void)state;
    dt_taxonomy_table table;
    free(read_and_listen(&table, "a\tBacteria;-;C\nb\tNA;P;NA\nc\td__A;p__NA;c__-\n"
                                 "d\tBacteria;no rank;__\ne\tD_0__B;D_1__;D_2__D\nf\tB;;;;;;;;;;\n"
                                 "g\tBacteria;P;Nanus\n"));
    assert_int_equal(table.taxonomy.tax_ranks, 3);
    assert_string_equal(lineage_of(&table, "a"), "Bacteria/Unclassified/C");
    assert_string_equal(lineage_of(&table, "b"), "Unclassified/P/Unclassified");
    assert_string_equal(lineage_of(&table, "c"), "d__A/Unclassified/Unclassified");
    assert_string_equal(lineage_of(&table, "d"), "Bacteria/Unclassified/Unclassified");
    assert_string_equal(lineage_of(&table, "e"), "D_0__B/Unclassified/D_2__D");
    assert_string_equal(lineage_of(&table, "f"), "B/Unclassified/Unclassified");
    assert_string_equal(lineage_of(&table, "g"), "Bacteria/P/Nanus");
    dt_taxonomy_table_free(&table);
}

static void prefixes_that_are_not_known_are_named_with_the_remedy(void **state)
{
    (void)state;
    static const char *const lineages[][2] = {
        {"f__F;sf__SubF;g__G", "sf__"}, {"o__O;so__SubO", "so__"},
        {"s__S;sh__SH1.10FU", "sh__"},  {"s__S|t__SGB1", "t__"},
        {"D_0__B;D_7__X", "D_7__"},     {"phylum__P;class__C", "phylum__"},
        {"sk__B;p__P", "sk__"},         {"no rank__x;p__P", "no rank__"}};
    for (size_t i = 0; i < sizeof lineages / sizeof *lineages; ++i) {
        char text[128];
        char message[64];
        snprintf(text, sizeof text, "a\td__A;p__P\nb\t%s\n", lineages[i][0]);
        snprintf(message, sizeof message, "has an unknown prefix '%s'", lineages[i][1]);
        refuse(text, message);
        assert_non_null(strstr(dt_error_message(), "line 2: "));
        assert_non_null(
            strstr(dt_error_message(), "one column per rank may have ranks of any name"));
    }
}

static void lineages_in_other_notations_are_refused(void **state)
{
    (void)state;
    refuse("Feature ID\tTaxon\na\td:Bacteria,p:P\n", "'d:Bacteria,p:P' is not separated by ';'");
    refuse("Feature ID\tTaxon\na\td__Bacteria, p__P\n", "is not separated by ';' or '|'");
    refuse("a\tRoot;rootrank;Bacteria;domain;P;phylum\n", "'domain' is the name of a rank");
    refuse("a\tA;B;C;D;E;F;G;H\n",
           "'H' is one too many: without prefixes, there are 7 ranks from domain to species;");
}

static void further_columns_beside_the_lineage_are_not_used(void **state)
{
    (void)state;
    const char *const texts[] = {
        "Feature ID\tTaxon\tConfidence\tnotes\na\td__A;p__P\t0.9\tx\n",
        "Feature ID\tTaxon\tConsensus\t\tg__\n#q2:types\tcategorical\t\t\t\na\td__A;p__P\t1\t\t\n",
        "a\td__A;p__P\t0.9\tsome words\t7\n",
    };
    for (int i = 0; i < 3; ++i) {
        dt_taxonomy_table table;
        read_text(&table, texts[i]);
        assert_int_equal(table.rows, 1);
        assert_string_equal(lineage_of(&table, "a"), "d__A/p__P");
        dt_taxonomy_table_free(&table);
    }
}

/* ---- column tables as people make them ---- */

static void headers_that_name_a_rank_twice_or_are_not_where_they_belong_are_refused(void **state)
{
    (void)state;
    refuse("sequence_id\tgenus\tGenus\na\tA\tA\n", "two columns 'genus'");
    refuse("sequence_id\tgenus name\tGenus_name\na\tA\tA\n", "two columns 'genus name'");
    refuse("sequence_id\tgenus\tsequence_id\na\tA\ta\n", "two columns 'sequence_id'");
    refuse("a\td__B\tp__P\tc__C\n", "line 1: the header is missing; this is a row with one "
                                    "label per column ('p__P')");
    refuse("a\tBacteria\tP\tC\n", "no column 'sequence_id'");
    refuse("sequence_id\tgenus\na\tA\nsequence_id\tgenus\nb\tB\n", "line 3: a second header");
    refuse("a\tA;P\nFeature ID\tTaxon\nb\tB;Q\n", "line 2: a second header");
}

static void whole_lineages_in_a_column_of_a_rank_are_refused(void **state)
{
    (void)state;
    refuse("sequence_id\ttaxonomy\tdomain\na\td__A;p__P\tA\n", "column 'taxonomy' contains whole");
    refuse("domain\tsequence_id\ttaxonomy\nA\ta\td__A|p__P\n", "column 'taxonomy' contains whole");
    refuse("sequence_id\ttaxonomy\na\td__A|p__P\n", "column 'taxonomy' contains whole");
    dt_taxonomy_table table;
    read_text(&table, "sequence_id\tgenus\tspecies\na\tA\tA b|SH1\n");
    assert_string_equal(lineage_of(&table, "a"), "A/A b|SH1");
    dt_taxonomy_table_free(&table);
}

static void doubts_are_warned_of_once_each(void **state)
{
    (void)state;
    dt_taxonomy_table table;
    char *log = read_and_listen(&table, "sequence_id\tspecies\tgenus\tlength\tconfidence\n"
                                        "a\tA b\tA\t1500\t0.9\nb\tA_b\tg__A\t1450\t\n"
                                        "c\tA B\tC\t1\t1e-3\n");
    assert_int_equal(count_of(log, "the column 'species' precedes 'genus'"), 1);
    assert_int_equal(count_of(log, "2 of 4 columns contain only numbers ('length')"), 1);
    assert_int_equal(count_of(log,
                              "3 labels differ from another label of their rank only in prefix, "
                              "case, or '_' for a blank (species: 'A B' and 'A b')"),
                     1);
    assert_int_equal(count_of(log, "\n"), 4); /* with the missing label */
    free(log);
    dt_taxonomy_table_free(&table);

    log = read_and_listen(&table, "sequence_id\tDomain\tclade\tfamily\ttribe\tgenus\tspecies\n"
                                  "a\tA\t1\tB\tx1\tC\tC d\nb\tA\tX\tB\t\tC\tC e\n");
    assert_int_equal(count_of(log, "\n"), 1);
    free(log);
    dt_taxonomy_table_free(&table);

    log = read_and_listen(&table, "a\td__Bacteria;p__P\nb\tBacteria;Q\nc\tk__Archaea;R\n");
    assert_int_equal(count_of(log,
                              "1 labels differ from another label of their rank only in prefix, "
                              "case, or '_' for a blank (domain: 'Bacteria' and 'd__Bacteria')"),
                     1);
    free(log);
    dt_taxonomy_table_free(&table);
}

/* ---- ids with annotations ---- */

static void annotations_are_a_tail_of_keys_and_values(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        size_t bare;
    } ids[] = {{"a;size=99;", 1},
               {"a;size=99", 1},
               {"ab;sample=x;size=1;ee=0.5;", 2},
               {"a;", 1},
               {"a;b;size=1", 3},
               {"a;tax=d:B,p:P;", 1},
               {"a;barcodelabel=s1;", 1},
               {"a", 1},
               {"a;b", 3},
               {"a=1", 3},
               {";size=1", 7},
               {"a;=1", 4},
               {"a;size=1;b", 10},
               {"", 0}};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; ++i)
        if (dt_bare_id_length(ids[i].id, strlen(ids[i].id)) != ids[i].bare)
            fail_msg("'%s' without annotations", ids[i].id);
}

static int64_t find(const dt_taxonomy_table *table, const char *id)
{
    return dt_taxonomy_table_find(table, id, strlen(id));
}

static void rows_are_found_without_annotations_where_no_row_has_the_very_id(void **state)
{
    (void)state;
    dt_taxonomy_table table;
    read_text(&table, "sequence_id\tgenus\na\tA\na;size=2;\tB\nb;size=3;\tC\nc;x\tD\n");
    assert_int_equal(find(&table, "a"), 0);
    assert_int_equal(find(&table, "a;size=2;"), 1);
    assert_int_equal(find(&table, "a;size=5;"), 0);
    assert_int_equal(find(&table, "b"), 2);
    assert_int_equal(find(&table, "b;size=3"), 2);
    assert_int_equal(find(&table, "b;sample=s"), 2);
    assert_int_equal(find(&table, "c"), -1);
    assert_int_equal(find(&table, "d;size=1"), -1);
    dt_taxonomy_table_free(&table);

    /* two rows that a bare id could mean: none is taken */
    read_text(&table, "sequence_id\tgenus\na;size=1\tA\nb;size=3;\tC\na;size=2\tB\nd;size=1\tD\n");
    assert_int_equal(find(&table, "a"), -1);
    assert_int_equal(find(&table, "d"), -1);
    assert_int_equal(find(&table, "a;size=2"), 2);
    dt_taxonomy_table_free(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deeptaxa_table_keeps_ranks_and_sorts_labels),
        cmocka_unit_test(id_column_may_stand_anywhere_in_any_case),
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
        cmocka_unit_test(a_kingdom_below_the_domain_is_a_rank),
        cmocka_unit_test(a_kingdom_alone_is_the_domain),
        cmocka_unit_test(a_kingdom_alone_among_kingdoms_below_a_domain_is_told),
        cmocka_unit_test(roots_above_the_domain_are_dropped_with_one_notice),
        cmocka_unit_test(a_lineage_of_roots_only_is_missing),
        cmocka_unit_test(bars_separate_where_there_is_no_semicolon),
        cmocka_unit_test(confidences_in_parentheses_are_dropped_with_one_notice),
        cmocka_unit_test(confidences_beside_missing_names_and_blanks_are_dropped),
        cmocka_unit_test(words_for_missing_names_in_lineages_are_no_labels),
        cmocka_unit_test(prefixes_that_are_not_known_are_named_with_the_remedy),
        cmocka_unit_test(lineages_in_other_notations_are_refused),
        cmocka_unit_test(further_columns_beside_the_lineage_are_not_used),
        cmocka_unit_test(headers_that_name_a_rank_twice_or_are_not_where_they_belong_are_refused),
        cmocka_unit_test(whole_lineages_in_a_column_of_a_rank_are_refused),
        cmocka_unit_test(doubts_are_warned_of_once_each),
        cmocka_unit_test(annotations_are_a_tail_of_keys_and_values),
        cmocka_unit_test(rows_are_found_without_annotations_where_no_row_has_the_very_id),
        cmocka_unit_test(files_that_cannot_be_read_are_named),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
