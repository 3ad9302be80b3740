/* Gradients for communication: the device rounds them to the same bits as the CPU. (On a
 * communicator's stream: tests/cluster.) */
#include <math.h>

#include "tested_device.h"
#include "unit/cpu/rounded_gradients.h"

static void gradients_are_rounded_as_on_the_cpu(void **state)
{
    (void)state;
    static const dt_precision precisions[] = {DT_PRECISION_FP32, DT_PRECISION_BF16,
                                              DT_PRECISION_FP16};
    for (size_t i = 0; i < sizeof precisions / sizeof *precisions; ++i) {
        dt_backend *be;
        ASSERT_OK(dt_backend_open(tested_device(),
                                  &(dt_backend_options){.precision = precisions[i]}, &be));
        check_rounding_of_gradients(be);
        be->ops->destroy(be);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradients_are_rounded_as_on_the_cpu)};
    return RUN_TESTS(tests);
}
