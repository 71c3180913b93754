#include "server/workers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/urgency.h"

struct task {
    void (*run)(void *argument);
    void *argument;
    struct task *next;
};

struct ntk_workers {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    struct task *first, **last;
    size_t waiting;
    int stopping;
    size_t n; /* of threads; immutable after creation */
    pthread_t threads[];
};

/* The next task, or NULL when there will be none. */
static struct task *take_task(struct ntk_workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    while (!workers->first && !workers->stopping)
        pthread_cond_wait(&workers->changed, &workers->lock);
    struct task *task = workers->first;
    if (task) {
        workers->first = task->next;
        workers->waiting--;
        if (!workers->first)
            workers->last = &workers->first;
    }
    pthread_mutex_unlock(&workers->lock);
    return task;
}

static void *run_tasks(void *argument)
{
    struct ntk_workers *workers = argument;
    ntk_urgency_stand_back();
    for (struct task *task; (task = take_task(workers));) {
        task->run(task->argument);
        free(task);
    }
    return NULL;
}

enum ntk_status ntk_workers_create(size_t threads, struct ntk_workers **out,
                                   struct ntk_error *error)
{
    struct ntk_workers *workers = calloc(1, sizeof *workers + threads * sizeof(pthread_t));
    if (!workers)
        return ntk_fail_memory(error, "the workers", threads * sizeof(pthread_t));
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->changed, NULL);
    workers->last = &workers->first;
    while (workers->n < threads) {
        int reason = pthread_create(&workers->threads[workers->n], NULL, run_tasks, workers);
        if (reason) {
            ntk_workers_free(workers);
            return ntk_fail(error, NTK_TRY_AGAIN, "cannot start a worker: %s", strerror(reason));
        }
        workers->n++;
    }
    *out = workers;
    return NTK_OK;
}

enum ntk_status ntk_workers_submit(struct ntk_workers *workers, size_t most,
                                   void (*run)(void *argument), void *argument,
                                   struct ntk_error *error)
{
    struct task *task = malloc(sizeof *task);
    if (!task)
        return ntk_fail_memory(error, "a task", sizeof *task);
    *task = (struct task){.run = run, .argument = argument};
    pthread_mutex_lock(&workers->lock);
    int refused = workers->stopping || workers->waiting >= most;
    size_t waiting = workers->waiting;
    if (!refused) {
        *workers->last = task;
        workers->last = &task->next;
        workers->waiting++;
        pthread_cond_signal(&workers->changed);
    }
    pthread_mutex_unlock(&workers->lock);
    if (!refused)
        return NTK_OK;
    free(task);
    return ntk_fail(error, NTK_TRY_AGAIN, "%zu tasks wait already, at most %zu may", waiting, most);
}

size_t ntk_workers_count(const struct ntk_workers *workers)
{
    return workers->n;
}

void ntk_workers_free(struct ntk_workers *workers)
{
    if (!workers)
        return;
    pthread_mutex_lock(&workers->lock);
    workers->stopping = 1;
    pthread_cond_broadcast(&workers->changed);
    pthread_mutex_unlock(&workers->lock);
    for (size_t i = 0; i < workers->n; i++)
        pthread_join(workers->threads[i], NULL);
    pthread_mutex_destroy(&workers->lock);
    pthread_cond_destroy(&workers->changed);
    free(workers);
}
