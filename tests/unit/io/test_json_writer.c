/* The JSON writer and its numbers: what it writes is read back by another program's parser. */
#include "test.h"

#include <jansson.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/file.h"
#include "io/json_writer.h"

static char path[] = "/tmp/deeptaxa-test-json-XXXXXX";

static int make_path(void **state)
{
    (void)state;
    const int fd = mkstemp(path);
    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

static int remove_path(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static char *content(void)
{
    char *bytes;
    size_t length;
    ASSERT_OK(dt_read_file(path, &bytes, &length));
    return bytes;
}

static void nested_values_read_back_as_written(void **state)
{
    (void)state;
    dt_output out;
    dt_json json;
    ASSERT_OK(dt_output_begin(&out, path));
    dt_json_begin(&json, &out, 2, 2);
    dt_json_object(&json);
    dt_json_put_string(&json, "name", "Bacillota \"I\"\\\n\t\x01 é 細");
    dt_json_put_int(&json, "least", INT64_MIN);
    dt_json_put_double(&json, "tenth", 0.1);
    dt_json_put_double(&json, "none", NAN);
    dt_json_put_bool(&json, "yes", true);
    dt_json_key(&json, "list");
    dt_json_array(&json);
    for (int i = 0; i < 3; ++i) {
        dt_json_object(&json);
        dt_json_put_int(&json, "i", i);
        dt_json_put_null(&json, "empty");
        dt_json_end(&json);
    }
    dt_json_end(&json);
    dt_json_key(&json, "nothing");
    dt_json_array(&json);
    dt_json_end(&json);
    dt_json_end(&json);
    ASSERT_OK(dt_output_commit(&out));

    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    assert_string_equal(json_string_value(json_object_get(root, "name")),
                        "Bacillota \"I\"\\\n\t\x01 é 細");
    assert_true(json_integer_value(json_object_get(root, "least")) == INT64_MIN);
    assert_true(json_real_value(json_object_get(root, "tenth")) == 0.1);
    assert_true(json_is_null(json_object_get(root, "none")));
    assert_true(json_is_true(json_object_get(root, "yes")));
    assert_int_equal(json_array_size(json_object_get(root, "list")), 3);
    assert_int_equal(json_array_size(json_object_get(root, "nothing")), 0);
    json_decref(root);

    char *text = content(); /* two levels have lines of their own, the third has none */
    assert_non_null(strstr(text, "\n    {\"i\": 1, \"empty\": null},\n"));
    free(text);
}

static void bytes_that_are_no_utf8_become_replacement_characters(void **state)
{
    (void)state;
    /* a lone continuation byte, an overlong '/', a surrogate, a sequence cut short */
    static const char bytes[] = "a\x80\xc0\xaf\xed\xa0\x80z\xe7\xb4";
    dt_output out;
    dt_json json;
    ASSERT_OK(dt_output_begin(&out, path));
    dt_json_begin(&json, &out, 0, 0);
    dt_json_string(&json, bytes);
    ASSERT_OK(dt_output_commit(&out));
    char *text = content();
    assert_string_equal(text, "\"a\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffdz\\ufffd\\ufffd\"\n");
    free(text);
}

/* Texts are looked through eight bytes at a time: each byte that needs an escape is found at every
 * place of them, and no other is taken for one. */
static void every_byte_is_escaped_or_not_wherever_it_stands(void **state)
{
    (void)state;
    for (int byte = 1; byte < 128; ++byte) {
        for (size_t place = 0; place < 17; ++place) {
            char text[18];
            char expected[64];
            char written[64] = "";
            memset(text, 'a', 17);
            text[17] = '\0';
            text[place] = (char)byte;
            char escaped[8] = {(char)byte};
            const char *named = strchr("\"\"\\\\\bb\ff\nn\rr\tt", byte);
            if (byte == '"' || byte == '\\' || byte < 0x20) {
                if (named)
                    snprintf(escaped, sizeof escaped, "\\%c", named[1]);
                else
                    snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)byte);
            }
            snprintf(expected, sizeof expected, "\"%.*s%s%s\"\n", (int)place, text, escaped,
                     text + place + 1);
            FILE *stream = fmemopen(written, sizeof written, "w");
            dt_output out;
            dt_json json;
            assert_int_equal(dt_output_attach(&out, stream, "memory"), DT_OK);
            dt_json_begin(&json, &out, 0, 0);
            dt_json_string(&json, text);
            assert_int_equal(dt_output_detach(&out), DT_OK);
            fclose(stream);
            assert_string_equal(written, expected);
        }
    }
}

