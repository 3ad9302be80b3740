/* A bounded queue of pointers between two threads: what joins the stages of a pipeline. */
#ifndef DT_PREDICT_QUEUE_H
#define DT_PREDICT_QUEUE_H

#include <pthread.h>
#include <stdbool.h>

#define DT_QUEUE_ROOM 8

typedef struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    void *item[DT_QUEUE_ROOM];
    int first, count;
    bool ended;   /* nothing more will be put */
    bool dropped; /* nothing more will be taken either */
} dt_queue;

void dt_queue_init(dt_queue *queue);
void dt_queue_destroy(dt_queue *queue);

/* Waits for room. False, with the item left to the caller, once the queue was dropped. */
bool dt_queue_put(dt_queue *queue, void *item);

/* Waits for an item. NULL when the queue has ended and is empty, or was dropped. */
void *dt_queue_take(dt_queue *queue);

/* The same without waiting: NULL also when there is no item yet. */
void *dt_queue_take_now(dt_queue *queue);

/* No item will follow: the taker gets what is there, then NULL. */
void dt_queue_end(dt_queue *queue);

/* Both sides stop at once. */
void dt_queue_drop(dt_queue *queue);

#endif
