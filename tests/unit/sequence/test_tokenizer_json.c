#include "test.h"

#include <unistd.h>

#include "core/file.h"
#include "sequence/tokenizer_json.h"
#include "sequence/bpe_learn.h"

/* The parts of a small file, so that a test can change one of them. */
typedef struct {
    const char *version, *added, *normalizer, *pre_tokenizer, *post_processor, *options, *vocab,
        *merges, *sections;
} parts;

static parts good_parts(void)
{
    return (parts){
        .version = "\"1.0\"",
        .added = "{\"id\": 0, \"content\": \"[UNK]\", \"single_word\": false, \"lstrip\": false,"
                 " \"rstrip\": false, \"normalized\": false, \"special\": true},"
                 "{\"id\": 1, \"content\": \"[CLS]\"}, {\"id\": 2, \"content\": \"[SEP]\"}",
        .normalizer = "null",
        .pre_tokenizer = "{\"type\": \"Whitespace\"}",
        .post_processor =
            "{\"type\": \"TemplateProcessing\", \"single\": ["
            "{\"SpecialToken\": {\"id\": \"[CLS]\", \"type_id\": 0}},"
            "{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}},"
            "{\"SpecialToken\": {\"id\": \"[SEP]\", \"type_id\": 0}}], \"pair\": [],"
            "\"special_tokens\": {\"[CLS]\": {\"id\": \"[CLS]\", \"ids\": [1], \"tokens\": []},"
            "\"[SEP]\": {\"id\": \"[SEP]\", \"ids\": [2], \"tokens\": []}}}",
        .options = "\"unk_token\": \"[UNK]\", \"dropout\": null, \"byte_fallback\": false",
        .vocab = "\"[UNK]\": 0, \"[CLS]\": 1, \"[SEP]\": 2, \"A\": 3, \"C\": 4, \"AC\": 5",
        .merges = "\"A C\"",
        .sections = "\"truncation\": null",
    };
}

static dt_status load(const parts *p, dt_tokenizer **tokenizer)
{
    char json[4096];
    const int length = snprintf(
        json, sizeof json,
        "{\"version\": %s, %s, \"added_tokens\": [%s], \"normalizer\": %s, \"pre_tokenizer\": %s,"
        "\"post_processor\": %s, \"decoder\": {\"type\": \"BPEDecoder\"}, \"model\": {\"type\":"
        " \"BPE\", %s, \"vocab\": {%s}, \"merges\": [%s]}}",
        p->version, p->sections, p->added, p->normalizer, p->pre_tokenizer, p->post_processor,
        p->options, p->vocab, p->merges);
    return dt_tokenizer_from_json(json, (size_t)length, "t.json", tokenizer);
}

static void assert_refused(const parts *p, const char *message)
{
    dt_tokenizer *tokenizer;
    ASSERT_FAILS(DT_ERR_INPUT, message, load(p, &tokenizer));
    ASSERT_FAILS(DT_ERR_INPUT, "t.json: ", load(p, &tokenizer));
    assert_null(strchr(dt_error_message(), '\n'));
    assert_null(tokenizer);
}

static void assert_encodes(const parts *p, const char *text, const char *expected)
{
    dt_tokenizer *tokenizer;
    dt_encoder *encoder;
    const uint16_t *tokens;
    int32_t count;
    char shown[256] = "";
    ASSERT_OK(load(p, &tokenizer));
    ASSERT_OK(dt_encoder_create(&encoder, tokenizer));
    ASSERT_OK(dt_encoder_encode(encoder, text, strlen(text), 0, &tokens, &count));
    for (int32_t i = 0; i < count; ++i)
        snprintf(shown + strlen(shown), sizeof shown - strlen(shown), "%d ", tokens[i]);
    assert_string_equal(shown, expected);
    dt_encoder_destroy(encoder);
    dt_tokenizer_destroy(tokenizer);
}

