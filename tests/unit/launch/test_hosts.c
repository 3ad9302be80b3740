/* Ranks on several machines: the list of hosts, the environment that reaches them. */
#include "test.h"

#include "launch/hosts.h"

static void hosts_are_counted(void **state)
{
    (void)state;
    int32_t ranks;
    ASSERT_OK(dt_hosts_count("a:8,b:8", &ranks));
    assert_int_equal(ranks, 16);
    ASSERT_OK(dt_hosts_count("10.0.0.1,node-2.site.org:3", &ranks));
    assert_int_equal(ranks, 4);
    static const char *const wrong[] = {"",      ":8",    "a:",    "a:0",  "a:8,",        "a:8,,b",
                                        "a:x",   "a:8;b", "a b:2", "a:-1", "-x:2",        "a,-b",
                                        "a:8:8", "a:8x",  "a@b:2", ",a",   "a:9999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; ++i)
        ASSERT_FAILS(DT_ERR_USAGE, "expected HOST:N,HOST:N", dt_hosts_count(wrong[i], &ranks));
}

static void settings_of_the_program_and_its_libraries_are_passed_on(void **state)
{
    (void)state;
    const char *const passed[] = {"NCCL_DEBUG=INFO", "DEEPTAXA_RANK_CPUS=each-host",
                                  "OMP_NUM_THREADS=2", "PATH=/bin", "LD_LIBRARY_PATH="};
    const char *const kept[] = {"HOME=/root", "NCCLX=1", "PATHS=/bin", "SSH_CONNECTION=a b", ""};
    for (size_t i = 0; i < sizeof passed / sizeof *passed; ++i)
        assert_true(dt_hosts_passes_on(passed[i]));
    for (size_t i = 0; i < sizeof kept / sizeof *kept; ++i)
        assert_false(dt_hosts_passes_on(kept[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_are_counted),
        cmocka_unit_test(settings_of_the_program_and_its_libraries_are_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
