/* The test of a GPU in a process of its own, what asks for GPUs, and verdicts that are kept. */
#include "cli/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/verdict_cache.h"
#include "core/clock.h"
#include "test.h"

static char folder[] = "/tmp/deeptaxa_device_XXXXXX";

/* Runs a shell script as the program of the test. */
static dt_gpu_verdict run_script(const char *script, double seconds, char why[512])
{
    char path[128];
    snprintf(path, sizeof path, "%s/program", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "#!/bin/sh\n%s\n", script);
    fclose(file);
    assert_int_equal(chmod(path, 0700), 0);
    snprintf(why, 512, "nothing");
    return dt_test_gpu(path, 3, 2, seconds, why, 512);
}

static void verdict_of_a_program(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        dt_gpu_verdict verdict;
        const char *why;
    } cases[] = {
        {"exit 0", DT_GPU_PASSED, "nothing"},
        {"[ \"$*\" = '--quick --device-number=3 --threads=2' ]", DT_GPU_PASSED, "nothing"},
        {"echo unread; echo 'notice: x' >&2; echo 'deeptaxa selftest: no GPU was found' >&2; exit "
         "1",
         DT_GPU_NONE, DT_NO_GPU},
        {"echo 'deeptaxa selftest: 1 of 2' >&2; echo more >&2; exit 1", DT_GPU_FAILED, "1 of 2"},
        {"echo 'libcuda: no' >&2; exit 7", DT_GPU_FAILED, "it ended with status 7"},
        {"kill -9 $$", DT_GPU_FAILED, "it was ended by signal 9 (Killed)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        char why[512];
        assert_int_equal(run_script(cases[i].script, 30.0, why), cases[i].verdict);
        assert_string_equal(why, cases[i].why);
    }
}

static void a_program_may_write_much(void **state)
{
    (void)state;
    char why[512];
    assert_int_equal(run_script("yes | head -c 300000 >&2", 30.0, why), DT_GPU_PASSED);
}

static void a_program_that_hangs_is_ended(void **state)
{
    (void)state;
    char why[512];
    const double began = dt_seconds();
    assert_int_equal(run_script("exec sleep 100", 0.5, why), DT_GPU_FAILED);
    assert_string_equal(why, "it did not finish within 0.5 seconds");
    assert_int_equal(run_script("exec sleep 100 2>/dev/null", 0.5, why), DT_GPU_FAILED);
    assert_string_equal(why, "it did not finish within 0.5 seconds");
    assert_true(dt_seconds() - began < 20.0);
}

static void a_program_that_is_not_there(void **state)
{
    (void)state;
    char why[512];
    assert_int_equal(dt_test_gpu("/nowhere/program", 0, 1, 1.0, why, sizeof why), DT_GPU_FAILED);
    assert_string_equal(why, "/nowhere/program: cannot start: No such file or directory");
}

/* ---- what asks for GPUs ---------------------------------------------------------------------- */

static const char *variables; /* "NAME=value NAME=value" */

static char *lookup(const char *name)
{
    static char value[64];
    char mark[64];
    snprintf(mark, sizeof mark, " %s=", name);
    const char *at = strstr(variables, mark);
    if (!at)
        return NULL;
    at += strlen(mark);
    snprintf(value, sizeof value, "%.*s", (int)strcspn(at, " "), at);
    return value;
}

static void allocations_of_slurm(void **state)
{
    (void)state;
    static const struct {
        const char *variables;
        const char *asks;
    } cases[] = {
        {" ", NULL},
        {" SLURM_JOB_GPUS=0", NULL}, /* left over, not in a job */
        {" SLURM_JOB_ID=7", NULL},
        {" SLURM_JOB_ID=7 SLURM_JOB_GPUS=0", "SLURM_JOB_GPUS"}, /* the GPU number 0 */
        {" SLURM_JOB_ID=7 SLURM_JOB_GPUS=", NULL},
        {" SLURM_JOB_ID=7 SLURM_STEP_GPUS=2,3 SLURM_JOB_GPUS=0", "SLURM_STEP_GPUS"},
        {" SLURM_JOB_ID=7 SLURM_GPUS_ON_NODE=0", NULL},
        {" SLURM_JOB_ID=7 SLURM_GPUS_ON_NODE=4", "SLURM_GPUS_ON_NODE"},
        {" SLURM_JOB_ID=7 SLURM_GPUS=h100:4", "SLURM_GPUS"},
        {" SLURM_JOB_ID=7 SLURM_GPUS_PER_NODE=1", "SLURM_GPUS_PER_NODE"},
        {" SLURM_JOB_ID=7 SLURM_GPUS_PER_TASK=1", "SLURM_GPUS_PER_TASK"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        variables = cases[i].variables;
        const char *asks = dt_slurm_gpus(lookup);
        if (cases[i].asks)
            assert_string_equal(asks, cases[i].asks);
        else
            assert_null(asks);
    }
}

/* ---- verdicts -------------------------------------------------------------------------------- */

static void verdicts_are_kept(void **state)
{
    (void)state;
    char cache[128];
    snprintf(cache, sizeof cache, "%s/a/b", folder);
    setenv("XDG_CACHE_HOME", cache, 1);
    assert_false(dt_verdict_known("one"));
    dt_verdict_keep("one");
    assert_true(dt_verdict_known("one"));
    assert_false(dt_verdict_known("two"));
    setenv("HOME", folder, 1);
    setenv("XDG_CACHE_HOME", "relative", 1); /* ignored: ~/.cache is the place */
    assert_false(dt_verdict_known("one"));
    dt_verdict_keep("one");
    assert_true(dt_verdict_known("one"));
    assert_int_equal(access("relative", F_OK), -1);
    setenv("XDG_CACHE_HOME", "/proc/none", 1);
    dt_verdict_keep("one");
    assert_false(dt_verdict_known("one"));
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    dt_verdict_keep("one");
    assert_false(dt_verdict_known("one"));
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command); /* NOLINT(cert-env33-c) */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdict_of_a_program),
        cmocka_unit_test(a_program_may_write_much),
        cmocka_unit_test(a_program_that_hangs_is_ended),
        cmocka_unit_test(a_program_that_is_not_there),
        cmocka_unit_test(allocations_of_slurm),
        cmocka_unit_test(verdicts_are_kept),
    };
    if (!mkdtemp(folder))
        return 1;
    return cmocka_run_group_tests(tests, NULL, remove_folder);
}
