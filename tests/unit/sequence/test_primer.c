/* The search for primers beside one that tries every place. */
#include <ctype.h>

#include "sequence/primer.h"
#include "sequence/strand.h"

#include "unit/io/io_test.h"

/* ---- an independent search ------------------------------------------------------------------- */

static int bases(char code)
{
    static const char *const codes = "\0ACMGRSVTWYHKDBN"; /* by the bits of A, C, G and T */
    for (int i = 1; i < 16; ++i)
        if (codes[i] == toupper(code) || (codes[i] == 'T' && toupper(code) == 'U'))
            return i;
    return 0;
}

/* Mismatches of a primer at a place of the sequence. */
static int mismatches(const char *primer, const char *sequence)
{
    int count = 0;
    for (; *primer; ++primer, ++sequence)
        count += !bases(*sequence) || (bases(*sequence) & ~bases(*primer));
    return count;
}

/* Sets best[] to total, inner length, begin and end without primers of the best pair; 99: none. */
static void try_all(const char *left, int left_most, const char *right, int right_most,
                    const char *sequence, int length, int best[4])
{
    char turned[DT_MAX_PRIMER + 1];
    const int a = (int)strlen(left);
    const int b = (int)strlen(right);
    memcpy(turned, right, (size_t)b + 1);
    dt_reverse_complement(turned, (size_t)b);
    best[0] = 99;
    for (int i = 0; i + a <= length; ++i) {
        const int first = mismatches(left, sequence + i);
        for (int j = i + a; first <= left_most && j + b <= length; ++j) {
            const int second = mismatches(turned, sequence + j);
            const int inner = j - i - a;
            if (second <= right_most &&
                (first + second < best[0] || (first + second == best[0] && inner < best[1]))) {
                best[0] = first + second;
                best[1] = inner;
                best[2] = i + a;
                best[3] = j;
            }
        }
    }
}

/* ---- tests ----------------------------------------------------------------------------------- */

static uint32_t draw(uint64_t *state, uint32_t below)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33) % below;
}

static void the_best_pair_is_found(void **state)
{
    (void)state;
    static const char *const alphabets[] = {"ACGT", "ACGTacgtuN", "AC", "ACGTRYSWKMBDHVNE-"};
    uint64_t seed = 1;
    int found = 0;
    int reversed = 0;
    for (int round = 0; round < 4000; ++round) {
        char primer[2][9] = {"", ""};
        char sequence[81];
        int best[2][4];
        const char *alphabet = alphabets[round % 4];
        for (int p = 0; p < 2; ++p)
            for (uint32_t i = 0, n = 3 + draw(&seed, 6); i < n; ++i)
                primer[p][i] = "ACGTACGTACGTRYSWKMBDHVNUacgt"[draw(&seed, 28)];
        const int length = (int)draw(&seed, 81);
        for (int i = 0; i < length; ++i)
            sequence[i] = alphabet[draw(&seed, (uint32_t)strlen(alphabet))];
        sequence[length] = '\0';
        const int most[2] = {(int)draw(&seed, 3), (int)draw(&seed, 3)};
        const int strands = 1 + (int)draw(&seed, 3);
        dt_primer_search *search;
        ASSERT_OK(dt_primer_search_create(
            &search, &(dt_primer_pair){primer[0], primer[1], {most[0], most[1]}, strands}));
        const dt_amplicon got = dt_primers_find(search, sequence, (size_t)length);
        try_all(primer[0], most[0], primer[1], most[1], sequence, length, best[0]);
        try_all(primer[1], most[1], primer[0], most[0], sequence, length, best[1]);
        for (int s = 0; s < 2; ++s)
            if (!(strands >> s & 1))
                best[s][0] = 99;
        const int s = best[1][0] < best[0][0];
        assert_int_equal(got.result == DT_AMPLICON_FOUND, best[s][0] < 99);
        if (got.result == DT_AMPLICON_FOUND) {
            assert_int_equal(got.reversed, s);
            assert_int_equal(got.mismatches[0] + got.mismatches[1], best[s][0]);
            assert_int_equal(got.inner[1] - got.inner[0], best[s][1]);
            assert_int_equal(got.inner[0], best[s][2]);
            assert_int_equal(got.inner[0] - got.outer[0], strlen(primer[s]));
            assert_int_equal(got.outer[1] - got.inner[1], strlen(primer[1 - s]));
            found++;
            reversed += s;
        }
        dt_primer_search_destroy(search);
    }
    assert_true(found > 500 && reversed > 200); /* of 4,000 */
}