static void cells_are_quoted_where_a_reader_needs_it(void **state)
{
    (void)state;
    static const char *const cells[][2] = {
        {"", ""},
        {"g__Bacillus", "g__Bacillus"},
        {"a \"b\"", "a \"b\""},
        {"\"a\" b", "\"\"\"a\"\" b\""},
        {"a\tb", "\"a\tb\""},
        {"a\"\n", "\"a\"\"\n\""},
        {"\"", "\"\"\"\""},
    };
    for (size_t i = 0; i < sizeof cells / sizeof *cells; ++i) {
        char written[64] = "";
        FILE *stream = fmemopen(written, sizeof written, "w");
        dt_output out;
        ASSERT_OK(dt_output_attach(&out, stream, "memory"));
        dt_output_cell(&out, cells[i][0], strlen(cells[i][0]));
        ASSERT_OK(dt_output_detach(&out));
        fclose(stream);
        assert_string_equal(written, cells[i][1]);
    }
}

static void values_of_the_outermost_level_are_json_lines(void **state)
{
    (void)state;
    FILE *stream = fopen(path, "w");
    dt_output out;
    dt_json json;
    ASSERT_OK(dt_output_attach(&out, stream, path));
    dt_json_begin(&json, &out, 0, 0);
    for (int i = 1; i <= 2; ++i) {
        dt_json_object(&json);
        dt_json_put_int(&json, "step", i);
        dt_json_end(&json);
    }
    ASSERT_OK(dt_output_detach(&out));
    fclose(stream);
    char *text = content();
    assert_string_equal(text, "{\"step\": 1}\n{\"step\": 2}\n");
    free(text);
}

