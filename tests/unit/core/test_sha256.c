/* SHA-256 against the examples of FIPS 180-4 and NIST's long message, in pieces of any size. */
#include <unistd.h>

#include "core/file.h"
#include "core/sha256.h"
#include "test.h"

static void check(const char *message, size_t repeats, size_t piece, const char *wanted)
{
    dt_sha256 sha;
    char hex[DT_SHA256_HEX];
    const size_t length = strlen(message);
    dt_sha256_begin(&sha);
    for (size_t i = 0; i < repeats; ++i)
        for (size_t at = 0; at < length; at += piece)
            dt_sha256_add(&sha, message + at, length - at < piece ? length - at : piece);
    dt_sha256_end(&sha, hex);
    assert_string_equal(hex, wanted);
}

static void the_standard_s_examples_have_their_digests(void **state)
{
    (void)state;
    static const char *long_message =
        "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
        "lmnopqrsmnopqrstnopqrstu";
    for (size_t piece = 1; piece < 130; piece += 9) {
        check("", 1, piece, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        check("abc", 1, piece, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        check("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1, piece,
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
        check(long_message, 1, piece,
              "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
    }
    check("a", 1000000, 1, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void a_file_is_compared_with_what_is_expected(void **state)
{
    (void)state;
    char path[] = "/tmp/dt-sha256-XXXXXX";
    close(mkstemp(path));
    ASSERT_OK(dt_write_file(path, "abc", 3));
    ASSERT_OK(
        dt_sha256_expect(path, "BA7816BF8F01CFEA414140DE5DAE2223b00361a396177a9cb410ff61f20015ad"));
    ASSERT_FAILS(
        DT_ERR_INPUT, "its SHA-256 is ba7816bf",
        dt_sha256_expect(path, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ae"));
    ASSERT_FAILS(DT_ERR_USAGE, "must be 64 hexadecimal digits", dt_sha256_expect(path, "ba78"));
    ASSERT_FAILS(DT_ERR_IO, "cannot read",
                 dt_sha256_expect(
                     "/tmp", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ae"));
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_standard_s_examples_have_their_digests),
        cmocka_unit_test(a_file_is_compared_with_what_is_expected),
    };
    return cmocka_run_group_tests_name("sha256", tests, NULL, NULL);
}
