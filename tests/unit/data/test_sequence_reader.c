/* Blocks of sequences: processing, counts and order, with any number of threads. */
#include <stdlib.h>
#include <string.h>

#include "data/sequence_reader.h"
#include "sequence/strand.h"
#include "unit/io/io_test.h"
#include "unit/sequence/small_tokenizer.h"

#define SEQUENCES 1000

typedef struct {
    int32_t block_size;
    int64_t read;
    int32_t length[SEQUENCES]; /* as they were read */
    int32_t tokens[SEQUENCES];
    int64_t token_sum;
    int64_t reversed;
    char first[64]; /* letters of sequence 0 */
    bool keeps;
    dt_sequence_block kept;
    int64_t fails_at; /* sequences; 0: never */
} seen;

static dt_status see(void *context, dt_sequence_block *block)
{
    seen *s = context;
    assert_true(block->count > 0 && block->count <= s->block_size);
    assert_int_equal(block->first, s->read);
    for (int32_t i = 0; i < block->count; ++i, ++s->read) {
        char id[16];
        snprintf(id, sizeof id, "s%d", (int)s->read);
        assert_string_equal(block->record[i].id.data, id);
        assert_int_equal(strlen(block->record[i].sequence.data), block->record[i].sequence.length);
        s->length[s->read] = (int32_t)block->record[i].sequence.length;
        s->tokens[s->read] = block->token_count[i];
        for (int32_t t = 0; t < block->token_count[i]; ++t)
            s->token_sum += (s->read + 1) * block->tokens[block->token_begin[i] + t];
        s->reversed += block->reversed[i];
        if (s->read == 0)
            snprintf(s->first, sizeof s->first, "%s", block->record[i].sequence.data);
    }
    if (s->keeps) { /* and returns the previously kept one */
        const dt_sequence_block given = s->kept;
        s->kept = *block;
        *block = given;
    }
    return s->fails_at && s->read >= s->fails_at ? dt_fail(DT_ERR_IO, "enough") : DT_OK;
}

/* i + 1 letters modulo 50, every third with as many gaps, lower case. */
static void write_sequences(const char *path)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < SEQUENCES; ++i) {
        fprintf(file, ">s%d\n", i);
        for (int k = 0; k < 1 + i % 50; ++k)
            fprintf(file, i % 3 ? "%c" : "-%c", "acgu"[(i + k * k) % 4]);
        fputc('\n', file);
    }
    assert_int_equal(fclose(file), 0);
}

static dt_status read_all(seen *s, const dt_reading *reading, dt_reading_counts *counts)
{
    dt_fasta *input;
    s->block_size = reading->block_size;
    ASSERT_OK(dt_fasta_open(&input, "in.fasta"));
    const dt_status status = dt_read_sequences(input, reading, counts, see, s);
    dt_sequence_block_free(&s->kept, reading->block_size);
    dt_fasta_close(input);
    return status;
}

static void results_do_not_depend_on_blocks_or_threads(void **state)
{
    (void)state;
    dt_tokenizer *tokenizer = small_tokenizer();
    static seen one;
    write_sequences("in.fasta");
    dt_reading reading = {
        .normalize = true, .tokenizer = tokenizer, .block_size = SEQUENCES, .threads = 1};
    dt_reading_counts counts;
    ASSERT_OK(read_all(&one, &reading, &counts));
    assert_int_equal(one.read, SEQUENCES);
    assert_string_equal(one.first, "A");
    int64_t gaps = 0;
    for (int i = 0; i < SEQUENCES; ++i) {
        assert_int_equal(one.length[i], 1 + i % 50);
        assert_in_range(one.tokens[i], 3, 2 + one.length[i]);
        gaps += i % 3 ? 0 : 1 + i % 50;
    }
    assert_int_equal(counts.gaps, gaps);
    assert_int_equal(counts.gapped_sequences, (SEQUENCES + 2) / 3);
    assert_int_equal(counts.left_out, 0);
    for (int run = 0; run < 8; ++run) {
        static const int32_t sizes[] = {1, 7, 64, 5000};
        seen *s;
        ASSERT_OK(DT_NEW(s, 1));
        reading.block_size = sizes[run % 4];
        reading.threads = run < 4 ? 1 : 3;
        s->keeps = run % 2;
        ASSERT_OK(read_all(s, &reading, &counts));
        assert_int_equal(s->token_sum, one.token_sum);
        assert_memory_equal(s->tokens, one.tokens, sizeof one.tokens);
        assert_int_equal(counts.gaps, gaps);
        free(s);
    }
    dt_tokenizer_destroy(tokenizer);
}

