/* Lineages in FASTA headers: each form is recognised, and gives its lineage and its id. */
#include "test.h"

#include "taxonomy/header.h"

/* A record with this header. Free it with dt_fasta_record_free(). */
static dt_fasta_record record_of(const char *header)
{
    dt_fasta_record record = {0};
    const size_t id = strcspn(header, " \t");
    ASSERT_OK(dt_text_add(&record.id, header, id));
    if (header[id])
        ASSERT_OK(dt_text_addf(&record.description, "%s", header + id + 1));
    return record;
}

static void each_form_has_its_lineage_and_id(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        dt_header_form form;
        const char *lineage;
        const char *id;
    } headers[] = {
        {"AB1;tax=d:Bacteria,p:Bacillota,g:Bacillus;", DT_HEADER_SINTAX,
         "d__Bacteria;p__Bacillota;g__Bacillus", "AB1"},
        {"AB1;size=3;tax=k:Fungi,s:Amanita sp. A, B", DT_HEADER_SINTAX,
         "k__Fungi;s__Amanita sp. A, B", "AB1;size=3"},
        {"AB1;tax=d:Bacteria,s:Bacillus cereus,t:ATCC 1;", DT_HEADER_SINTAX,
         "d__Bacteria;s__Bacillus cereus", "AB1"},
        {"AB1.1.<1.>658;tax=k:Eukaryota_2759,p:Ascomycota_4890,s:Podospora anserina_5145;",
         DT_HEADER_SINTAX, "k__Eukaryota_2759;p__Ascomycota_4890;s__Podospora anserina_5145",
         "AB1.1.<1.>658"},
        {"S1 uncultured bacterium; L2\tLineage=Root;rootrank;Bacteria;domain;\"Actino\";phylum;"
         "Acidi;subclass;Ilu;genus",
         DT_HEADER_RDP, "d__Bacteria;p__Actino;g__Ilu", "S1"},
        {"Amanita|AB1|SH1.10FU|refs|k__Fungi;p__Basidiomycota;g__;s__A_b", DT_HEADER_UNITE,
         "k__Fungi;p__Basidiomycota;g__;s__A_b", "Amanita|AB1|SH1.10FU|refs"},
        {"Bacteria;Bacillota;Bacilli;", DT_HEADER_DADA2, "Bacteria;Bacillota;Bacilli;", "7"},
        {"Bacteria;Candidatus Some;Other", DT_HEADER_DADA2, "Bacteria;Candidatus Some;Other", "7"},
        {"AB1.1.1498 Bacteria;Bacillota;Bacilli;Bacillales;Bacillaceae;Bacillus;Bacillus cereus",
         DT_HEADER_SILVA,
         "Bacteria;Bacillota;Bacilli;Bacillales;Bacillaceae;Bacillus;Bacillus cereus",
         "AB1.1.1498"},
        {"AB1.1.1498 Bacteria;Bacillota;uncultured bacterium;", DT_HEADER_SILVA,
         "Bacteria;Bacillota;;;;;uncultured bacterium", "AB1.1.1498"},
        {"AB1.1.1498 Bacteria;uncultured", DT_HEADER_SILVA, "Bacteria;;;;;;uncultured",
         "AB1.1.1498"},
        {"AB1.1.1498 Unclassified;", DT_HEADER_SILVA, "Unclassified", "AB1.1.1498"},
        {"RS_GCF_1.1~NC_1.1 d__Bacteria;s__E coli [locus_tag=x] [location=1..9]", DT_HEADER_LINEAGE,
         "d__Bacteria;s__E coli", "RS_GCF_1.1~NC_1.1"},
        {"AB1 Root;Bacteria;Firmicutes", DT_HEADER_LINEAGE, "Root;Bacteria;Firmicutes", "AB1"},
        {"AB1.1.20 d__Bacteria;p__x", DT_HEADER_LINEAGE, "d__Bacteria;p__x", "AB1.1.20"},
        {"AB1;size=3;sample=4; Bacteria;x", DT_HEADER_LINEAGE, "Bacteria;x",
         "AB1;size=3;sample=4;"},
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; ++i) {
        dt_fasta_record record = record_of(headers[i].header);
        dt_text lineage = {0};
        bool shortened;
        assert_int_equal(dt_header_form_of(&record), headers[i].form);
        ASSERT_OK(dt_header_lineage(headers[i].form, &record, &lineage, &shortened));
        assert_string_equal(lineage.data, headers[i].lineage);
        assert_false(shortened);
        ASSERT_OK(dt_header_set_id(headers[i].form, &record, 7));
        assert_string_equal(record.id.data, headers[i].id);
        assert_int_equal(record.id.length, strlen(headers[i].id));
        dt_text_free(&lineage);
        dt_fasta_record_free(&record);
    }
}

static void other_headers_have_none(void **state)
{
    (void)state;
    static const char *const headers[] = {"AB1",
                                          "AB1;size=3;",
                                          "AB1;size=3;ee=1",
                                          "AB1 16S rRNA gene; partial; clone 5",
                                          "gi|123|gb|AB1.1| Bacillus cereus; 16S",
                                          "AB1.1.1498",
                                          "1.1 Some; text",
                                          "AB1;tax=",
                                          "a;b Bacillus"};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; ++i) {
        dt_fasta_record record = record_of(headers[i]);
        if (dt_header_form_of(&record) != DT_HEADER_NONE)
            fail_msg("'%s' is %s", headers[i], dt_header_form_name(dt_header_form_of(&record)));
        dt_fasta_record_free(&record);
    }
}

static void a_deep_lineage_of_silva_keeps_domain_and_species(void **state)
{
    (void)state;
    dt_fasta_record record = record_of("AB1.1.9 Eukaryota;A;B;C;D;E;F;G;Homo sapiens (human)");
    dt_text lineage = {0};
    bool shortened;
    ASSERT_OK(dt_header_lineage(DT_HEADER_SILVA, &record, &lineage, &shortened));
    assert_true(shortened);
    assert_string_equal(lineage.data, "Eukaryota;;;;;;Homo sapiens (human)");
    dt_text_free(&lineage);
    dt_fasta_record_free(&record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_has_its_lineage_and_id),
        cmocka_unit_test(other_headers_have_none),
        cmocka_unit_test(a_deep_lineage_of_silva_keeps_domain_and_species),
    };
    return cmocka_run_group_tests_name("header", tests, NULL, NULL);
}
