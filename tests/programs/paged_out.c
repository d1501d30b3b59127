/* A deep stack whose outer frames are paged out: they lie in a mapped file, of which
   memory can be given back without a swap device. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEPTH 40
#define PAGE 4096
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

/* In bytes; see own_frames.c. */
struct offsets {
    int head, cframe, previous, executable, instruction, adaptive;
};

static char *frames;

static void set(char *base, int offset, void *value)
{
    *(void *volatile *)(base + offset) = value;
}

/* Goes to a CPU of those that it may be on: each keeps a list of pages that it used just
   now, which are given back only from there. */
static void go_to_next(const cpu_set_t *all, int *cpu)
{
    do
        *cpu = (*cpu + 1) % CPU_SETSIZE;
    while (!CPU_ISSET(*cpu, all));
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(*cpu, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);
}

/* Gives the memory of the frames back, and says how many pages of it are left. */
static void *page_out(void *nothing)
{
    cpu_set_t all;
    int cpu = -1;
    pthread_getaffinity_np(pthread_self(), sizeof all, &all);
    unsigned char in_memory[DEPTH];
    char line[16];
    while (fgets(line, sizeof line, stdin) != NULL) {
        int left = DEPTH;
        for (int try = 0; left > 0 && try < 1000; try++) {
            go_to_next(&all, &cpu);
            msync(frames, DEPTH * PAGE, MS_SYNC);
            madvise(frames, DEPTH * PAGE, MADV_PAGEOUT);
            mincore(frames, DEPTH * PAGE, in_memory);
            left = 0;
            for (int page = 0; page < DEPTH; page++)
                left += in_memory[page] & 1;
            if (left > 0)
                usleep(1000);
        }
        printf("{\"left\": %d}\n", left);
        fflush(stdout);
    }
    return nothing;
}

/* Runs for ever under frames of its own, each in a page of the file. */
int run(const struct offsets *at, char *thread_state, char *code, const char *path)
{
    int file = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    pthread_t thread;
    if (file < 0 || ftruncate(file, DEPTH * PAGE) != 0)
        return 1;
    frames = mmap(NULL, DEPTH * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (frames == MAP_FAILED)
        return 2;
    void **head = (void **)(thread_state + at->head);
    if (at->cframe >= 0)
        head = (void **)((char *)*head + at->cframe);
    for (int number = 0; number <= DEPTH; number++) {
        /* The innermost one stays. */
        char *frame = number < DEPTH ? frames + number * PAGE : calloc(1, PAGE);
        set(frame, at->executable, code);
        if (at->adaptive >= 0)
            set(frame, at->instruction, code + at->adaptive);
        set(frame, at->previous, *head);
        set((char *)head, 0, frame);
    }
    if (pthread_create(&thread, NULL, page_out, NULL) != 0)
        return 3;
    puts("{}");
    fflush(stdout);
    for (volatile unsigned value = 1;;)
        value = value * 3 + 1;
}
