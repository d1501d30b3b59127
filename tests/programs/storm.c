/* Starts short processes at a steady rate, half of them forks that end at once,
   half of them programs. Called by ctypes, which releases the GIL meanwhile. */
#define _GNU_SOURCE
#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* Starts `rate` processes a second for `seconds`; how many it started. */
int storm(int seconds, int rate, const char *program)
{
    char *arguments[] = {(char *)program, NULL};
    char *environment[] = {NULL};
    long long begin = now(), period = 1000000000LL / rate;
    int started = 0, ended = 0;
    for (; started < seconds * rate; started++) {
        long long due = begin + started * period;
        struct timespec until = {due / 1000000000LL, due % 1000000000LL};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        if (now() > begin + seconds * 1000000000LL)
            break;
        pid_t child;
        if (started % 2 == 0) {
            child = fork();
            if (child == 0)
                _exit(0);
        } else if (posix_spawn(&child, program, NULL, NULL, arguments, environment) != 0) {
            child = -1;
        }
        if (child < 0)
            return -1;
        while (ended < started && waitpid(-1, NULL, WNOHANG) > 0)
            ended++;
    }
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
    return started;
}
