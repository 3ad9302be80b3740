/* The queue between the stages of the pipeline keeps order and wakes waiting threads. */
#include "test.h"

#include "predict/queue.h"

static void *put_thousand(void *argument)
{
    static int numbers[1000];
    for (int i = 0; i < 1000; ++i) {
        numbers[i] = i;
        if (!dt_queue_put(argument, &numbers[i]))
            return NULL;
    }
    dt_queue_end(argument);
    return argument;
}

static void order_is_kept_and_the_end_comes_after_the_last_item(void **state)
{
    (void)state;
    dt_queue queue;
    pthread_t thread;
    dt_queue_init(&queue);
    assert_int_equal(pthread_create(&thread, NULL, put_thousand, &queue), 0);
    for (int i = 0; i < 1000; ++i) {
        const int *number = dt_queue_take(&queue);
        assert_non_null(number);
        assert_int_equal(*number, i);
    }
    assert_null(dt_queue_take(&queue));
    pthread_join(thread, NULL);
    dt_queue_destroy(&queue);
}

static void an_empty_ended_queue_returns_null(void **state)
{
    (void)state;
    dt_queue queue;
    dt_queue_init(&queue);
    dt_queue_end(&queue);
    assert_null(dt_queue_take(&queue));
    dt_queue_destroy(&queue);
}

static void dropping_wakes_a_thread_that_waits_to_put(void **state)
{
    (void)state;
    dt_queue queue;
    pthread_t thread;
    void *result = &queue;
    dt_queue_init(&queue);
    assert_int_equal(pthread_create(&thread, NULL, put_thousand, &queue), 0);
    assert_non_null(dt_queue_take(&queue));
    dt_queue_drop(&queue);
    pthread_join(thread, &result);
    assert_null(result);
    assert_null(dt_queue_take(&queue));
    dt_queue_destroy(&queue);
}

static void taking_now_does_not_wait(void **state)
{
    (void)state;
    int numbers[2];
    dt_queue queue;
    dt_queue_init(&queue);
    assert_null(dt_queue_take_now(&queue));
    dt_queue_put(&queue, &numbers[0]);
    dt_queue_put(&queue, &numbers[1]);
    dt_queue_end(&queue);
    assert_ptr_equal(dt_queue_take_now(&queue), &numbers[0]);
    assert_ptr_equal(dt_queue_take(&queue), &numbers[1]);
    assert_null(dt_queue_take_now(&queue));
    dt_queue_destroy(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_kept_and_the_end_comes_after_the_last_item),
        cmocka_unit_test(an_empty_ended_queue_returns_null),
        cmocka_unit_test(dropping_wakes_a_thread_that_waits_to_put),
        cmocka_unit_test(taking_now_does_not_wait),
    };
    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
