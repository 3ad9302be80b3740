/* The JSON scanner returns what jansson does, and refuses what is cut or damaged anywhere. */
#include "test.h"

#include <jansson.h>

#include "io/json_scan.h"

/* Reads any value into a jansson value; NULL after a fault. */
static json_t *read_value(dt_json_scan *scan, dt_text *text)
{
    dt_span key;
    json_t *out = NULL;
    const char kind = dt_json_scan_peek(scan);
    if (kind == '{') {
        out = json_object();
        dt_json_scan_open(scan, '{');
        while (dt_json_scan_key(scan, &key)) {
            ASSERT_OK(dt_json_scan_text(key, text));
            char *name = strdup(text->data);
            json_object_set_new(out, name, read_value(scan, text));
            free(name);
        }
    } else if (kind == '[') {
        out = json_array();
        dt_json_scan_open(scan, '[');
        while (dt_json_scan_element(scan))
            json_array_append_new(out, read_value(scan, text));
    } else if (kind == '"') {
        ASSERT_OK(dt_json_scan_text(dt_json_scan_string(scan), text));
        out = json_stringn(text->data, text->length);
    } else if (kind == 't' || kind == 'f') {
        out = json_boolean(dt_json_scan_bool(scan));
    } else {
        const double number = dt_json_scan_number(scan);
        out = isnan(number) ? json_null() : json_real(number);
    }
    return out;
}

static const char *const documents[] = {
    "{}",
    "[]",
    " [ [ ] , { } , \"\" ] ",
    "{\"a\": [1.5, -2e3, null, true, false], \"b\": {\"c\": {\"d\": []}}, \"e\": \"f\"}",
    "[\"\\\"\", \"\\\\\", \"\\\\\\\"\", \"\\/\\b\\f\\n\\r\\t\", \"\\u00e9\\u20AC\\uD83D\\uDE00\"]",
    "{\"\\u0061\\\"\": \"a]}\", \"x\": \"{[\"}",
};

static void values_are_those_of_jansson(void **state)
{
    (void)state;
    dt_text text = {0};
    for (size_t i = 0; i < sizeof documents / sizeof *documents; ++i) {
        dt_json_scan scan = dt_json_scan_of(documents[i], strlen(documents[i]));
        json_t *ours = read_value(&scan, &text);
        json_t *theirs = json_loads(documents[i], JSON_DECODE_INT_AS_REAL, NULL);
        assert_non_null(theirs);
        assert_null(scan.bad);
        assert_int_equal(dt_json_scan_peek(&scan), '\0');
        if (!json_equal(ours, theirs))
            fail_msg("%s is read as %s", documents[i], json_dumps(ours, 0));
        json_decref(ours);
        json_decref(theirs);
    }
    dt_text_free(&text);
}

static void a_value_that_is_skipped_is_the_same_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof documents / sizeof *documents; ++i) {
        const size_t length = strlen(documents[i]);
        dt_json_scan scan = dt_json_scan_of(documents[i], length);
        const dt_span text = dt_json_scan_skip(&scan);
        const size_t begin = strspn(documents[i], " ");
        assert_ptr_equal(text.data, documents[i] + begin);
        assert_null(scan.bad);
        assert_int_equal(dt_json_scan_peek(&scan), '\0');
    }
}

/* Every beginning of a document is a fault, whether it is read or skipped. */
static void a_cut_document_is_a_fault(void **state)
{
    (void)state;
    dt_text text = {0};
    const char *document = documents[3];
    for (size_t length = 0; length < strlen(document); ++length) {
        char *copy = malloc(length ? length : 1); /* for the sanitizers */
        memcpy(copy, document, length);
        dt_json_scan scan = dt_json_scan_of(copy, length);
        json_decref(read_value(&scan, &text));
        assert_non_null(scan.bad);
        scan = dt_json_scan_of(copy, length);
        dt_json_scan_skip(&scan);
        assert_non_null(scan.bad);
        free(copy);
    }
    dt_text_free(&text);
}

static void damage_is_a_fault(void **state)
{
    (void)state;
    static const char *const damaged[] = {
        "{\"a\" 1}", "{\"a\": 1 \"b\": 2}", "{a: 1}", "[1 2]", "[1, 2x]", "[tru]", "}",
        "[+1]",      "{\"a\": nan}"};
    dt_text text = {0};
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; ++i) {
        dt_json_scan scan = dt_json_scan_of(damaged[i], strlen(damaged[i]));
        json_decref(read_value(&scan, &text));
        if (!scan.bad)
            fail_msg("%s is accepted", damaged[i]);
    }
    dt_text_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_those_of_jansson),
        cmocka_unit_test(a_value_that_is_skipped_is_the_same_text),
        cmocka_unit_test(a_cut_document_is_a_fault),
        cmocka_unit_test(damage_is_a_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
