/* The table of neighbours against its definition, on random merges: two tokens are neighbours when
 * their texts, one after the other, encode into them; a token is usable when its own text does. */
#include "test.h"

#include <stdbool.h>

#include "core/philox.h"
#include "sequence/bpe_border.h"

#define MOST_MERGES 30
#define LONGEST 4096 /* characters of a pair of tokens; longer ones are left out */

static uint32_t draw(uint32_t below)
{
    static uint32_t counter;
    uint32_t out[4];
    dt_philox(11, 1, counter++, 0, 0, 0, out);
    return out[0] % below;
}

static void make_merges(dt_merges *merges, uint32_t characters, uint32_t count)
{
    ASSERT_OK(dt_merges_init(merges, count));
    while (merges->count < count) {
        const uint32_t ids = characters + merges->count;
        /* mostly young parts, so that there are long tokens */
        const uint16_t left = (uint16_t)(ids - 1 - draw(draw(ids) + 1));
        const uint16_t right = (uint16_t)(ids - 1 - draw(draw(ids) + 1));
        if (dt_merges_find(merges, left, right) == DT_NO_MERGE)
            dt_merges_add(merges, left, right, (uint16_t)ids);
    }
}

/* Appends the characters of a token; false where there is no room. */
static bool spell(const dt_merges *merges, uint32_t characters, uint16_t id, uint16_t *text,
                  size_t *n)
{
    if (id >= characters)
        return spell(merges, characters, merges->left[id - characters], text, n) &&
               spell(merges, characters, merges->right[id - characters], text, n);
    if (*n == LONGEST)
        return false;
    text[(*n)++] = id;
    return true;
}

/* Whether tokens[0 … count-1] are the encoding of their text; -1: it is too long. */
static int encode_into_themselves(const dt_merges *merges, dt_merge_work *work, uint32_t characters,
                                  const uint16_t *tokens, size_t count)
{
    static uint16_t text[LONGEST];
    size_t n = 0;
    size_t merged;
    for (size_t i = 0; i < count; ++i)
        if (!spell(merges, characters, tokens[i], text, &n))
            return -1;
    ASSERT_OK(dt_merges_apply(merges, work, text, n, &merged));
    return merged == count && memcmp(text, tokens, count * sizeof *tokens) == 0;
}

/* Merges of neighbours, as they are learnt: all tokens are usable. */
static void make_learnt(dt_merges *merges, uint32_t characters, uint32_t count)
{
    dt_merge_work work = {0};
    ASSERT_OK(dt_merges_init(merges, count));
    while (merges->count < count) {
        const uint32_t ids = characters + merges->count;
        const uint16_t pair[2] = {(uint16_t)draw(ids), (uint16_t)draw(ids)};
        if (encode_into_themselves(merges, &work, characters, pair, 2) == 1)
            dt_merges_add(merges, pair[0], pair[1], (uint16_t)ids);
    }
    dt_merge_work_free(&work);
}

static void compare(const dt_merges *merges, uint32_t characters, int *parted)
{
    uint16_t character[8];
    const uint32_t ids = characters + merges->count;
    for (uint32_t i = 0; i < characters; ++i)
        character[i] = (uint16_t)i;
    dt_border border;
    dt_merge_work work = {0};
    ASSERT_OK(dt_border_create(&border, merges, (int32_t)ids, character, (int32_t)characters));
    assert_int_equal(border.symbols, ids);
    for (uint32_t x = 0; x < ids; ++x) {
        const uint16_t one = (uint16_t)x;
        const int usable = encode_into_themselves(merges, &work, characters, &one, 1);
        if (usable >= 0)
            assert_int_equal(border.usable[x], usable);
        for (uint32_t y = 0; y < ids; ++y) {
            const uint16_t pair[2] = {(uint16_t)x, (uint16_t)y};
            if (!border.usable[x] || !border.usable[y])
                continue;
            const int holds = encode_into_themselves(merges, &work, characters, pair, 2);
            if (holds >= 0)
                assert_int_equal(dt_border_holds(&border, border.row[x], border.column[y]), holds);
            *parted += holds == 0;
        }
    }
    dt_merge_work_free(&work);
    dt_border_free(&border);
}

static void neighbours_are_those_of_the_definition(void **state)
{
    (void)state;
    int parted = 0;
    for (int repeat = 0; repeat < 200; ++repeat) {
        const uint32_t characters = 1 + draw(5);
        dt_merges merges;
        make_merges(&merges, characters, draw(MOST_MERGES + 1));
        compare(&merges, characters, &parted);
        dt_merges_free(&merges);
    }
    assert_true(parted > 1000);
}

/* Rows of more than one word. */
static void large_vocabularies_too(void **state)
{
    (void)state;
    int parted = 0;
    dt_merges merges;
    make_learnt(&merges, 4, 250);
    compare(&merges, 4, &parted);
    dt_merges_free(&merges);
    assert_true(parted > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neighbours_are_those_of_the_definition),
        cmocka_unit_test(large_vocabularies_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
