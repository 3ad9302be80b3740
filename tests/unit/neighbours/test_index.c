/* The search finds what comparing sets one by one finds. */
#include "core/pool.h"
#include "neighbours/index.h"
#include "test.h"

enum { KMERS = 65536, MOST = 100, LONGEST = 2000 };

/* ---- Sequences: families that descend from one ancestor, as genes do ------------------------- */

static uint64_t random_state;

static uint32_t draw(uint32_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((random_state >> 33) * below >> 31);
}

static size_t mutate(char *out, const char *from, size_t length, uint32_t one_in)
{
    size_t n = 0;
    for (size_t i = 0; i < length; ++i) {
        const uint32_t event = draw(one_in * 8);
        if (event == 0)
            continue; /* deletion */
        if (event == 1)
            out[n++] = "ACGT"[draw(4)];
        out[n++] = event >= 2 && event < 8 ? "ACGT"[draw(4)] : from[i];
        if (event == 8 && one_in < 100 && draw(8) == 0)
            out[n++] = 'N';
    }
    out[n] = '\0';
    return n;
}

static void random_text(char *out, size_t length)
{
    for (size_t i = 0; i < length; ++i)
        out[i] = "ACGT"[draw(4)];
    out[length] = '\0';
}

/* Orders, families and members; some copies, some hopeless ones. */
static void make_references(dt_references *out, int32_t orders, size_t length)
{
    static char root[2 * LONGEST], order[2 * LONGEST], family[2 * LONGEST], member[2 * LONGEST];
    dt_reference_builder *builder;
    ASSERT_OK(dt_reference_builder_create(&builder));
    random_text(root, length);
    int32_t leaf = 0;
    for (int32_t o = 0; o < orders; ++o) {
        const size_t of_order = mutate(order, root, length, 6);
        for (uint32_t f = 1 + draw(5); f > 0; --f, ++leaf) {
            const size_t of_family = mutate(family, order, of_order, 15);
            for (uint32_t m = 1 + draw(30); m > 0; --m) {
                const size_t of_member = mutate(member, family, of_family, 40 + draw(200));
                for (uint32_t c = draw(5) ? 1 : 1 + draw(12); c > 0; --c)
                    ASSERT_OK(dt_reference_builder_add(builder, "member", member, of_member, leaf));
            }
        }
    }
    random_text(member, length);
    ASSERT_OK(dt_reference_builder_add(builder, "alone", member, length, leaf));
    ASSERT_OK(dt_reference_builder_add(builder, "short", "ACGTACG", 7, leaf));
    ASSERT_OK(dt_reference_builder_add(builder, "empty", "", 0, leaf));
    ASSERT_OK(dt_reference_builder_add(builder, "repeat", "AAAAAAAAAAAAAAAAAAAA", 20, leaf));
    ASSERT_OK(dt_reference_builder_finish(builder, out));
    dt_reference_builder_destroy(builder);
}

/* ---- One by one ------------------------------------------------------------------------------- */

/* Returns the number of the 8-mer at the start of a text of at least 8 letters, -1: it is none. */
static int32_t kmer_at(const char *text)
{
    static const char letters[] = "AaCcGgTtUu";
    int32_t kmer = 0;
    for (int b = 0; b < 8; ++b) {
        const char *base = memchr(letters, text[b], sizeof letters - 1);
        if (!base)
            return -1;
        const int32_t number = (int32_t)(base - letters) / 2;
        kmer = kmer * 4 + (number > 3 ? 3 : number);
    }
    return kmer;
}

/* Gives the 8-mers of a text a value; returns how many had another one, and in *others the sum of
 * what those have in `other`. */
static int32_t set_kmers(uint8_t *set, uint8_t value, const char *text, size_t length,
                         const uint8_t *other, int32_t *others)
{
    int32_t count = 0;
    *others = 0;
    for (size_t i = 0; i + 8 <= length; ++i) {
        const int32_t kmer = kmer_at(text + i);
        if (kmer < 0 || set[kmer] == value)
            continue;
        set[kmer] = value;
        *others += other[kmer];
        ++count;
    }
    return count;
}

static int nearer(const void *a, const void *b)
{
    const dt_neighbour *x = a;
    const dt_neighbour *y = b;
    if (x->similarity != y->similarity)
        return x->similarity > y->similarity ? -1 : 1;
    return x->reference - y->reference;
}

/* All references that have an 8-mer of the query, in order. */
static int32_t order_all(dt_neighbour *out, const dt_references *r, const char *query,
                         size_t length)
{
    static uint8_t of_query[KMERS], of_reference[KMERS];
    static char text[4 * LONGEST];
    int32_t shared;
    int32_t count = 0;
    const int32_t query_size = set_kmers(of_query, 1, query, length, of_reference, &shared);
    for (int32_t i = 0; i < r->count; ++i) {
        const size_t of_text = (size_t)dt_reference_text_length(r, i);
        int32_t none;
        dt_reference_text(r, i, text);
        const int32_t size = set_kmers(of_reference, 1, text, of_text, of_query, &shared);
        set_kmers(of_reference, 0, text, of_text, of_query, &none);
        if (shared)
            out[count++] = (dt_neighbour){i, r->copies[i],
                                          (double)shared / (double)(query_size + size - shared)};
    }
    set_kmers(of_query, 0, query, length, of_reference, &shared);
    qsort(out, (size_t)count, sizeof *out, nearer);
    return count;
}

