/* A packed batch is refused where operations would leave their memory, and its rows are told their
 * sequences. */
#include "test.h"

#include "core/packed.h"

/* Three sequences of 2, 1 and 3 tokens, and room for exactly these. */
static int32_t starts[] = {0, 2, 3, 6};
static int32_t ids[] = {5, 0, 9, 1, 70000, 2};
static const dt_packed good = {3, 7, starts, ids};
static const dt_packed_capacity exact = {3, 7, 6};

static void refused(const dt_packed *packed, const dt_packed_capacity *room, const char *why)
{
    assert_int_equal(dt_packed_check(packed, room), DT_ERR_INTERNAL);
    assert_string_equal(dt_error_message(), why);
}

static void a_batch_that_fills_its_room_is_taken(void **state)
{
    (void)state;
    assert_int_equal(dt_packed_check(&good, &exact), DT_OK);
    dt_packed without_labels = good;
    without_labels.tax_ranks = 0;
    assert_int_equal(dt_packed_check(&without_labels, &exact), DT_OK);
}

static void a_batch_larger_than_its_room_is_refused(void **state)
{
    (void)state;
    dt_packed_capacity room = exact;
    room.sequences = 2;
    refused(&good, &room,
            "a batch of 3 sequences and 7 taxonomic ranks exceeds the reserved capacity");
    room = exact;
    room.tax_ranks = 6;
    refused(&good, &room,
            "a batch of 3 sequences and 7 taxonomic ranks exceeds the reserved capacity");
    room = exact;
    room.tokens = 5;
    refused(&good, &room, "a batch of 6 tokens exceeds the reserved 5 tokens");
    room = (dt_packed_capacity){0};
    refused(&good, &room,
            "a batch of 3 sequences and 7 taxonomic ranks exceeds the reserved capacity");
}

static void a_batch_without_sequences_is_refused(void **state)
{
    (void)state;
    dt_packed none = good;
    none.sequences = 0;
    refused(&none, &exact,
            "a batch of 0 sequences and 7 taxonomic ranks exceeds the reserved capacity");
}

static void a_sequence_without_tokens_or_one_that_ends_before_it_begins_is_refused(void **state)
{
    (void)state;
    int32_t empty[] = {0, 2, 2, 6};
    int32_t backwards[] = {0, 3, 1, 6};
    dt_packed packed = good;
    packed.cu_seqlens = empty;
    refused(&packed, &exact, "sequence 1 of a batch has no tokens");
    packed.cu_seqlens = backwards;
    refused(&packed, &exact, "sequence 1 of a batch has no tokens");
}

static void a_batch_that_does_not_begin_at_row_0_is_refused(void **state)
{
    (void)state;
    int32_t late[] = {1, 2, 3, 6};
    dt_packed packed = good;
    packed.cu_seqlens = late;
    refused(&packed, &exact, "a batch of 6 tokens exceeds the reserved 6 tokens");
}

static void a_negative_token_id_is_refused(void **state)
{
    (void)state;
    int32_t negative[] = {5, 0, 9, 1, 70000, -1};
    dt_packed packed = good;
    packed.token_ids = negative;
    refused(&packed, &exact, "a token id of a batch is negative");
}

static void rows_are_told_their_sequences(void **state)
{
    (void)state;
    const int32_t wanted[] = {0, 0, 1, 2, 2, 2};
    int32_t sequence_of_row[6];
    const dt_packed_extent extent = dt_packed_rows(sequence_of_row, &good);
    assert_memory_equal(sequence_of_row, wanted, sizeof wanted);
    assert_int_equal(extent.longest, 3);
    assert_int_equal(extent.largest_id, 70000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_that_fills_its_room_is_taken),
        cmocka_unit_test(a_batch_larger_than_its_room_is_refused),
        cmocka_unit_test(a_batch_without_sequences_is_refused),
        cmocka_unit_test(a_sequence_without_tokens_or_one_that_ends_before_it_begins_is_refused),
        cmocka_unit_test(a_batch_that_does_not_begin_at_row_0_is_refused),
        cmocka_unit_test(a_negative_token_id_is_refused),
        cmocka_unit_test(rows_are_told_their_sequences),
    };
    return cmocka_run_group_tests_name("packed", tests, NULL, NULL);
}
