/* Limits of memory and processors, read from trees of the kernel's files as hosts, batch systems
 * and containers have them. */
#include "test.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/limits.h"

static char root[64]; /* of one test */

static void make_file(const char *path, const char *text)
{
    char whole[PATH_MAX];
    snprintf(whole, sizeof whole, "%s%s", root, path);
    char *slash = strrchr(whole, '/');
    *slash = '\0';
    ASSERT_OK(dt_make_folder(whole));
    *slash = '/';
    ASSERT_OK(dt_write_file(whole, text, strlen(text)));
}

#define GIB ((int64_t)1 << 30)

/* A machine of 16 GiB, of which 12 are available, and a process without limits of its own. */
static int make_host(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/deeptaxa-test-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    make_file("/proc/meminfo", "MemTotal:       16777216 kB\nMemFree:  99 kB\n"
                               "MemAvailable:   12582912 kB\n");
    make_file("/proc/self/limits",
              "Limit                     Soft Limit           Hard Limit           Units\n"
              "Max data size             unlimited            unlimited            bytes\n"
              "Max address space         unlimited            unlimited            bytes\n");
    make_file("/proc/self/status", "Name:\tx\nVmPeak:\t 9999999 kB\nVmSize:\t  524288 kB\n"
                                   "VmData:\t  131072 kB\n");
    return 0;
}

