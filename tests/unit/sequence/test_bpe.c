/* The two ways to apply merges against their definition, a loop that looks for the best pair again
 * after each merge, on random merges and random words. */
#include "test.h"

#include <stdbool.h>

#include "core/philox.h"
#include "sequence/bpe_merge.h"
#include "sequence/bpe_walk.h"

#define WORD 60

static uint32_t draw(uint32_t below)
{
    static uint32_t counter;
    uint32_t out[4];
    dt_philox(7, 1, counter++, 0, 0, 0, out);
    return out[0] % below;
}

/* `characters` ids from 0 on, then one id a merge; the parts of a merge are any earlier ids. */
static void make_proper(dt_merges *merges, uint32_t characters, uint32_t count)
{
    ASSERT_OK(dt_merges_init(merges, count));
    while (merges->count < count) {
        const uint32_t ids = characters + merges->count;
        const uint16_t left = (uint16_t)draw(ids);
        const uint16_t right = (uint16_t)draw(ids);
        if (dt_merges_find(merges, left, right) == DT_NO_MERGE)
            dt_merges_add(merges, left, right, (uint16_t)ids);
    }
}

/* Parts and results in any order, several merges with one result, pairs that are listed twice. */
static void make_wild(dt_merges *merges, uint32_t characters, uint32_t count)
{
    ASSERT_OK(dt_merges_init(merges, count));
    const uint32_t ids = characters + count;
    for (uint32_t i = 0; i < count; ++i)
        dt_merges_add(merges, (uint16_t)draw(ids), (uint16_t)draw(ids),
                      (uint16_t)(characters + draw(count)));
}

static size_t apply_naively(const dt_merges *merges, uint16_t *symbols, size_t n)
{
    for (;;) {
        uint32_t best = DT_NO_MERGE;
        size_t place = 0;
        for (size_t i = 0; i + 1 < n; ++i) {
            uint32_t index = DT_NO_MERGE;
            for (uint32_t m = merges->count; m-- > 0 && index == DT_NO_MERGE;)
                if (merges->left[m] == symbols[i] && merges->right[m] == symbols[i + 1])
                    index = m;
            if (index < best) {
                best = index;
                place = i;
            }
        }
        if (best == DT_NO_MERGE)
            return n;
        symbols[place] = merges->result[best];
        memmove(symbols + place + 1, symbols + place + 2, (n - place - 2) * sizeof *symbols);
        --n;
    }
}

/* Words of single characters and of repeats, in which equal pairs overlap; `unknown` parts them. */
static size_t make_word(uint16_t *word, uint32_t characters, uint16_t unknown)
{
    const size_t n = draw(WORD + 1);
    const uint32_t style = draw(3);
    const size_t period = 1 + draw(4);
    for (size_t i = 0; i < n; ++i) {
        word[i] = (uint16_t)draw(characters);
        if (style == 1 && i >= period)
            word[i] = word[i - period];
        if (style == 2 && draw(8) == 0)
            word[i] = unknown;
    }
    return n;
}

static void assert_same(const char *how, const uint16_t *expected, size_t expected_count,
                        const uint16_t *tokens, size_t count)
{
    if (count != expected_count || memcmp(expected, tokens, count * sizeof *tokens) != 0)
        fail_msg("%s differs from the definition", how);
}

static void compare(const dt_merges *merges, uint32_t characters, bool walks)
{
    uint16_t character[8];
    const uint16_t unknown = (uint16_t)(characters + merges->count);
    for (uint32_t i = 0; i < characters; ++i)
        character[i] = (uint16_t)i;
    dt_bpe_walk *walk;
    ASSERT_OK(dt_bpe_walk_create(&walk, merges, unknown + 1, character, (int32_t)characters));
    if (walks)
        assert_non_null(walk);
    dt_merge_work merge_work = {0};
    dt_walk_work walk_work = {0};
    for (int repeat = 0; repeat < 40; ++repeat) {
        uint16_t word[WORD], expected[WORD], heap[WORD], out[WORD];
        const size_t n = make_word(word, characters, unknown);
        memcpy(expected, word, sizeof word);
        memcpy(heap, word, sizeof word);
        const size_t expected_count = apply_naively(merges, expected, n);
        size_t count;
        ASSERT_OK(dt_merges_apply(merges, &merge_work, heap, n, &count));
        assert_same("the priority queue", expected, expected_count, heap, count);
        if (!walk)
            continue;
        ASSERT_OK(dt_bpe_walk_encode(walk, &walk_work, word, n, out, &count));
        assert_same("the walk", expected, expected_count, out, count);
    }
    dt_merge_work_free(&merge_work);
    dt_walk_work_free(&walk_work);
    dt_bpe_walk_destroy(walk);
}

static void queue_and_walk_equal_the_definition(void **state)
{
    (void)state;
    for (int repeat = 0; repeat < 250; ++repeat) {
        const uint32_t characters = 1 + draw(5);
        dt_merges merges;
        make_proper(&merges, characters, draw(40));
        compare(&merges, characters, true);
        dt_merges_free(&merges);
    }
}

/* What the walk does not promise it must refuse, and the queue must do. */
static void queue_equals_the_definition_for_any_merges(void **state)
{
    (void)state;
    for (int repeat = 0; repeat < 250; ++repeat) {
        const uint32_t characters = 1 + draw(5);
        dt_merges merges;
        make_wild(&merges, characters, 1 + draw(40));
        compare(&merges, characters, false);
        dt_merges_free(&merges);
    }
}

static void walk_refuses_what_it_cannot_do(void **state)
{
    (void)state;
    const uint16_t character[2] = {0, 1};
    /* (left, right, result) of two merges: one result twice; a part that is made later; a pair
     * twice; a part that is no character and is never made */
    static const uint16_t cases[4][6] = {
        {0, 1, 2, 1, 0, 2}, {0, 3, 2, 0, 1, 3}, {0, 1, 2, 0, 1, 3}, {0, 1, 2, 0, 4, 3}};
    for (int i = 0; i < 4; ++i) {
        dt_merges merges;
        ASSERT_OK(dt_merges_init(&merges, 2));
        dt_merges_add(&merges, cases[i][0], cases[i][1], cases[i][2]);
        dt_merges_add(&merges, cases[i][3], cases[i][4], cases[i][5]);
        dt_bpe_walk *walk;
        ASSERT_OK(dt_bpe_walk_create(&walk, &merges, 5, character, 2));
        assert_null(walk);
        dt_merges_free(&merges);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queue_and_walk_equal_the_definition),
        cmocka_unit_test(queue_equals_the_definition_for_any_merges),
        cmocka_unit_test(walk_refuses_what_it_cannot_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
