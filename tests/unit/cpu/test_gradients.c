/* Gradients on their way to other ranks. */
#include <math.h>

#include "cpu_test.h"
#include "rounded_gradients.h"

static void every_build_rounds_alike(void **state)
{
    (void)state;
    for (const char *const *build = float_builds(); *build; ++build)
        for (int threads = 1; threads <= 3; threads += 2) {
            dt_backend *be = open_backend(*build, threads);
            check_rounding_of_gradients(be);
            be->ops->destroy(be);
        }
    dt_backend *be = open_backend("cpu64", 2);
    check_rounding_of_gradients(be);
    be->ops->destroy(be);
}

static void there_are_no_streams(void **state)
{
    (void)state;
    dt_backend *be = open_backend("cpu", 1);
    uint16_t number = UNTOUCHED;
    ASSERT_OK(be->ops->vectors_alloc(be, 1, true));
    be->ops->gradients_to_bf16(be, &number, 0, 1, be);
    assert_int_equal(number, UNTOUCHED);
    ASSERT_FAILS(DT_ERR_INTERNAL, "no streams", be->ops->check(be));
    be->ops->destroy(be);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_build_rounds_alike),
        cmocka_unit_test(there_are_no_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
