/* The set of a sequence's k-mers. */
#include <stdlib.h>
#include <string.h>

#include "sequence/kmer.h"
#include "sequence/onehot.h"
#include "test.h"

/* Returns the number of ids of a text's k-mers, in `ids`. */
static int32_t bag_of(const char *text, int32_t k, int32_t ids[256])
{
    uint16_t bases[256];
    const int32_t length = (int32_t)strlen(text);
    dt_onehot_encode(bases, text, (size_t)length);
    for (int32_t i = 0; i < length; ++i)
        ids[i] = bases[i];
    return dt_kmer_bag(ids, length, k);
}

static void check(const char *text, int32_t k, int32_t count, const int32_t *expected)
{
    int32_t ids[256];
    assert_int_equal(bag_of(text, k, ids), count);
    assert_memory_equal(ids, expected, (size_t)count * sizeof *expected);
}

/* A C G T are 0 to 3, the first base counts most. */
static void words_are_numbers_in_base_four(void **state)
{
    (void)state;
    check("ACGT", 1, 4, (int32_t[]){0, 1, 2, 3});
    check("ACGT", 2, 3, (int32_t[]){1, 6, 11});
    check("TGCA", 4, 1, (int32_t[]){3 * 64 + 2 * 16 + 1 * 4});
    check("UGCA", 4, 1, (int32_t[]){3 * 64 + 2 * 16 + 1 * 4});
    check("TTTTTTTT", 8, 1, (int32_t[]){65535});
    check("CAAAAAAAAG", 8, 3, (int32_t[]){0, 2, 16384});
}

static void each_word_is_there_once_and_in_ascending_order(void **state)
{
    (void)state;
    check("TTTTTTTTTT", 3, 1, (int32_t[]){63});
    check("TATATATA", 2, 2, (int32_t[]){3, 12});
    check("ACACACGG", 2, 4, (int32_t[]){1, 4, 6, 10});
}

static void words_with_another_letter_are_left_out(void **state)
{
    (void)state;
    check("ACNGT", 2, 2, (int32_t[]){1, 11});
    check("NACGN", 3, 1, (int32_t[]){6});
    check("NNACG", 3, 1, (int32_t[]){6});
}

static void without_words_there_is_one_id_past_the_last(void **state)
{
    (void)state;
    check("A", 7, 1, (int32_t[]){16384});
    check("NNNNNNNN", 2, 1, (int32_t[]){16});
    check("ACNACNAC", 3, 1, (int32_t[]){64});
    check("ACGTACG", 8, 1, (int32_t[]){65536});
}

/* Against sets of words collected one by one, of random sequences with other letters. */
static void equals_a_plain_search(void **state)
{
    (void)state;
    static const char letters[] = "ACGT";
    unsigned draw = 1;
    for (int round = 0; round < 200; ++round) {
        char text[201] = {0};
        int32_t ids[256];
        const int32_t k = 1 + round % DT_KMER_MAX;
        const int32_t length = 1 + round;
        uint8_t *seen = calloc((size_t)dt_kmer_ids(k), 1);
        int32_t different = 0;
        for (int32_t i = 0; i < length; ++i) {
            draw = draw * 1664525u + 1013904223u;
            text[i] = "ACGTACGTACGTACGTACGTN"[(draw >> 16) % 21];
        }
        for (int32_t i = 0; i + k <= length; ++i) {
            int32_t id = 0;
            for (int32_t j = 0; j < k && id >= 0; ++j)
                id = text[i + j] == 'N'
                         ? -1
                         : 4 * id + (int32_t)(strchr(letters, text[i + j]) - letters);
            different += id >= 0 && !seen[id];
            if (id >= 0)
                seen[id] = 1;
        }
        const int32_t count = bag_of(text, k, ids);
        assert_int_equal(count, different > 0 ? different : 1);
        for (int32_t i = 0; different > 0 && i < count; ++i)
            assert_true(seen[ids[i]] && (i == 0 || ids[i] > ids[i - 1]));
        free(seen);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_numbers_in_base_four),
        cmocka_unit_test(each_word_is_there_once_and_in_ascending_order),
        cmocka_unit_test(words_with_another_letter_are_left_out),
        cmocka_unit_test(without_words_there_is_one_id_past_the_last),
        cmocka_unit_test(equals_a_plain_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
