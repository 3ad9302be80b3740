/* What every unit test needs: cmocka's headers in the order that it wants, and checks that print
 * the recorded error message. */
#ifndef DT_TESTS_TEST_H
#define DT_TESTS_TEST_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/status.h"

/* The call must succeed; its message is printed when it does not. */
#define ASSERT_OK(call)                                                                            \
    do {                                                                                           \
        if ((call) != DT_OK)                                                                       \
            fail_msg("%s: %s", #call, dt_error_message());                                         \
    } while (0)

/* The call must fail with this status and a message that holds `part`. */
#define ASSERT_FAILS(expected, part, call)                                                         \
    do {                                                                                           \
        assert_int_equal((call), (expected));                                                      \
        if (!strstr(dt_error_message(), (part)))                                                   \
            fail_msg("message '%s' lacks '%s'", dt_error_message(), (part));                       \
    } while (0)

/* Leaves the program as "skipped" for ctest, saying loudly why. */
#define SKIP_PROGRAM(...)                                                                          \
    do {                                                                                           \
        fprintf(stderr, "SKIPPED: " __VA_ARGS__);                                                  \
        fputc('\n', stderr);                                                                       \
        exit(77);                                                                                  \
    } while (0)

#endif