static void floats_read_back_and_are_the_shortest(void **state)
{
    (void)state;
    static const struct {
        float number;
        const char *text;
    } cases[] = {{0.0f, "0.0"},
                 {-0.0f, "-0.0"},
                 {1.0f, "1.0"},
                 {0.1f, "0.1"},
                 {0.9998f, "0.9998"},
                 {123456.0f, "123456.0"},
                 {1e-8f, "1e-08"},
                 {0.0001f, "0.0001"},
                 {0.00009999998f, "9.999998e-05"},
                 {1e-5f, "1e-05"},
                 {1.25e-10f, "1.25e-10"},
                 {1e-13f, "1e-13"},
                 {1.0f / 3.0f, "0.33333334"},
                 {0.99999994f, "0.99999994"},
                 {16777216.0f, "16777216.0"},
                 {-2.5f, "-2.5"}};
    char text[DT_NUMBER_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        assert_int_equal(dt_format_float(text, cases[i].number), strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
    }
    uint32_t bits = 1;
    for (int i = 0; i < 400000; ++i) {
        bits = bits * 1664525u + 1013904223u;
        /* every second one a probability or entropy, the others any bit pattern */
        const float number = i % 2 ? (float)bits / 4294967296.0f * (i % 4 == 1 ? 1.0f : 9.0f)
                                   : ((union {
                                         uint32_t u;
                                         float f;
                                     }){.u = bits})
                                         .f;
        if (!isfinite(number))
            continue;
        dt_format_float(text, number);
        if (strtof(text, NULL) != number)
            fail_msg("%.9g became %s", (double)number, text);
        char shorter[400];
        int digits = 0;
        for (const char *c = text; *c && *c != 'e'; ++c)
            digits += *c >= '0' && *c <= '9' && (digits || *c != '0');
        snprintf(shorter, sizeof shorter, "%.*g", digits > 1 ? digits - 1 : 1, (double)number);
        const size_t end = strlen(text);
        const bool whole = end > 2 && strcmp(text + end - 2, ".0") == 0;
        if (digits > 1 && !whole && strtof(shorter, NULL) == number)
            fail_msg("%s is shorter than %s", shorter, text);
    }
}

/* The C library's conversions, which round correctly, are what small floats are compared with. */
static void small_floats_are_what_printf_makes_of_them(void **state)
{
    (void)state;
    uint32_t bits = 1;
    for (int i = 0; i < 100000; ++i) {
        bits = bits * 1664525u + 1013904223u;
        const float number = ldexpf(1.0f + (float)(bits >> 9) * 0x1p-23f, -(i % 44));
        char text[DT_NUMBER_SIZE];
        char expected[DT_NUMBER_SIZE];
        for (int digits = 6; digits <= 9; ++digits) {
            snprintf(expected, sizeof expected, "%.*g", digits, (double)number);
            if (strtof(expected, NULL) == number)
                break;
        }
        dt_format_float(text, number);
        assert_string_equal(text, expected);
    }
}

static void doubles_read_back(void **state)
{
    (void)state;
    char text[DT_NUMBER_SIZE];
    dt_format_double(text, 1e-8);
    assert_string_equal(text, "1e-08");
    dt_format_double(text, 5e-4);
    assert_string_equal(text, "0.0005");
    dt_format_double(text, 2.0);
    assert_string_equal(text, "2.0");
    uint64_t bits = 1;
    for (int i = 0; i < 20000; ++i) {
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        const double number = ((union {
                                  uint64_t u;
                                  double d;
                              }){.u = bits})
                                  .d;
        if (!isfinite(number))
            continue;
        dt_format_double(text, number);
        assert_true(strtod(text, NULL) == number);
    }
}

/* A file that may not grow past 100 KB stands for a full disk. */
static void thousands_are_set_apart(void **state)
{
    (void)state;
    static const struct {
        int64_t number;
        const char *text;
    } cases[] = {{0, "0"},
                 {999, "999"},
                 {1000, "1,000"},
                 {76365205, "76,365,205"},
                 {-100, "-100"},
                 {-1000, "-1,000"},
                 {INT64_MIN, "-9,223,372,036,854,775,808"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        char text[DT_NUMBER_SIZE];
        assert_string_equal(dt_with_commas(cases[i].number, text), cases[i].text);
    }
}

static void a_failed_write_is_reported_and_leaves_the_old_file(void **state)
{
    (void)state;
    ASSERT_OK(dt_write_file(path, "old", 3));
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    const struct rlimit small = {.rlim_cur = 100000, .rlim_max = before.rlim_max};
    dt_output out;
    ASSERT_OK(dt_output_begin(&out, path));
    setrlimit(RLIMIT_FSIZE, &small);
    for (int i = 0; i < 100000; ++i)
        dt_output_text(&out, "0123456789");
    const dt_status status = dt_output_commit(&out);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(status, DT_ERR_IO);
    assert_non_null(strstr(dt_error_message(), path));
    assert_int_not_equal(access(out.file.temporary, F_OK), 0);
    char *text = content();
    assert_string_equal(text, "old");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nested_values_read_back_as_written),
        cmocka_unit_test(bytes_that_are_no_utf8_become_replacement_characters),
        cmocka_unit_test(every_byte_is_escaped_or_not_wherever_it_stands),
        cmocka_unit_test(values_of_the_outermost_level_are_json_lines),
        cmocka_unit_test(cells_are_quoted_where_a_reader_needs_it),
        cmocka_unit_test(floats_read_back_and_are_the_shortest),
        cmocka_unit_test(small_floats_are_what_printf_makes_of_them),
        cmocka_unit_test(doubles_read_back),
        cmocka_unit_test(thousands_are_set_apart),
        cmocka_unit_test(a_failed_write_is_reported_and_leaves_the_old_file),
    };
    return cmocka_run_group_tests_name("json_writer", tests, make_path, remove_path);
}
