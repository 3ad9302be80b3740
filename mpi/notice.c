#include "notice.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/log.h"
#include "core/memory.h"
#include "watchdog.h"

struct dt_notice_printer {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* protected by the mutex */
    char text[320]; /* to be printed; "": none */
    bool stopping;
};

static void *print(void *context)
{
    dt_notice_printer *p = context;
    pthread_mutex_lock(&p->mutex);
    while (p->text[0] || !p->stopping) {
        if (!p->text[0]) {
            pthread_cond_wait(&p->changed, &p->mutex);
            continue;
        }
        pthread_mutex_unlock(&p->mutex);
        dt_notice("%s", p->text); /* nobody else changes it until it is "" */
        pthread_mutex_lock(&p->mutex);
        p->text[0] = '\0';
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

dt_status dt_notice_printer_create(dt_notice_printer **out)
{
    dt_notice_printer *p;
    DT_TRY(DT_NEW(p, 1));
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->changed, NULL);
    if (dt_start_thread_without_signals(&p->thread, print, p)) {
        free(p);
        return dt_fail(DT_ERR_MEMORY, "cannot start a thread");
    }
    *out = p;
    return DT_OK;
}

void dt_notice_print(dt_notice_printer *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    pthread_mutex_lock(&p->mutex);
    if (!p->text[0]) {
        vsnprintf(p->text, sizeof p->text, format, args);
        pthread_cond_signal(&p->changed);
    }
    pthread_mutex_unlock(&p->mutex);
    va_end(args);
}

void dt_notice_printer_free(dt_notice_printer *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->mutex);
    p->stopping = true;
    pthread_cond_signal(&p->changed);
    pthread_mutex_unlock(&p->mutex);
    pthread_join(p->thread, NULL);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->mutex);
    free(p);
}
