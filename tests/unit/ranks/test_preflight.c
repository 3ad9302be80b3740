/* What is said of ranks that share a GPU or cores, which network a host has, and the sums that check
 * the ranks' communication. */
#include <stdlib.h>
#include <unistd.h>

#include "core/file.h"
#include "core/log.h"
#include "ranks/network.h"
#include "ranks/ranks.h"
#include "ranks/sums.h"
#include "unit/io/io_test.h"

/* ---- sharing --------------------------------------------------------------------------------- */

static dt_rank_info on(const char *host, uint64_t cores, const char *list, const char *gpu)
{
    dt_rank_info info = {
        .processors = __builtin_popcountll(cores), .processor_set = cores, .cores = {cores}};
    snprintf(info.host, sizeof info.host, "%s", host);
    snprintf(info.processor_list, sizeof info.processor_list, "%s", list);
    snprintf(info.device_id, sizeof info.device_id, "%s", gpu);
    return info;
}

/* What is said of these ranks is `expected`, a part of the log; NULL: nothing. */
static void assert_said(const dt_rank_info *infos, int32_t ranks, const char *expected)
{
    char *text;
    size_t length;
    unlink("log");
    ASSERT_OK(dt_log_open("log"));
    dt_ranks_notice_shared(infos, ranks);
    dt_ranks_notice_unlike(infos, ranks);
    dt_log_close();
    ASSERT_OK(dt_read_file("log", &text, &length));
    if (!expected)
        assert_int_equal(length, 0);
    else if (!strstr(text, expected))
        fail_msg("'%s' instead of '%s'", text, expected);
    free(text);
}

static void ranks_that_share_cores_are_named(void **state)
{
    (void)state;
    dt_log_note("earlier messages stand in the first log");
    ASSERT_OK(dt_log_open("first"));
    const dt_rank_info own[] = {on("a", 0x3, "0-1", ""), on("a", 0xc, "2-3", ""),
                                on("b", 0x3, "0-1", ""), on("b", 0xc, "2-3", "")};
    assert_said(own, 4, NULL);
    const dt_rank_info unbound[] = {on("a", 0xf, "0-3", ""), on("a", 0xf, "0-3", "")};
    assert_said(unbound, 2, NULL);
    const dt_rank_info one[] = {on("a", 0x1, "0", ""), on("b", 0x1, "0", ""), on("b", 0x1, "0", ""),
                                on("c", 0x1, "0", ""), on("c", 0x1, "0", "")};
    assert_said(one, 5,
                "ranks 1 and 2 on b (and others on 1 more hosts) share the core of "
                "processor 0: ");
    const dt_rank_info few[] = {on("a", 0x3, "0-1", ""), on("a", 0x3, "0-1", ""),
                                on("a", 0x3, "0-1", "")};
    assert_said(few, 3, "ranks 0 and 1 on a share the cores of processors 0-1: ");
    const dt_rank_info overlapping[] = {on("a", 0x7, "0-2", ""), on("a", 0x18, "3-4", ""),
                                        on("a", 0xc, "2-3", "")};
    assert_said(overlapping, 3, "ranks 0 and 2 on a share cores, with processors 0-2 and 2-3: ");
}

static void ranks_that_share_a_gpu_are_named(void **state)
{
    (void)state;
    const dt_rank_info own[] = {on("a", 0x1, "0", "0000:01:00.0"),
                                on("a", 0x2, "1", "0000:02:00.0"),
                                on("b", 0x1, "0", "0000:01:00.0")};
    assert_said(own, 3, NULL);
    const dt_rank_info one[] = {on("a", 0x1, "0", "0000:01:00.0"),
                                on("a", 0x2, "1", "0000:02:00.0"),
                                on("a", 0x4, "2", "0000:01:00.0")};
    assert_said(one, 3, "ranks 0 and 2 on a share GPU 0000:01:00.0: ");
}

static void ranks_that_compute_otherwise_are_counted(void **state)
{
    (void)state;
    dt_rank_info ranks[] = {on("a", 0x3, "0-1", ""), on("a", 0xc, "2-3", ""),
                            on("b", 0x3, "0-1", ""), on("b", 0x4, "2", "")};
    for (int q = 0; q < 4; ++q)
        snprintf(ranks[q].device, sizeof ranks[q].device, "Processor, 2 threads");
    assert_said(ranks, 4, NULL);
    snprintf(ranks[3].device, sizeof ranks[3].device, "Processor, 1 thread");
    assert_said(ranks, 4,
                "1 of 4 ranks compute otherwise than rank 0: rank 0 on a with Processor, 2 "
                "threads, rank 3 on b with Processor, 1 thread: ");
}

/* ---- the network ----------------------------------------------------------------------------- */

static void the_rate_of_infiniband_is_read(void **state)
{
    (void)state;
    dt_network network;
    ASSERT_OK(dt_make_folder("sys/class/infiniband/mlx5_1"));
    ASSERT_OK(dt_make_folder("sys/class/infiniband/mlx5_0/ports/1"));
    ASSERT_OK(
        dt_write_file("sys/class/infiniband/mlx5_0/ports/1/rate", "400 Gb/sec (4X NDR)\n", 20));
    dt_network_find(".", &network);
    assert_string_equal(network.name, "mlx5_0, 400 Gb/sec (4X NDR), of 2");
    assert_true(network.rate == 50e9);
}

/* ---- sums ------------------------------------------------------------------------------------ */

/* For any number of ranks the parts add up, in numbers that bf16 has, and no rank is left out. */
static void parts_add_up_to_the_whole(void **state)
{
    (void)state;
    for (int32_t ranks = 2; ranks < 1100; ranks += ranks < 200 ? 1 : 97) {
        int64_t contributions = 0;
        for (int64_t i = 0; i < 64; ++i) {
            float sum = 0.0f;
            for (int32_t q = 0; q < ranks; ++q) {
                sum += dt_sums_part(q, ranks, i);
                contributions += q == ranks - 1 && dt_sums_part(q, ranks, i) > 0.0f;
            }
            assert_true(sum == dt_sums_whole(ranks, i) && sum <= 256.0f);
        }
        assert_true(contributions > 0);
    }
}

static void usual_times_depend_on_the_link(void **state)
{
    (void)state;
    dt_comm comm = {.name = "nccl", .world_size = 2, .link = DT_LINK_NVLINK};
    const double nvlink = dt_sums_usual(&comm, 0.0, 16e6);
    comm.link = DT_LINK_NETWORK;
    const double infiniband = dt_sums_usual(&comm, 50e9, 16e6);
    const double ethernet = dt_sums_usual(&comm, 1.25e9, 16e6);
    const double unknown = dt_sums_usual(&comm, 0.0, 16e6);
    assert_true(infiniband < nvlink && nvlink < ethernet && ethernet < unknown);
    comm.name = "mpi"; /* one core adds the numbers */
    assert_true(dt_sums_usual(&comm, 50e9, 16e6) > 16e-3);
    comm.link = DT_LINK_UNKNOWN;
    assert_true(dt_sums_usual(&comm, 50e9, 16e6) == 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_that_share_cores_are_named),
        cmocka_unit_test(ranks_that_share_a_gpu_are_named),
        cmocka_unit_test(ranks_that_compute_otherwise_are_counted),
        cmocka_unit_test(the_rate_of_infiniband_is_read),
        cmocka_unit_test(parts_add_up_to_the_whole),
        cmocka_unit_test(usual_times_depend_on_the_link),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
