#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/file.h"
#include "core/pool.h"
#include "core/strmap.h"
#include "test.h"

static void strmap_finds_all_that_was_added(void **state)
{
    (void)state;
    dt_strmap *map;
    ASSERT_OK(dt_strmap_create(&map));
    char key[32];
    for (int i = 0; i < 10000; ++i) {
        const int length = snprintf(key, sizeof key, "key-%d", i);
        int added;
        ASSERT_OK(dt_strmap_add(map, key, (size_t)length, i, NULL, &added));
        assert_true(added);
    }
    int32_t found;
    int added;
    ASSERT_OK(dt_strmap_add(map, "key-7", 5, 99, &found, &added));
    assert_false(added);
    assert_int_equal(found, 7);
    for (int i = 0; i < 10000; ++i) {
        const int length = snprintf(key, sizeof key, "key-%d", i);
        assert_int_equal(dt_strmap_find(map, key, (size_t)length), i);
    }
    assert_int_equal(dt_strmap_find(map, "other", 5), -1);
    assert_int_equal(dt_strmap_find(map, "", 0), -1);
    dt_strmap_destroy(map);
}

static dt_status count_piece(void *context, int64_t piece, int worker)
{
    (void)worker;
    __atomic_add_fetch(&((int *)context)[piece], 1, __ATOMIC_RELAXED);
    return DT_OK;
}

static dt_status fail_from_ten(void *context, int64_t piece, int worker)
{
    (void)context;
    (void)worker;
    return piece >= 10 ? dt_fail(DT_ERR_INPUT, "piece %ld is bad", (long)piece) : DT_OK;
}

static void pool_does_every_piece_once(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 5; ++threads) {
        dt_pool *pool;
        int count[1000] = {0};
        ASSERT_OK(dt_pool_create(&pool, threads));
        for (int repeat = 0; repeat < 20; ++repeat)
            ASSERT_OK(dt_pool_run(pool, count_piece, count, 1000));
        for (int i = 0; i < 1000; ++i)
            assert_int_equal(count[i], 20);
        ASSERT_FAILS(DT_ERR_INPUT, "is bad", dt_pool_run(pool, fail_from_ten, NULL, 1000));
        ASSERT_OK(dt_pool_run(pool, count_piece, count, 3));
        dt_pool_destroy(pool);
    }
}

static void new_file_replaces_whole_or_not_at_all(void **state)
{
    (void)state;
    char folder[] = "/tmp/dt-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char path[64];
    char *bytes;
    size_t length;
    snprintf(path, sizeof path, "%s/a", folder);
    ASSERT_OK(dt_write_file(path, "old", 3));
    dt_new_file file;
    ASSERT_OK(dt_new_file_begin(&file, path));
    FILE *stream = fopen(file.temporary, "w");
    assert_non_null(stream);
    fputs("new", stream);
    fclose(stream);
    ASSERT_OK(dt_read_file(path, &bytes, &length));
    assert_string_equal(bytes, "old");
    free(bytes);
    dt_new_file_discard(&file);
    assert_int_not_equal(access(file.temporary, F_OK), 0);
    ASSERT_OK(dt_write_file(path, "newer", 5));
    ASSERT_OK(dt_read_file(path, &bytes, &length));
    assert_string_equal(bytes, "newer");
    free(bytes);
    unlink(path);
    rmdir(folder);
    ASSERT_FAILS(DT_ERR_IO, "cannot create", dt_write_file(path, "x", 1));
}

static void folder_lock_refuses_a_second_process(void **state)
{
    (void)state;
    char folder[] = "/tmp/dt-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    int lock;
    ASSERT_OK(dt_lock_folder(folder, &lock));
    char pid[32];
    snprintf(pid, sizeof pid, "pid %d", (int)getpid());
    int second;
    ASSERT_FAILS(DT_ERR_IO, pid, dt_lock_folder(folder, &second));
    dt_unlock_folder(lock);
    ASSERT_OK(dt_lock_folder(folder, &lock));
    dt_unlock_folder(lock);
}

static void message_may_quote_the_one_before(void **state)
{
    (void)state;
    dt_fail(DT_ERR_INPUT, "inner");
    assert_int_equal(dt_fail(DT_ERR_IO, "outer: %s", dt_error_message()), DT_ERR_IO);
    assert_string_equal(dt_error_message(), "outer: inner");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strmap_finds_all_that_was_added),
        cmocka_unit_test(pool_does_every_piece_once),
        cmocka_unit_test(new_file_replaces_whole_or_not_at_all),
        cmocka_unit_test(folder_lock_refuses_a_second_process),
        cmocka_unit_test(message_may_quote_the_one_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
