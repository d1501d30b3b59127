/* Threads that push interpreter frames of their own, as compilers of Python and
   evaluators do, without the headers of any version: where fields are is said. */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

/* In bytes, from the start of the structure. */
struct offsets {
    int head;         /* tstate->current_frame, or tstate->cframe */
    int cframe;       /* cframe->current_frame; -1 where there is none */
    int previous;
    int executable;
    int frame_obj;
    int instruction;
    int stackpointer; /* -1 where there is none that must be right */
    int owner;
    int ob_type;
    int adaptive;     /* of a code object */
};

struct calls {
    int (*ensure)(void);
    void *(*thread_state)(void);
    void (*release)(int);
    void (*called)(void);
};

enum kind { COMPILED, EVALUATOR, MODULE };

struct work {
    enum kind kind;
    struct offsets at;
    struct calls call;
    void *outer, *inner;
    int outer_lines[2], inner_lines[2];
};

/* A frame object and the frame inside of it. */
struct frame {
    char object[128];
    char frame[512];
};

static void set(char *base, int offset, void *value)
{
    *(void *volatile *)(base + offset) = value;
}

static void spin(double seconds)
{
    struct timespec time;
    double end = 0;
    do {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        double now = time.tv_sec + time.tv_nsec * 1e-9;
        if (end == 0)
            end = now + seconds;
        else if (now >= end)
            return;
    } while (1);
}

static void at_line(struct work *work, struct frame *frame, int line)
{
    *(volatile int *)(frame->object + work->at.ob_type + 32) = line;
}

static void **current(struct work *work, char *thread_state)
{
    char *head = thread_state + work->at.head;
    if (work->at.cframe < 0)
        return (void **)head;
    return (void **)(*(char **)head + work->at.cframe);
}

static void push(struct work *work, char *thread_state, struct frame *frame, char *code)
{
    struct offsets *at = &work->at;
    char *start = frame->frame;
    set(start, at->executable, code);
    set(start, at->instruction, code + at->adaptive + 2);
    if (at->stackpointer >= 0)
        set(start, at->stackpointer, start + 80);
    if (work->kind != EVALUATOR) {
        start[at->owner] = 1; /* FRAME_OWNED_BY_GENERATOR */
        set(start, at->frame_obj, frame->object);
        set(frame->object, at->ob_type + 16, start);
    }
    void **head = current(work, thread_state);
    set(start, at->previous, *head);
    set((char *)head, 0, start);
}

static void pop(struct work *work, char *thread_state, struct frame *frame)
{
    void **head = current(work, thread_state);
    set((char *)head, 0, *(void **)(frame->frame + work->at.previous));
    set(frame->frame, work->at.previous, NULL);
}

static void *run(void *argument)
{
    struct work *work = argument;
    struct frame *outer = calloc(1, sizeof *outer), *inner = calloc(1, sizeof *inner);
    int state = work->call.ensure();
    char *thread_state = work->call.thread_state();
    for (;;) {
        push(work, thread_state, outer, work->outer);
        at_line(work, outer, work->outer_lines[0]);
        spin(0.004);
        if (work->kind != MODULE) {
            at_line(work, outer, work->outer_lines[1]);
            push(work, thread_state, inner, work->inner);
            at_line(work, inner, work->inner_lines[0]);
            spin(0.004);
            at_line(work, inner, work->inner_lines[1]);
            work->call.called();
            pop(work, thread_state, inner);
        }
        pop(work, thread_state, outer);
        /* Lets another thread have the lock of Python. */
        work->call.release(state);
        const struct timespec rest = {0, 100000};
        nanosleep(&rest, NULL);
        state = work->call.ensure();
        thread_state = work->call.thread_state();
    }
    return NULL;
}

/* Starts a thread that works for ever. */
int start(const struct work *work)
{
    struct work *own = malloc(sizeof *own);
    pthread_t thread;
    *own = *work;
    return pthread_create(&thread, NULL, run, own);
}
