#include <unistd.h>

#include "core/log.h"
#include "core/printable.h"
#include "core/utf8.h"
#include "test.h"

static void check_copy(const char *text, const char *wanted)
{
    char *copy;
    ASSERT_OK(dt_utf8_copy(&copy, text));
    assert_string_equal(copy, wanted);
    assert_int_equal(dt_utf8_valid(copy, strlen(copy)), strlen(copy));
    free(copy);
}

static void what_is_valid_is_told_from_what_is_not(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t valid; /* bytes in front of the first bad one */
    } cases[] = {
        {"", 0},
        {"Escherichia coli", 16},
        {"B\xc3\xa9rard, \xe2\x82\xac, \xf0\x9f\xa7\xac", 18},
        {"sept octets\xe9", 11},          /* Latin-1 */
        {"\xc0\xaf", 0},                  /* overlong */
        {"ab\xed\xa0\x80", 2},            /* a surrogate */
        {"abcdefghi\xf4\x90\x80\x80", 9}, /* above U+10FFFF */
        {"cut \xe2\x82", 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
        assert_int_equal(dt_utf8_valid(cases[i].text, strlen(cases[i].text)), cases[i].valid);
}

static void a_copy_is_utf8_and_keeps_what_was(void **state)
{
    (void)state;
    check_copy("", "");
    check_copy("reads/B\xc3\xa9.fasta", "reads/B\xc3\xa9.fasta");
    check_copy("B\xe9.fasta", "B\xef\xbf\xbd.fasta");
    check_copy("\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd");
}

static void the_log_file_is_utf8(void **state)
{
    (void)state;
    char path[] = "/tmp/deeptaxa-log-XXXXXX";
    char line[256] = "";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    dt_log_quiet(true);
    ASSERT_OK(dt_log_open("/dev/null"));
    ASSERT_OK(dt_log_open(path));
    dt_info("%s: B\xc3\xa9 is there", "caf\xe9.fasta");
    dt_log_close();
    assert_true(read(fd, line, sizeof line - 1) > 0);
    assert_int_equal(dt_utf8_valid(line, strlen(line)), strlen(line));
    assert_non_null(strstr(line, "caf?.fasta: B\xc3\xa9 is there\n"));
    close(fd);
    unlink(path);
}

static void check_printable(const char *text, bool lines, const char *wanted)
{
    char copy[64];
    snprintf(copy, sizeof copy, "%s", text);
    dt_make_printable(copy, lines);
    assert_string_equal(copy, wanted);
}

static void what_a_terminal_obeys_is_not_printed(void **state)
{
    (void)state;
    check_printable("a\x1b[2J\r\x7f b", false, "a?[2J?? b");
    check_printable("two\nlines\tand \x1b", true, "two\nlines\tand ?");
    check_printable("two\nlines\t", false, "two?lines?");
    check_printable("\xc2\x9b"
                    "31m \x9b"
                    "31m",
                    false, "??31m ?31m");
    check_printable("\xe2\x80\xae"
                    "abc\xe2\x81\xa9\xe2\x80\x8f",
                    false, "???abc??????");
    check_printable("B\xc3\x9f \xe2\x80\x93 \xf0\x9f\x98\x80 \xe2\x80", false,
                    "B\xc3\x9f \xe2\x80\x93 \xf0\x9f\x98\x80 \xe2\x80");
    check_printable("\xe9t\xe9 \xc0\x80 \xff", false, "\xe9t\xe9 \xc0? \xff");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_valid_is_told_from_what_is_not),
        cmocka_unit_test(a_copy_is_utf8_and_keeps_what_was),
        cmocka_unit_test(the_log_file_is_utf8),
        cmocka_unit_test(what_a_terminal_obeys_is_not_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
