/* Which tokenizer a command takes. */
#include "test.h"

#include <limits.h>
#include <unistd.h>

#include "cli/installation.h"
#include "core/file.h"

static char folder[] = "/tmp/deeptaxa-test-XXXXXX";
static char tokenizer[64];

static int make_files(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(tokenizer, sizeof tokenizer, "%s/tokenizer.json", folder);
    return dt_write_file(tokenizer, "{}", 2) == DT_OK ? 0 : -1;
}

static int remove_files(void **state)
{
    (void)state;
    unlink(tokenizer);
    return rmdir(folder);
}

static void option_comes_before_name_before_environment(void **state)
{
    (void)state;
    char path[PATH_MAX];
    assert_int_equal(setenv("DEEPTAXA_TOKENIZER", "from-environment.json", 1), 0);
    ASSERT_OK(dt_choose_tokenizer("named.json", folder, path, sizeof path));
    assert_string_equal(path, "named.json");
    ASSERT_OK(dt_choose_tokenizer(NULL, folder, path, sizeof path));
    assert_string_equal(path, tokenizer);
    ASSERT_OK(dt_choose_tokenizer(NULL, tokenizer, path, sizeof path));
    assert_string_equal(path, tokenizer);
    ASSERT_OK(dt_choose_tokenizer(NULL, "zhihan1996/DNABERT-2-117M", path, sizeof path));
    assert_string_equal(path, "from-environment.json");
    ASSERT_OK(dt_choose_tokenizer(NULL, NULL, path, sizeof path));
    assert_string_equal(path, "from-environment.json");
    ASSERT_OK(dt_choose_tokenizer(folder, NULL, path, sizeof path));
    assert_string_equal(path, tokenizer);
    assert_int_equal(setenv("DEEPTAXA_TOKENIZER", folder, 1), 0);
    ASSERT_OK(dt_choose_tokenizer(NULL, NULL, path, sizeof path));
    assert_string_equal(path, tokenizer);
    ASSERT_FAILS(DT_ERR_INPUT, "/proc: is a directory without a tokenizer.json",
                 dt_choose_tokenizer("/proc", NULL, path, sizeof path));
    ASSERT_FAILS(DT_ERR_IO, "too long", dt_choose_tokenizer("named.json", NULL, path, 5));
}

static void program_folder_holds_the_program(void **state)
{
    (void)state;
    char here[PATH_MAX];
    char path[PATH_MAX + 32];
    ASSERT_OK(dt_program_folder(here, sizeof here));
    snprintf(path, sizeof path, "%s/test_cli_installation", here);
    assert_int_equal(access(path, X_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(option_comes_before_name_before_environment),
        cmocka_unit_test(program_folder_holds_the_program),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