static void merges_are_strings_or_pairs(void **state)
{
    (void)state;
    parts p = good_parts();
    assert_encodes(&p, "ACA", "1 5 3 2 ");
    p.merges = "\"#version: 0.2\", \"A C\"";
    assert_encodes(&p, "ACA", "1 5 3 2 ");
    p.merges = "[\"A\", \"C\"]";
    assert_encodes(&p, "ACA", "1 5 3 2 ");
    p.merges = "\"AC\"";
    assert_refused(&p, "merge 1, 'AC', is not two tokens");
    p.merges = "\"A C A\"";
    assert_refused(&p, "is not two tokens");
    p.merges = "[\"A\", 4]";
    assert_refused(&p, "neither a string nor a pair");
    p.merges = "\"A G\"";
    assert_refused(&p, "'G' is not in the vocabulary");
}

static void absent_parts_mean_none(void **state)
{
    (void)state;
    parts p = good_parts();
    p.post_processor = "null";
    p.pre_tokenizer = "null";
    p.options = "\"unk_token\": null";
    assert_encodes(&p, "A CN[SEP]C", "5 2 4 ");
    p.pre_tokenizer = "{\"type\": \"WhitespaceSplit\"}";
    assert_encodes(&p, "A C-[SEP]C", "3 4 2 4 ");
    p.options = "\"unk_token\": \"[UNK]\", \"fuse_unk\": true";
    assert_encodes(&p, "ANNC", "3 0 4 ");
}

static void unsupported_components_are_named(void **state)
{
    (void)state;
    parts p = good_parts();
    p.version = "\"2.0\"";
    assert_refused(&p, "version is '2.0'");
    p = good_parts();
    p.normalizer = "{\"type\": \"Lowercase\"}";
    assert_refused(&p, "normalizer is 'Lowercase'");
    p = good_parts();
    p.pre_tokenizer = "{\"type\": \"ByteLevel\"}";
    assert_refused(&p, "pre_tokenizer is 'ByteLevel'");
    p = good_parts();
    p.post_processor = "{\"type\": \"RobertaProcessing\"}";
    assert_refused(&p, "post_processor is 'RobertaProcessing'");
    static const char *const options[][2] = {
        {"\"type\": \"WordPiece\"", "duplicate"},
        {"\"dropout\": 0.1", "dropout is '0.1'"},
        {"\"byte_fallback\": true", "byte_fallback is 'true'"},
        {"\"ignore_merges\": true", "ignore_merges is 'true'"},
        {"\"continuing_subword_prefix\": \"##\"", "continuing_subword_prefix is '##'"},
        {"\"end_of_word_suffix\": \"</w>\"", "end_of_word_suffix is '</w>'"},
        {"\"unk_token\": \"<unk>\"", "unk_token '<unk>' is not in the vocabulary"},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; ++i) {
        p = good_parts();
        p.options = options[i][0];
        assert_refused(&p, options[i][1]);
    }
    dt_tokenizer *tokenizer;
    const char *const other = "{\"model\": {\"type\": \"WordPiece\", \"vocab\": {}}}";
    ASSERT_FAILS(DT_ERR_INPUT, "model type is 'WordPiece'",
                 dt_tokenizer_from_json(other, strlen(other), "t.json", &tokenizer));
}

static void added_tokens_are_checked(void **state)
{
    (void)state;
    parts p = good_parts();
    p.added = "{\"id\": 0, \"content\": \"[UNK]\", \"lstrip\": true}";
    assert_refused(&p, "'[UNK]' has 'lstrip' set");
    p.added = "{\"id\": 7, \"content\": \"[MASK]\"}"; /* the library would number it 6 */
    assert_refused(&p, "gives it the id 6");
    p.added = "{\"id\": 6, \"content\": \"[MASK]\"}";
    assert_encodes(&p, "A[MASK]C", "1 3 6 4 2 ");
    p.added = "{\"id\": 0, \"content\": \"[UNK]\", \"normalized\": true},"
              "{\"id\": 1, \"content\": \"[CLS]\", \"normalized\": false}";
    assert_refused(&p, "partly normalized");
    p.added = "{\"content\": \"[UNK]\"}";
    assert_refused(&p, "'added_tokens' is missing or not valid");
}