static void assert_neighbours(dt_neighbour_search *search, const dt_neighbour *all, int32_t count,
                              const char *query, size_t length, int32_t k, int32_t exclude)
{
    dt_neighbour found[MOST];
    const int32_t n = dt_neighbours_find(search, query, length, k, exclude, found);
    int32_t at = 0;
    int32_t left = k;
    for (int32_t i = 0; i < count && left > 0; ++i) {
        const int32_t copies = all[i].copies - (all[i].reference == exclude);
        if (copies == 0)
            continue;
        assert_true(at < n);
        assert_int_equal(found[at].reference, all[i].reference);
        assert_int_equal(found[at].copies, copies < left ? copies : left);
        assert_true(found[at].similarity == all[i].similarity);
        left -= found[at++].copies;
    }
    assert_int_equal(at, n);
}

static void assert_query(dt_neighbour_search *search, const dt_references *r, const char *query,
                         size_t length)
{
    static const int32_t sizes[] = {1, 2, 3, 5, 20, 21, MOST};
    dt_neighbour *all = calloc((size_t)r->count + 1, sizeof *all);
    const int32_t count = order_all(all, r, query, length);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
        assert_neighbours(search, all, count, query, length, sizes[i], -1);
        for (int32_t e = 0; e < 4 && e < count; ++e)
            assert_neighbours(search, all, count, query, length, sizes[i], all[e].reference);
    }
    free(all);
}

/* Queries that are references, parts of them, relatives, strangers, and no sequences at all. */
static void assert_queries(dt_neighbour_search *search, const dt_references *r, int queries)
{
    static char text[4 * LONGEST], query[8 * LONGEST];
    for (int q = 0; q < queries; ++q) {
        const int32_t reference = (int32_t)draw((uint32_t)r->count);
        const size_t length = (size_t)dt_reference_text_length(r, reference);
        dt_reference_text(r, reference, text);
        assert_query(search, r, text, length);
        assert_query(search, r, text + length / 3, length / 6);
        const uint32_t distances[] = {3, 10, 50};
        for (int d = 0; d < 3; ++d)
            assert_query(search, r, query, mutate(query, text, length, distances[d]));
    }
    random_text(query, LONGEST);
    assert_query(search, r, query, LONGEST);
    static const char *const odd[] = {"",
                                      "ACGTACG",
                                      "ACGTNACGTACGNACGTAC",
                                      "NNNNNNNNNNNN",
                                      "AAAAAAAA",
                                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaauuuuuuuuu"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; ++i)
        assert_query(search, r, odd[i], strlen(odd[i]));
}

/* threads: of building the index; 0: without a pool. */
static void assert_references(dt_references *references, int queries, int threads)
{
    dt_neighbour_index *index;
    dt_neighbour_search *search;
    dt_pool *pool = NULL;
    if (threads)
        ASSERT_OK(dt_pool_create(&pool, threads));
    ASSERT_OK(dt_neighbour_index_create(&index, references, pool));
    ASSERT_OK(dt_neighbour_search_create(&search, index, MOST));
    assert_queries(search, references, queries);
    dt_neighbour_search_destroy(search);
    dt_neighbour_index_destroy(index);
    dt_references_free(references);
    dt_pool_destroy(pool);
}

static void the_nearest_are_those_of_all_comparisons(void **state)
{
    (void)state;
    dt_references references;
    random_state = 17;
    make_references(&references, 30, 250);
    assert_references(&references, 2, 0);
    make_references(&references, 12, 1400);
    assert_references(&references, 1, 2);
    make_references(&references, 1, 40);
    assert_references(&references, 2, 3);
    make_references(&references, 0, 100);
    assert_references(&references, 1, 4);
}

/* Many groups, hardly any of which can be ruled out: short references of two letters. */
static void all_groups_are_searched_if_need_be(void **state)
{
    (void)state;
    enum { SEQUENCES = 40000 };
    dt_references references;
    dt_reference_builder *builder;
    random_state = 5;
    ASSERT_OK(dt_reference_builder_create(&builder));
    for (int i = 0; i < SEQUENCES; ++i) {
        char text[40];
        const size_t length = 15 + draw(25);
        for (size_t b = 0; b < length; ++b)
            text[b] = "AC"[draw(2)];
        ASSERT_OK(dt_reference_builder_add(builder, "", text, length, i % 7));
    }
    ASSERT_OK(dt_reference_builder_finish(builder, &references));
    dt_reference_builder_destroy(builder);
    dt_neighbour_index *index;
    dt_neighbour_search *search;
    ASSERT_OK(dt_neighbour_index_create(&index, &references, NULL));
    ASSERT_OK(dt_neighbour_search_create(&search, index, MOST));
    assert_query(search, &references, "ACCACAAACACCCAACACACCACCAAAACACACCCCACA", 39);
    dt_neighbour_search_destroy(search);
    dt_neighbour_index_destroy(index);
    dt_references_free(&references);
}

static void there_may_be_no_references(void **state)
{
    (void)state;
    const dt_references none = {0};
    dt_neighbour_index *index;
    dt_neighbour_search *search;
    dt_neighbour found[1];
    ASSERT_OK(dt_neighbour_index_create(&index, &none, NULL));
    ASSERT_OK(dt_neighbour_search_create(&search, index, 1));
    assert_int_equal(dt_neighbours_find(search, "ACGTACGTACGT", 12, 1, -1, found), 0);
    dt_neighbour_search_destroy(search);
    dt_neighbour_index_destroy(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nearest_are_those_of_all_comparisons),
        cmocka_unit_test(all_groups_are_searched_if_need_be),
        cmocka_unit_test(there_may_be_no_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