static void short_sequences_are_left_out_after_normalisation(void **state)
{
    (void)state;
    dt_reading_counts counts;
    write_text("in.fasta", ">x\nAC-\n>s0\nACG\n>y\n--.\n>s1\n-ACGT\n");
    seen s = {0};
    dt_reading reading = {.normalize = true, .min_length = 3, .block_size = 2, .threads = 1};
    ASSERT_OK(read_all(&s, &reading, &counts));
    assert_int_equal(s.read, 2);
    assert_int_equal(counts.left_out, 2);
    assert_int_equal(s.length[1], 4);
    write_text("in.fasta", ">s0\nAC-\n>x\nAC\n>s1\n--.\n");
    s = (seen){0};
    reading.normalize = false; /* then gaps count as letters */
    ASSERT_OK(read_all(&s, &reading, &counts));
    assert_int_equal(s.read, 2);
    assert_int_equal(counts.left_out, 1);
    assert_int_equal(counts.gaps, 0);
}

static void gaps_only_cannot_be_encoded(void **state)
{
    (void)state;
    dt_tokenizer *tokenizer = small_tokenizer();
    seen s = {0};
    write_text("in.fasta", ">s0\nACG\n>s1\n-.-\n");
    dt_reading reading = {.normalize = true, .block_size = 2, .threads = 1};
    ASSERT_OK(read_all(&s, &reading, NULL));
    assert_int_equal(s.length[1], 0);
    reading.tokenizer = tokenizer;
    ASSERT_FAILS(
        DT_ERR_INPUT,
        "in.fasta: line 3: the sequence of 's1' consists of gap characters only: complete or "
        "remove it",
        read_all(&s, &reading, NULL));
    reading.normalize = false;
    s = (seen){0};
    ASSERT_OK(read_all(&s, &reading, NULL));
    dt_tokenizer_destroy(tokenizer);
}

static void tokens_are_truncated_and_the_sink_can_end_the_reading(void **state)
{
    (void)state;
    dt_tokenizer *tokenizer = small_tokenizer();
    static seen s;
    write_sequences("in.fasta");
    const dt_reading reading = {
        .tokenizer = tokenizer, .max_length = 5, .block_size = 10, .threads = 2};
    s.fails_at = 95;
    ASSERT_FAILS(DT_ERR_IO, "enough", read_all(&s, &reading, NULL));
    assert_int_equal(s.read, 100);
    for (int i = 0; i < 100; ++i)
        assert_in_range(s.tokens[i], 2, 5);
    assert_int_equal(s.tokens[49], 5);
    dt_tokenizer_destroy(tokenizer);
}

/* With the profile of a sequence, its reverse complement is read as the sequence. */
static void the_other_strand_is_reverse_complemented(void **state)
{
    (void)state;
    static int64_t kmers[DT_STRAND_KMERS];
    static dt_strand_profile profile;
    static const char strand[] = "ACCATTGACGGTCAAGTCCAACCTGAGG";
    char other[64];
    dt_reading_counts counts;
    memcpy(other, strand, sizeof strand);
    dt_reverse_complement(other, sizeof strand - 1);
    write_text("in.fasta", ">s0\nACCATTGACGGTCAAGTCCAACCTGAGG\n");
    seen s = {0};
    for (int i = 0; i < 20; ++i) { /* the same sequence twenty times */
        s = (seen){0};
        ASSERT_OK(read_all(&s, &(dt_reading){.block_size = 1, .threads = 2, .kmers = kmers}, NULL));
    }
    dt_strand_profile_of(&profile, kmers);
    FILE *file = fopen("in.fasta", "w");
    assert_non_null(file);
    fprintf(file, ">s0\n%s\n>s1\n%s\n", other, strand);
    assert_int_equal(fclose(file), 0);
    s = (seen){0};
    ASSERT_OK(
        read_all(&s, &(dt_reading){.strand = &profile, .block_size = 4, .threads = 1}, &counts));
    assert_int_equal(counts.reversed, 1);
    assert_int_equal(s.reversed, 1);
    assert_string_equal(s.first, strand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_do_not_depend_on_blocks_or_threads),
        cmocka_unit_test(short_sequences_are_left_out_after_normalisation),
        cmocka_unit_test(gaps_only_cannot_be_encoded),
        cmocka_unit_test(tokens_are_truncated_and_the_sink_can_end_the_reading),
        cmocka_unit_test(the_other_strand_is_reverse_complemented),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
