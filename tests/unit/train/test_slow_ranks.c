/* Ranks that are slower than the others in a whole epoch are named. */
#include "unit/io/io_test.h"

#include "core/log.h"
#include "train/slow_ranks.h"

enum { RANKS = 4 };

static double waiting[RANKS];

static dt_status gather(dt_comm *comm, const void *bytes, const int64_t *counts, void *out,
                        int32_t root)
{
    assert_int_equal(root, 0);
    assert_memory_equal(bytes, &waiting[comm->world_rank], sizeof(double));
    for (int q = 0; q < RANKS; ++q)
        assert_int_equal(counts[q], sizeof(double));
    if (comm->world_rank == 0)
        memcpy(out, waiting, sizeof waiting);
    return DT_OK;
}

static dt_status broadcast(dt_comm *comm, void *bytes, int64_t count, int32_t root)
{
    (void)comm, (void)bytes, (void)count, (void)root; /* only rank 0 looks at them */
    return DT_OK;
}

/* What rank 0 says after an epoch of 50 s; "" for nothing. */
static const char *said(double a, double b, double c, double d)
{
    static const dt_comm_ops ops = {.gather = gather, .broadcast = broadcast};
    static const dt_rank_info infos[RANKS] = {
        {.host = "x"}, {.host = "x"}, {.host = "y"}, {.host = "y"}};
    static char text[1024];
    const double all[RANKS] = {a, b, c, d};
    memcpy(waiting, all, sizeof waiting);
    unlink("log");
    assert_int_equal(dt_log_open("log"), DT_OK);
    for (int q = RANKS - 1; q >= 0; --q) {
        dt_comm comm = {.ops = &ops, .world_rank = q, .world_size = RANKS};
        assert_int_equal(dt_slow_ranks_notice(&comm, infos, 7, waiting[q], 50.0), DT_OK);
    }
    dt_log_close();
    FILE *file = fopen("log", "r");
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    char *notice = strstr(text, "notice: ");
    return notice ? notice : "";
}

static void the_slowest_is_named(void **state)
{
    (void)state;
    assert_string_equal(
        said(21, 20, 1, 19),
        "notice: epoch 7: ranks waited up to 20 s of 50 s for rank 2 on y, which is "
        "slower: other programs on its host, or a slower processor\n");
}

static void a_slow_host_is_named_by_its_ranks(void **state)
{
    (void)state;
    assert_non_null(strstr(said(21, 20, 1, 2), "for rank 2 on y, rank 3 on y, which"));
}

static void small_differences_are_none(void **state)
{
    (void)state;
    assert_string_equal(said(20, 20, 12, 19), ""); /* under a fifth of the epoch */
    assert_string_equal(said(40, 40, 40, 40), ""); /* all wait for the network */
}

int main(void)
{
    dt_log_quiet(true);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_slowest_is_named),
        cmocka_unit_test(a_slow_host_is_named_by_its_ranks),
        cmocka_unit_test(small_differences_are_none),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
