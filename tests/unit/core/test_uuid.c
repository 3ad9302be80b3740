/* Run ids have the published form and do not repeat. */
#include "test.h"

#include <regex.h>

#include "core/uuid.h"

static void run_ids_have_the_published_form_and_differ(void **state)
{
    (void)state;
    char first[DT_RUN_ID_SIZE];
    char second[DT_RUN_ID_SIZE];
    ASSERT_OK(dt_run_id(first));
    ASSERT_OK(dt_run_id(second));
    regex_t form;
    assert_int_equal(regcomp(&form,
                             "^[0-9]{4}_[0-9]{2}_[0-9]{2}T[0-9]{2}_[0-9]{2}_[0-9]{2}_[0-9a-f]{8}_"
                             "[0-9a-f]{4}_4[0-9a-f]{3}_[89ab][0-9a-f]{3}_[0-9a-f]{12}$",
                             REG_EXTENDED),
                     0);
    assert_int_equal(regexec(&form, first, 0, NULL, 0), 0);
    assert_int_equal(regexec(&form, second, 0, NULL, 0), 0);
    assert_string_not_equal(first + 20, second + 20); /* the UUID, after the time */
    regfree(&form);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_ids_have_the_published_form_and_differ),
    };
    return cmocka_run_group_tests_name("uuid", tests, NULL, NULL);
}
