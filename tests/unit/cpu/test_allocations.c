/* A training step takes no memory: forward, backward and update on the CPU backend. Calls of malloc
 * and its kin are counted in this program's own. */
#include <stdatomic.h>

#include "unit/profile/profile_test.h"

#ifdef __SANITIZE_ADDRESS__
int main(void)
{
    SKIP_PROGRAM("the sanitizer has an allocator of its own");
}
#else

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static atomic_long allocations;

void *malloc(size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    *memory = __libc_memalign(alignment, size);
    return *memory ? 0 : 12;
}

static void no_step_allocates(int threads, bool profiled)
{
    training t;
    open_training_on(&t, "cpu", threads, profiled, profiled);
    const long opened = atomic_load(&allocations);
    update(&t); /* threads are started */
    const long before = atomic_load(&allocations);
    for (int i = 0; i < 3; ++i)
        update(&t);
    assert_int_equal(atomic_load(&allocations), before);
    assert_true(opened > 0); /* they are counted */
    close_training(&t);
}

static void a_step_allocates_nothing(void **state)
{
    (void)state;
    no_step_allocates(1, false);
    no_step_allocates(3, false);
}

static void a_measured_step_allocates_nothing(void **state)
{
    (void)state;
    no_step_allocates(2, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_allocates_nothing),
        cmocka_unit_test(a_measured_step_allocates_nothing),
    };
    setenv("DEEPTAXA_TEST_SIZE", "small", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