static void vocabulary_is_checked(void **state)
{
    (void)state;
    parts p = good_parts();
    p.vocab = "\"[UNK]\": 0, \"[CLS]\": 1, \"[SEP]\": 2, \"A\": 3, \"C\": 4, \"AC\": 65536";
    assert_refused(&p, "'AC' has the id 65536");
    p.vocab = "\"[UNK]\": 0, \"[CLS]\": 1, \"[SEP]\": 2, \"A\": 3, \"C\": 4, \"AC\": 4";
    assert_refused(&p, "have the same id 4");
    p.vocab = "\"[UNK]\": 0, \"[CLS]\": 1, \"[SEP]\": 2, \"A\": 3, \"C\": -4, \"AC\": 5";
    assert_refused(&p, "the id -4");
    p.vocab = "\"[UNK]\": 0, \"[CLS]\": 1, \"[SEP]\": 2, \"A\": 3, \"C\": 4.5, \"AC\": 5";
    assert_refused(&p, "model.vocab");
    p.vocab = "\"[UNK]\": 0, \"[CLS]\": 1, \"[SEP]\": 2, \"A\": 3, \"C\": 4, \"AC\": 5, \"\": 6";
    assert_refused(&p, "token 6 is empty");
}

static void padding_token_is_found(void **state)
{
    (void)state;
    parts p = good_parts();
    dt_tokenizer *tokenizer;
    ASSERT_OK(load(&p, &tokenizer));
    assert_int_equal(dt_tokenizer_pad_id(tokenizer), -1);
    dt_tokenizer_destroy(tokenizer);
    p.vocab =
        "\"[UNK]\": 0, \"[CLS]\": 1, \"[SEP]\": 2, \"A\": 3, \"C\": 4, \"AC\": 5, \"[PAD]\": 6";
    ASSERT_OK(load(&p, &tokenizer));
    assert_int_equal(dt_tokenizer_pad_id(tokenizer), 6);
    dt_tokenizer_destroy(tokenizer);
    p.sections = "\"padding\": {\"pad_id\": 2}";
    ASSERT_OK(load(&p, &tokenizer));
    assert_int_equal(dt_tokenizer_pad_id(tokenizer), 2);
    dt_tokenizer_destroy(tokenizer);
    p.sections = "\"padding\": {\"pad_id\": 9}";
    assert_refused(&p, "padding.pad_id");
}

static void broken_files_are_one_clear_line(void **state)
{
    (void)state;
    dt_tokenizer *tokenizer;
    char *json;
    ASSERT_FAILS(DT_ERR_IO, "no-such-file.json",
                 dt_tokenizer_read("no-such-file.json", &tokenizer, &json));
    static const char *const broken[] = {"", "{\"model\": {\"type\": \"BPE\", \"vo",
                                         "\x89HDF\r\n\x1a\n", "\x1f\x8b\x08", "[1, 2"};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; ++i) {
        ASSERT_FAILS(DT_ERR_INPUT, "t.json: line",
                     dt_tokenizer_from_json(broken[i], strlen(broken[i]), "t.json", &tokenizer));
        for (const char *c = dt_error_message(); *c; ++c)
            assert_true(*c >= ' ' && *c < 127);
    }
    static const char *const other[] = {
        "[]",
        "{}",
        "{\"model\": 1}",
        "{\"model\": {}}",
        "{\"model\": {\"type\": \"BPE\"}}",
        "{\"model\": {\"type\": \"BPE\", \"vocab\": {}}}",
        "{\"model\": {\"type\": \"BPE\", \"vocab\": {}, \"merges\": []}}"};
    for (size_t i = 0; i < sizeof other / sizeof other[0]; ++i)
        ASSERT_FAILS(DT_ERR_INPUT, "t.json: ",
                     dt_tokenizer_from_json(other[i], strlen(other[i]), "t.json", &tokenizer));
}

