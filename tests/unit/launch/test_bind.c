/* Binding of ranks: the list of cores, a rank's number on its machine, its part of a machine. */
#include "test.h"

#include "launch/bind.h"

static void assert_rank_cpus(const char *lists, int32_t rank, const char *expected)
{
    const size_t size = CPU_ALLOC_SIZE(DT_MACHINE_CPUS);
    cpu_set_t *set = CPU_ALLOC(DT_MACHINE_CPUS);
    char text[128] = "";
    assert_true(dt_bind_cpus(lists, rank, size, set) == (expected != NULL));
    for (size_t cpu = 0; expected && cpu < DT_MACHINE_CPUS; ++cpu)
        if (CPU_ISSET_S(cpu, size, set))
            snprintf(text + strlen(text), sizeof text - strlen(text), "%zu ", cpu);
    assert_string_equal(text, expected ? expected : "");
    CPU_FREE(set);
}

static void each_rank_takes_its_cores_from_the_list(void **state)
{
    (void)state;
    const char *lists = "0-3,16-17 4,6,2000 9";
    assert_rank_cpus(lists, 0, "0 1 2 3 16 17 ");
    assert_rank_cpus(lists, 1, "4 6 2000 ");
    assert_rank_cpus(lists, 2, "9 ");
    assert_rank_cpus(lists, 3, NULL);
    const char *const wrong[] = {"", " 1", "a", "1x", "3-1", "1-", "-1", "4096", "0-9999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; ++i)
        assert_rank_cpus(wrong[i], 0, NULL);
}

static char *by_open_mpi(const char *name)
{
    return strcmp(name, "OMPI_COMM_WORLD_LOCAL_RANK") == 0   ? "2"
           : strcmp(name, "OMPI_COMM_WORLD_LOCAL_SIZE") == 0 ? "4"
                                                             : NULL;
}

static char *by_hydra(const char *name)
{
    return strcmp(name, "MPI_LOCALRANKID") == 0   ? "0"
           : strcmp(name, "MPI_LOCALNRANKS") == 0 ? "1"
                                                  : NULL;
}

static char *by_nobody(const char *name)
{
    (void)name;
    return NULL;
}

static void a_rank_knows_its_number_on_its_machine(void **state)
{
    (void)state;
    int32_t rank;
    int32_t size;
    assert_true(dt_bind_local_rank(by_open_mpi, &rank, &size));
    assert_int_equal(rank, 2);
    assert_int_equal(size, 4);
    assert_true(dt_bind_local_rank(by_hydra, &rank, &size));
    assert_int_equal(rank, 0);
    assert_int_equal(size, 1);
    assert_false(dt_bind_local_rank(by_nobody, &rank, &size));
}

static void assert_divided(const dt_machine *machine, int32_t ranks, const char *visible,
                           const char *first, const char *second)
{
    dt_rank_cpus cpus;
    ASSERT_OK(dt_bind_divide(machine, ranks, visible, &cpus));
    assert_string_equal(cpus.list[0], first);
    if (second)
        assert_string_equal(cpus.list[1], second);
    dt_rank_cpus_free(&cpus);
}

/* Four cores on two nodes; of the GPUs, the first is at the second node. */
static void ranks_with_a_gpu_each_are_near_it(void **state)
{
    (void)state;
    dt_cpu cpu[] = {{0, 0, 0}, {1, 1, 0}, {2, 2, 1}, {3, 3, 1}};
    const dt_machine machine = {.cpu = cpu, .cpus = 4, .cores = 4, .gpu_node = {1, 0}, .gpus = 2};
    assert_divided(&machine, 1, NULL, "2-3", NULL);
    assert_divided(&machine, 1, "1,0", "0-1", NULL);
    assert_divided(&machine, 2, NULL, "2-3", "0-1");
    assert_divided(&machine, 2, "1", "0-1", "2-3"); /* they share a GPU */
    assert_divided(&machine, 2, "GPU-1,GPU-0", "0-1", "2-3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rank_takes_its_cores_from_the_list),
        cmocka_unit_test(a_rank_knows_its_number_on_its_machine),
        cmocka_unit_test(ranks_with_a_gpu_each_are_near_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
