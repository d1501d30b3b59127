/* Threads that Python did not make. Each works without Python for a while and
   only then calls into it, again and again. */
#include <pthread.h>
#include <stddef.h>
#include <time.h>

static void (*callback)(int);

static double used(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static void *work(void *number)
{
    volatile unsigned value = 1;
    while (used() < 0.2)
        value = value * 3 + 1;
    /* One that came back at once would find the lock of Python still free, and
       the other would starve. */
    const struct timespec rest = {0, 1000000};
    for (;;) {
        callback((int)(long)number);
        nanosleep(&rest, NULL);
    }
    return NULL;
}

/* Starts `count` threads that call `function` with their number. */
int start(int count, void (*function)(int))
{
    callback = function;
    for (long number = 0; number < count; number++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, work, (void *)number) != 0)
            return -1;
    }
    return 0;
}
