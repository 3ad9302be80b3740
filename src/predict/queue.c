#include "predict/queue.h"

#include <stddef.h>

void dt_queue_init(dt_queue *queue)
{
    *queue = (dt_queue){.first = 0};
    pthread_mutex_init(&queue->mutex, NULL);
    pthread_cond_init(&queue->changed, NULL);
}

void dt_queue_destroy(dt_queue *queue)
{
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->mutex);
}

bool dt_queue_put(dt_queue *queue, void *item)
{
    pthread_mutex_lock(&queue->mutex);
    while (queue->count == DT_QUEUE_CAPACITY && !queue->dropped)
        pthread_cond_wait(&queue->changed, &queue->mutex);
    const bool put = !queue->dropped;
    if (put)
        queue->item[(queue->first + queue->count++) % DT_QUEUE_CAPACITY] = item;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
    return put;
}

static void *take(dt_queue *queue, bool wait)
{
    void *item = NULL;
    pthread_mutex_lock(&queue->mutex);
    while (wait && !queue->count && !queue->ended && !queue->dropped)
        pthread_cond_wait(&queue->changed, &queue->mutex);
    if (queue->count && !queue->dropped) {
        item = queue->item[queue->first];
        queue->first = (queue->first + 1) % DT_QUEUE_CAPACITY;
        queue->count--;
    }
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
    return item;
}

void *dt_queue_take(dt_queue *queue)
{
    return take(queue, true);
}

void *dt_queue_take_now(dt_queue *queue)
{
    return take(queue, false);
}

void dt_queue_end(dt_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->ended = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
}

void dt_queue_drop(dt_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->dropped = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
}