/* Every prefix of a good file is refused, none crashes. */
static void no_prefix_of_a_file_is_taken(void **state)
{
    (void)state;
    const char *const sequences[] = {"ACGTACGTTTGACACGT"};
    dt_bpe_learner *learner;
    dt_bpe *bpe;
    ASSERT_OK(dt_bpe_learner_create(&learner, 16, 1000));
    ASSERT_OK(dt_bpe_learner_add(learner, sequences[0], strlen(sequences[0])));
    ASSERT_OK(dt_bpe_learner_finish(learner, &bpe));
    dt_tokenizer_spec spec;
    dt_bpe_spec(bpe, &spec);
    char *json;
    ASSERT_OK(dt_tokenizer_to_json(&spec, &json));
    dt_tokenizer *tokenizer;
    const size_t length = strlen(json);
    for (size_t n = 0; n < length; ++n)
        assert_int_equal(dt_tokenizer_from_json(json, n, "t.json", &tokenizer), DT_ERR_INPUT);
    ASSERT_OK(dt_tokenizer_from_json(json, length, "t.json", &tokenizer));
    dt_tokenizer_destroy(tokenizer);
    free(json);
    dt_bpe_destroy(bpe);
    dt_bpe_learner_destroy(learner);
}

static void tokens_with_blanks_are_written_as_pairs(void **state)
{
    (void)state;
    const char *const token[] = {"A", " ", "A ", "\"\\\n"};
    const char *const left[] = {"A"};
    const char *const right[] = {" "};
    const dt_tokenizer_spec spec = {.vocabulary_size = 4,
                                    .token = token,
                                    .merge_count = 1,
                                    .merge_left = left,
                                    .merge_right = right,
                                    .unk_id = -1,
                                    .pad_id = -1};
    char *json;
    dt_tokenizer *tokenizer;
    ASSERT_OK(dt_tokenizer_to_json(&spec, &json));
    ASSERT_OK(dt_tokenizer_from_json(json, strlen(json), "t.json", &tokenizer));
    dt_encoder *encoder;
    const uint16_t *tokens;
    int32_t count;
    ASSERT_OK(dt_encoder_create(&encoder, tokenizer));
    ASSERT_OK(dt_encoder_encode(encoder, "A AA", 4, 0, &tokens, &count));
    assert_int_equal(count, 3);
    assert_int_equal(tokens[0], 2);
    assert_string_equal(dt_tokenizer_token(tokenizer, 3), "\"\\\n");
    dt_encoder_destroy(encoder);
    dt_tokenizer_destroy(tokenizer);
    free(json);
}

/* What is read back is the file's text, for the checkpoint. */
static void the_text_of_the_file_is_handed_over(void **state)
{
    (void)state;
    char path[] = "/tmp/deeptaxa-tokenizer-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    const char *const text =
        "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"A\": 0}, \"merges\": []}}\n";
    char marked[128]; /* a byte-order mark is no part of it */
    snprintf(marked, sizeof marked, "\xef\xbb\xbf%s", text);
    const char *const files[] = {text, marked};
    for (int i = 0; i < 2; ++i) {
        ASSERT_OK(dt_write_file(path, files[i], strlen(files[i])));
        dt_tokenizer *tokenizer;
        char *json;
        ASSERT_OK(dt_tokenizer_read(path, &tokenizer, &json));
        assert_string_equal(json, text);
        dt_tokenizer_destroy(tokenizer);
        free(json);
    }
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_are_strings_or_pairs),
        cmocka_unit_test(absent_parts_mean_none),
        cmocka_unit_test(unsupported_components_are_named),
        cmocka_unit_test(added_tokens_are_checked),
        cmocka_unit_test(vocabulary_is_checked),
        cmocka_unit_test(padding_token_is_found),
        cmocka_unit_test(broken_files_are_one_clear_line),
        cmocka_unit_test(no_prefix_of_a_file_is_taken),
        cmocka_unit_test(tokens_with_blanks_are_written_as_pairs),
        cmocka_unit_test(the_text_of_the_file_is_handed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
