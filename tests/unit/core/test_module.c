/* Modules that cannot be had are told in one line that says what to do. */
#include "core/module.h"
#include "test.h"

static void missing_module_is_named(void **state)
{
    (void)state;
    void *symbol;
    assert_false(dt_module_present("nowhere"));
    ASSERT_FAILS(DT_ERR_DEVICE, "this installation has no module 'nowhere'",
                 dt_module_symbol("nowhere", "x", &symbol));
}

/* lib/deeptaxa/libdeeptaxa_for_tests.so was linked with a library that has gone since. */
static void missing_library_is_named_with_the_remedy(void **state)
{
    (void)state;
    void *symbol;
    assert_true(dt_module_present("for_tests"));
    ASSERT_FAILS(
        DT_ERR_DEVICE,
        "module 'for_tests' needs libdeeptaxa-gone.so, which was not found: install it, or "
        "add its folder to LD_LIBRARY_PATH",
        dt_module_symbol("for_tests", "x", &symbol));
}

static void missing_symbol_is_named(void **state)
{
    (void)state;
    void *symbol;
    ASSERT_FAILS(DT_ERR_DEVICE, "it lacks dt_no_such_thing",
                 dt_module_symbol("cpu", "dt_no_such_thing", &symbol));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_module_is_named),
        cmocka_unit_test(missing_library_is_named_with_the_remedy),
        cmocka_unit_test(missing_symbol_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