/* A primer of the full length, all mismatch limits, at the ends of the sequence. */
static void long_primers(void **state)
{
    (void)state;
    char forward[DT_MAX_PRIMER + 1];
    char sequence[3 * DT_MAX_PRIMER + 1];
    char *end = sequence + (size_t)2 * DT_MAX_PRIMER;
    uint64_t seed = 2;
    for (int i = 0; i < DT_MAX_PRIMER; ++i)
        forward[i] = "ACGT"[draw(&seed, 4)];
    forward[DT_MAX_PRIMER] = '\0';
    for (int most = 0; most <= DT_MAX_MISMATCHES; ++most) {
        dt_primer_search *search;
        ASSERT_OK(dt_primer_search_create(
            &search, &(dt_primer_pair){forward, forward, {most, most}, DT_STRAND_BOTH}));
        for (int wrong = 0; wrong <= DT_MAX_MISMATCHES + 2; ++wrong) {
            memset(sequence, 'N', sizeof sequence);
            memcpy(sequence, forward, DT_MAX_PRIMER);
            memcpy(end, forward, DT_MAX_PRIMER);
            dt_reverse_complement(end, DT_MAX_PRIMER);
            for (int i = 0; i < wrong; ++i)
                sequence[(size_t)7 * (size_t)i] = 'N';
            const dt_amplicon got = dt_primers_find(search, sequence, sizeof sequence - 1);
            assert_int_equal(got.result == DT_AMPLICON_FOUND, wrong <= most);
            if (wrong <= most) {
                assert_int_equal(got.mismatches[0], wrong);
                assert_int_equal(got.outer[0], 0);
                assert_int_equal(got.outer[1], 3 * DT_MAX_PRIMER);
            }
        }
        dt_primer_search_destroy(search);
    }
}

#define FORWARD "ACGTTGCA"
#define REVERSE "CCATTGAC"
#define REVERSE_TURNED "GTCAATGG"

static void each_result(void **state)
{
    (void)state;
    static const struct {
        const char *sequence;
        dt_amplicon_result result;
        const char *amplicon;
    } cases[] = {
        {"TT" FORWARD "AACC" REVERSE_TURNED "G", DT_AMPLICON_FOUND, "AACC"},
        {"C" REVERSE "GGTT"
         "TGCAACGT"
         "AA",
         DT_AMPLICON_FOUND, "AACC"},
        {FORWARD "AACC", DT_AMPLICON_NO_REVERSE, NULL},
        {"AACC" REVERSE_TURNED, DT_AMPLICON_NO_FORWARD, NULL},
        {"AACC" REVERSE, DT_AMPLICON_NO_FORWARD, NULL},
        {"AACC", DT_AMPLICON_NO_PRIMER, NULL},
        {REVERSE_TURNED "AACC" FORWARD, DT_AMPLICON_ORDER, NULL},
        {FORWARD "A" REVERSE_TURNED, DT_AMPLICON_TOO_SHORT, NULL},
        {FORWARD "AACCAACC" REVERSE_TURNED, DT_AMPLICON_TOO_LONG, NULL},
        {FORWARD "AACCGG" REVERSE_TURNED, DT_AMPLICON_FOUND, "AACCG"},
        {"", DT_AMPLICON_NO_PRIMER, NULL},
    };
    dt_cut cut = {.min_length = 2, .max_length = 7, .trunc_length = 5};
    dt_primer_search *search;
    ASSERT_OK(dt_primer_search_create(&search,
                                      &(dt_primer_pair){FORWARD, REVERSE, {0, 0}, DT_STRAND_BOTH}));
    cut.search = search;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        char sequence[64];
        size_t length = strlen(cases[i].sequence);
        memcpy(sequence, cases[i].sequence, length + 1);
        const dt_amplicon got = dt_cut_amplicon(&cut, sequence, &length);
        assert_int_equal(got.result, cases[i].result);
        const char *wanted = cases[i].amplicon ? cases[i].amplicon : cases[i].sequence;
        assert_int_equal(length, strlen(wanted));
        assert_memory_equal(sequence, wanted, length);
    }
    cut.keep_primers = true;
    cut.max_length = cut.trunc_length = 0;
    char sequence[] = "C" REVERSE "GGTT"
                      "TGCAACGT"
                      "AA";
    size_t length = strlen(sequence);
    dt_cut_amplicon(&cut, sequence, &length);
    assert_int_equal(length, 20);
    assert_memory_equal(sequence, FORWARD "AACC" REVERSE_TURNED, 20);
    dt_primer_search_destroy(search);
}