static int remove_host(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

static dt_memory_limit total, available;

static void read_memory(int sharing)
{
    dt_memory_limits(root, sharing, &total, &available);
}

static void assert_limit(const dt_memory_limit *limit, int64_t bytes, const char *by)
{
    assert_int_equal(limit->bytes, bytes);
    assert_string_equal(limit->by, by);
}

static void assert_quota(double processors, const char *by)
{
    const dt_cpu_quota quota = dt_cpu_quota_read(root);
    if (fabs(quota.processors - processors) > 1e-9)
        fail_msg("%g processors, not %g", quota.processors, processors);
    assert_string_equal(quota.by, by);
}

#define MOUNT_V2 "29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
#define MOUNT_V1(name, mounted)                                                                    \
    "35 31 0:32 " mounted " /sys/fs/cgroup/" name " rw,relatime shared:9 - cgroup cgroup rw," name \
    "\n"

/* ---- memory ----------------------------------------------------------------------------------*/

static void without_limits_the_machine_counts(void **state)
{
    (void)state;
    read_memory(1);
    assert_limit(&total, 16 * GIB, "");
    assert_limit(&available, 12 * GIB, "");
    read_memory(4);
    assert_limit(&total, 4 * GIB, "");
    assert_limit(&available, 3 * GIB, "");
    assert_quota(0.0, "");
}

static void ulimit_counts_what_is_used_already(void **state)
{
    (void)state;
    make_file("/proc/self/limits",
              "Max data size             unlimited            unlimited            bytes\n"
              "Max address space         2147483648           unlimited            bytes\n");
    read_memory(1);
    assert_limit(&total, 2 * GIB - GIB / 2, "ulimit -v");
    assert_limit(&available, 2 * GIB - GIB / 2, "ulimit -v");
    assert_true(total.own);
    read_memory(4); /* each process has its own */
    assert_limit(&total, 2 * GIB - GIB / 2, "ulimit -v");
    read_memory(16);
    assert_limit(&total, GIB, "");
    assert_false(total.own);
}

static void ulimit_of_data_counts_data(void **state)
{
    (void)state;
    make_file("/proc/self/limits",
              "Max data size             1073741824           1073741824           bytes\n"
              "Max address space         8589934592           unlimited            bytes\n");
    read_memory(1);
    assert_limit(&available, GIB - GIB / 8, "ulimit -d");
    assert_int_equal(dt_address_space(root).bytes, GIB - GIB / 8);
    make_file("/proc/self/limits", "Max data size   1024  1024  bytes\n");
    read_memory(1);
    assert_limit(&available, 0, "ulimit -d"); /* more is used than allowed */
}

static void version_2_in_a_nested_group(void **state)
{
    (void)state;
    make_file("/proc/self/cgroup", "0::/system.slice/job_7/step_0\n");
    make_file("/proc/self/mountinfo", "23 1 0:1 / / rw - ext4 /dev/x rw\n" MOUNT_V2);
    make_file("/sys/fs/cgroup/system.slice/job_7/step_0/memory.max", "max\n");
    make_file("/sys/fs/cgroup/system.slice/job_7/step_0/memory.high", "max\n");
    make_file("/sys/fs/cgroup/system.slice/job_7/memory.max", "4294967296\n");
    make_file("/sys/fs/cgroup/system.slice/job_7/memory.current", "2147483648\n");
    make_file("/sys/fs/cgroup/system.slice/job_7/memory.stat",
              "anon 1\nfile 1073741824\ninactive_file 536870912\nactive_file 536870912\n");
    read_memory(1);
    assert_limit(&total, 4 * GIB, "the control group's memory.max of /system.slice/job_7");
    /* 1 GiB of the 2 in use are files that can go */
    assert_limit(&available, 3 * GIB, "the control group's memory.max of /system.slice/job_7");
    read_memory(2); /* shared with the other rank */
    assert_int_equal(total.bytes, 2 * GIB);
    /* beyond memory.high a group is slowed down until it has shrunk */
    make_file("/sys/fs/cgroup/system.slice/job_7/step_0/memory.high", "2147483648\n");
    read_memory(1);
    assert_limit(&total, 2 * GIB, "the control group's memory.high of /system.slice/job_7/step_0");
}

static void a_limit_above_the_machine_is_none(void **state)
{
    (void)state;
    make_file("/proc/self/cgroup", "0::/a\n");
    make_file("/proc/self/mountinfo", MOUNT_V2);
    make_file("/sys/fs/cgroup/a/memory.max", "99999999999999\n");
    read_memory(1);
    assert_limit(&total, 16 * GIB, "");
}

static void version_1_is_hierarchical(void **state)
{
    (void)state;
    make_file("/proc/self/cgroup", "9:cpuset:/\n4:memory:/slurm/job_3\n0::/\n");
    make_file("/proc/self/mountinfo", MOUNT_V1("cpuset", "/") MOUNT_V1("memory", "/"));
    make_file("/sys/fs/cgroup/memory/slurm/job_3/memory.limit_in_bytes", "9223372036854771712\n");
    make_file("/sys/fs/cgroup/memory/slurm/memory.limit_in_bytes", "3221225472\n");
    make_file("/sys/fs/cgroup/memory/slurm/memory.usage_in_bytes", "2147483648\n");
    make_file("/sys/fs/cgroup/memory/slurm/memory.stat",
              "cache 7\nactive_file 1\ntotal_inactive_file 1073741824\n");
    read_memory(1);
    assert_limit(&total, 3 * GIB, "the control group's memory.limit_in_bytes of /slurm");
    assert_limit(&available, 2 * GIB, "the control group's memory.limit_in_bytes of /slurm");
    make_file("/sys/fs/cgroup/memory/slurm/memory.use_hierarchy", "0\n");
    read_memory(1);
    assert_limit(&total, 16 * GIB, "");
}

/* The limit stands in a group above the container's, which sees no more than this. */
static void version_1_above_the_container(void **state)
{
    (void)state;
    make_file("/proc/self/cgroup", "4:memory:/docker/c1\n");
    make_file("/proc/self/mountinfo", MOUNT_V1("memory", "/docker/c1"));
    make_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    make_file("/sys/fs/cgroup/memory/memory.stat", "hierarchical_memory_limit 1073741824\n");
    read_memory(1);
    assert_limit(&total, GIB, "the control group's hierarchical_memory_limit of /");
}

static void hybrid_has_memory_in_version_1(void **state)
{
    (void)state;
    make_file("/proc/self/cgroup", "4:memory:/a\n1:cpu,cpuacct:/a\n0::/a\n");
    make_file("/proc/self/mountinfo",
              MOUNT_V1("memory", "/") MOUNT_V1(
                  "cpu,cpuacct", "/") "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 none rw\n");
    make_file("/sys/fs/cgroup/unified/a/cgroup.procs", "1\n");
    make_file("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1073741824\n");
    make_file("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "250000\n");
    make_file("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
    read_memory(1);
    assert_limit(&total, GIB, "the control group's memory.limit_in_bytes of /a");
    assert_quota(2.5, "the control group's cpu.cfs_quota_us of /a");
}

/* ---- containers ------------------------------------------------------------------------------*/

static void a_mounted_part_is_looked_up_below_itself(void **state)
{
    (void)state;
    make_file("/proc/self/cgroup", "0::/kubepods/pod 1/c2/init\n");
    make_file("/proc/self/mountinfo",
              "29 23 0:26 /kubepods/pod\\0401/c2 /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
    make_file("/sys/fs/cgroup/memory.max", "2147483648\n");
    make_file("/sys/fs/cgroup/cpu.max", "150000 100000\n");
    make_file("/sys/fs/cgroup/init/memory.max", "1073741824\n");
    read_memory(1);
    assert_limit(&total, GIB, "the control group's memory.max of /init");
    assert_quota(1.5, "the control group's cpu.max of /");
}

/* /proc/self/cgroup tells the host's path, of which nothing is to be seen. */
static void an_invisible_path_means_the_mounted_folder(void **state)
{
    (void)state;
    const char *const paths[] = {"0::/docker/0123456789ab\n", "0::/../../docker/0123\n", "0::/\n"};
    make_file("/proc/self/mountinfo", MOUNT_V2);
    make_file("/sys/fs/cgroup/memory.max", "1073741824\n");
    make_file("/sys/fs/cgroup/cpu.max", "50000 100000\n");
    for (size_t i = 0; i < sizeof paths / sizeof *paths; ++i) {
        make_file("/proc/self/cgroup", paths[i]);
        read_memory(1);
        assert_limit(&total, GIB, "the control group's memory.max of /");
        assert_quota(0.5, "the control group's cpu.max of /");
    }
    make_file("/proc/self/cgroup", "4:memory:/docker/x\n");
    make_file("/proc/self/mountinfo", MOUNT_V1("memory", "/elsewhere"));
    make_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "2147483648\n");
    read_memory(1);
    assert_limit(&total, 2 * GIB, "the control group's memory.limit_in_bytes of /");
}

static void a_name_that_begins_alike_is_another_group(void **state)
{
    (void)state;
    make_file("/proc/self/cgroup", "0::/pod10/x\n");
    make_file("/proc/self/mountinfo", "29 23 0:26 /pod1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    make_file("/sys/fs/cgroup/0/x/memory.max", "4096\n");
    read_memory(1);
    assert_limit(&total, 16 * GIB, "");
}

/* ---- processors ------------------------------------------------------------------------------*/

static void the_smallest_quota_of_all_groups_counts(void **state)
{
    (void)state;
    make_file("/proc/self/cgroup", "0::/a/b/c\n");
    make_file("/proc/self/mountinfo", MOUNT_V2);
    make_file("/sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n");
    make_file("/sys/fs/cgroup/a/b/cpu.max", "300000 100000\n");
    assert_quota(3.0, "the control group's cpu.max of /a/b");
    make_file("/sys/fs/cgroup/a/cpu.max", "40000 20000\n");
    assert_quota(2.0, "the control group's cpu.max of /a");
    make_file("/sys/fs/cgroup/a/b/c/cpu.max", "10000 100000\n");
    assert_quota(0.1, "the control group's cpu.max of /a/b/c");
}

static void version_1_without_a_quota_has_minus_one(void **state)
{
    (void)state;
    make_file("/proc/self/cgroup", "1:cpu:/\n");
    make_file("/proc/self/mountinfo", MOUNT_V1("cpu", "/"));
    make_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    make_file("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    assert_quota(0.0, "");
}

static void quotas_become_whole_threads(void **state)
{
    (void)state;
    const double quotas[] = {0.1, 1.0, 1.49, 1.5, 2.0, 4.2, 7.9};
    const int threads[] = {1, 1, 1, 2, 2, 4, 8};
    for (size_t i = 0; i < sizeof quotas / sizeof *quotas; ++i)
        assert_int_equal(dt_quota_threads(quotas[i]), threads[i]);
}

static void this_process_has_a_processor(void **state)
{
    (void)state;
    assert_in_range(dt_processors_allowed(), 1, sysconf(_SC_NPROCESSORS_CONF));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_host, remove_host)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_limits_the_machine_counts),
        TEST(ulimit_counts_what_is_used_already),
        TEST(ulimit_of_data_counts_data),
        TEST(version_2_in_a_nested_group),
        TEST(a_limit_above_the_machine_is_none),
        TEST(version_1_is_hierarchical),
        TEST(version_1_above_the_container),
        TEST(hybrid_has_memory_in_version_1),
        TEST(a_mounted_part_is_looked_up_below_itself),
        TEST(an_invisible_path_means_the_mounted_folder),
        TEST(a_name_that_begins_alike_is_another_group),
        TEST(the_smallest_quota_of_all_groups_counts),
        TEST(version_1_without_a_quota_has_minus_one),
        TEST(quotas_become_whole_threads),
        TEST(this_process_has_a_processor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
