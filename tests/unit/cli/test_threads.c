/* The number of threads that follows from the command line, the environment and the machine. */
#include "test.h"

#include "cli/threads.h"

#define MIB ((int64_t)1 << 20)

static dt_thread_limits machine(int processors)
{
    return (dt_thread_limits){
        .processors = processors, .space = {.bytes = INT64_MAX}, .thread = 12 * MIB};
}

static dt_thread_wish alone(int64_t asked)
{
    return (dt_thread_wish){.asked = asked, .ranks = {1, 1}};
}

/* The choice, and that the notice holds `part` (NULL: there is none). */
static void expect(const dt_thread_wish *wish, const dt_thread_limits *limits, int wanted,
                   const char *part)
{
    char note[DT_THREAD_NOTE];
    int threads;
    ASSERT_OK(dt_choose_threads(wish, limits, &threads, note));
    assert_int_equal(threads, wanted);
    if (part ? !strstr(note, part) : note[0] != '\0')
        fail_msg("the notice is '%s', not '%s'", note, part ? part : "");
}

static void all_processors_that_are_allowed(void **state)
{
    (void)state;
    dt_thread_limits limits = machine(8);
    dt_thread_wish wish = alone(0);
    expect(&wish, &limits, 8, NULL);
    wish.ranks = (dt_ranks_sharing){3, 3};
    expect(&wish, &limits, 2, NULL);
    wish.ranks = (dt_ranks_sharing){16, 16};
    expect(&wish, &limits, 1, NULL);
}

static void the_users_word_counts(void **state)
{
    (void)state;
    dt_thread_limits limits = machine(4);
    dt_thread_wish wish = alone(0);
    limits.omp_num_threads = "3,2";
    expect(&wish, &limits, 3, NULL);
    limits.omp_num_threads = "rubbish";
    expect(&wish, &limits, 4, NULL);
    limits.omp_num_threads = "0";
    expect(&wish, &limits, 4, NULL);
    limits.omp_num_threads = "64";
    expect(&wish, &limits, 64, "OMP_NUM_THREADS=64, but this process has only 4 processors;");
    wish.asked = 2;
    expect(&wish, &limits, 2, NULL);
    wish.asked = 9;
    expect(&wish, &limits, 9, NULL);
}

static void ranks_divide_and_are_told(void **state)
{
    (void)state;
    dt_thread_limits limits = machine(4);
    dt_thread_wish wish = alone(0);
    wish.ranks = (dt_ranks_sharing){2, 2};
    limits.omp_num_threads = "2";
    expect(&wish, &limits, 2, NULL);
    limits.omp_num_threads = "4";
    expect(&wish, &limits, 4, "each rank has only 2 processors;");
}

static void a_quota_is_named(void **state)
{
    (void)state;
    dt_thread_limits limits = machine(16);
    dt_thread_wish wish = alone(0);
    limits.quota = (dt_cpu_quota){1.5, "the control group's cpu.max of /job"};
    expect(&wish, &limits, 2,
           "2 threads on 16 processors: limited by the CPU quota of 1.5 processors (the control "
           "group's cpu.max of /job)");
    limits.quota.processors = 0.2;
    expect(&wish, &limits, 1, "1 thread on 16 processors");
    limits.omp_num_threads = "4";
    expect(&wish, &limits, 4, "has only 0.2 processors (the control group's cpu.max of /job)");
    limits.omp_num_threads = NULL;
    limits.quota.processors = 16.0; /* allows all that the mask has */
    expect(&wish, &limits, 16, NULL);
}

/* Ranks with processors of their own, all under one quota. */
static void ranks_divide_a_quota(void **state)
{
    (void)state;
    dt_thread_limits limits = machine(4);
    dt_thread_wish wish = alone(0);
    limits.quota = (dt_cpu_quota){8.0, "a"};
    wish.ranks = (dt_ranks_sharing){1, 4};
    expect(&wish, &limits, 2, "quota of 8 processors");
    wish.ranks = (dt_ranks_sharing){1, 2};
    expect(&wish, &limits, 4, NULL);
    wish.ranks = (dt_ranks_sharing){1, 32};
    expect(&wish, &limits, 1, "1 thread");
}

static void address_space_limits_threads(void **state)
{
    (void)state;
    dt_thread_limits limits = machine(8);
    dt_thread_wish wish = alone(0);
    limits.space = (dt_memory_limit){.bytes = 90 * MIB, .own = true, .by = "ulimit -v"};
    expect(&wish, &limits, 3, "using 3 threads instead of 8: ulimit -v leaves 94 MB");
    wish.asked = 2;
    expect(&wish, &limits, 2, NULL);
    wish.asked = 4;
    expect(&wish, &limits, 3, "3 threads instead of 4");
    limits.space.bytes = 60 * MIB;
    expect(&wish, &limits, 1, "1 thread instead of 4");
    char note[DT_THREAD_NOTE];
    int threads;
    limits.space.bytes = 59 * MIB;
    ASSERT_FAILS(DT_ERR_MEMORY, "ulimit -v leaves 62 MB, but at least 63 MB are needed",
                 dt_choose_threads(&wish, &limits, &threads, note));
    limits.space.bytes = 0;
    ASSERT_FAILS(DT_ERR_MEMORY, "leaves 0 MB", dt_choose_threads(&wish, &limits, &threads, note));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_processors_that_are_allowed),
        cmocka_unit_test(the_users_word_counts),
        cmocka_unit_test(ranks_divide_and_are_told),
        cmocka_unit_test(a_quota_is_named),
        cmocka_unit_test(ranks_divide_a_quota),
        cmocka_unit_test(address_space_limits_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