static void wrong_primers(void **state)
{
    (void)state;
    static const struct {
        dt_primer_pair pair;
        const char *message;
    } wrong[] = {
        {{"", "ACGT", {0, 0}, 3}, "the forward primer '' must have 1 to 64 bases"},
        {{"ACGT", "AC-T", {0, 0}, 3}, "the reverse primer 'AC-T' contains '-'"},
        {{"ACGT", "ACG\xc3", {0, 0}, 3}, "contains '?'"},
        {{"ACGT", "ACGT", {0, 4}, 3}, "4 mismatches in the reverse primer 'ACGT' of 4 bases"},
        {{"ACGTACGTACGT", "ACGT", {8, 0}, 3}, "must be 0 to 7"},
        {{"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "A", {0, 0}, 3},
         "must have 1 to 64 bases"},
    };
    dt_primer_search *search;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; ++i)
        ASSERT_FAILS(DT_ERR_USAGE, wrong[i].message,
                     dt_primer_search_create(&search, &wrong[i].pair));
    for (const dt_region *region = dt_regions; region->name; ++region) {
        ASSERT_OK(dt_primer_search_create(
            &search, &(dt_primer_pair){region->forward, region->reverse, {0, 0}, 3}));
        dt_primer_search_destroy(search);
        assert_ptr_equal(dt_region_find(region->name), region);
    }
    assert_string_equal(dt_region_find("v3-v4")->name, "V3V4");
    assert_null(dt_region_find("V"));
    assert_null(dt_region_find("V44"));
    assert_null(dt_region_find(""));
}

static void primers_of_a_model(void **state)
{
    (void)state;
    dt_primers primers;
    dt_primer_search *search;
    ASSERT_OK(dt_primers_choose(&primers, NULL, NULL, NULL));
    assert_string_equal(primers.forward, "");
    ASSERT_OK(dt_primers_choose(&primers, "v4", NULL, NULL));
    assert_string_equal(primers.region, "V4");
    assert_string_equal(primers.reverse, "GGACTACNVGGGTWTCTAAT");
    ASSERT_OK(dt_primers_choose(&primers, NULL, "acgrACGT", "TTGGA"));
    assert_string_equal(primers.region, "");
    assert_string_equal(primers.forward, "ACGRACGT");
    ASSERT_FAILS(DT_ERR_USAGE, "one primer alone", dt_primers_choose(&primers, NULL, "ACGT", NULL));
    ASSERT_FAILS(DT_ERR_USAGE, "'V9' is no region", dt_primers_choose(&primers, "V9", NULL, NULL));

    /* one of eight bases may differ, one of five */
    ASSERT_OK(dt_primers_choose(&primers, NULL, "ACGRACGT", "TTGGA"));
    ASSERT_OK(dt_primers_search(&primers, &search));
    char sequence[] = "CACGAACGGCCCCCCCTCCATG";
    size_t length = sizeof sequence - 1;
    const dt_cut look = {.search = search, .find_only = true};
    assert_int_equal(dt_cut_amplicon(&look, sequence, &length).result, DT_AMPLICON_FOUND);
    assert_int_equal(length, sizeof sequence - 1);
    const dt_cut cut = {.search = search};
    assert_int_equal(dt_cut_amplicon(&cut, sequence, &length).result, DT_AMPLICON_FOUND);
    assert_memory_equal(sequence, "CCCCCCC", length);
    assert_int_equal(length, 7);
    dt_primer_search_destroy(search);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_pair_is_found),
        cmocka_unit_test(long_primers),
        cmocka_unit_test(each_result),
        cmocka_unit_test(wrong_primers),
        cmocka_unit_test(primers_of_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
