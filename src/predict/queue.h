/* A bounded queue of pointers between two threads, which connects the stages of a pipeline. */
#ifndef DT_PREDICT_QUEUE_H
#define DT_PREDICT_QUEUE_H

#include <pthread.h>
#include <stdbool.h>

#define DT_QUEUE_CAPACITY 8

typedef struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    void *item[DT_QUEUE_CAPACITY];
    int first, count;
    bool ended;   /* no further item will be put */
    bool dropped; /* no item will be taken either */
} dt_queue;

void dt_queue_init(dt_queue *queue);
void dt_queue_destroy(dt_queue *queue);

/* Waits for a free place and puts the item. Returns false if the queue was dropped; the item then
 * stays with the caller. */
bool dt_queue_put(dt_queue *queue, void *item);

/* Waits for an item. Returns NULL if the queue has ended and is empty, or was dropped. */
void *dt_queue_take(dt_queue *queue);

/* Like dt_queue_take(), but returns NULL instead of waiting. */
void *dt_queue_take_now(dt_queue *queue);

/* Ends the queue: the remaining items can still be taken. */
void dt_queue_end(dt_queue *queue);

/* Stops both sides at once. */
void dt_queue_drop(dt_queue *queue);

#endif
