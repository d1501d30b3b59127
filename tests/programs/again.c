/* Loaded into an interpreter's own program before it begins: initialises Python, runs a
   job, finalises it, and goes on with the next, without end. The code of job 3 is called
   outer_3 and inner_3; all else is alike. A program without Python is left alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

static const char job[] =
    "import json, time\n"
    "def inner_%1$d(count):\n"
    "    total = 0\n"
    "    for number in range(count):\n"
    "        total += number\n"
    "    return total\n"
    "def outer_%1$d(end):\n"
    "    while time.time() < end:\n"
    "        inner_%1$d(200)\n"
    "began = time.time()\n"
    "outer_%1$d(began + 0.06)\n"
    "print(json.dumps(dict(job='%1$d', began=began, ended=time.time())), flush=True)\n";

__attribute__((constructor)) static void run(void)
{
    void (*initialize)(int) = (void (*)(int))dlsym(RTLD_DEFAULT, "Py_InitializeEx");
    int (*finalize)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "Py_FinalizeEx");
    int (*run_string)(const char *) = (int (*)(const char *))dlsym(RTLD_DEFAULT, "PyRun_SimpleString");
    char code[sizeof job + 100];
    int number;

    if (initialize == NULL || finalize == NULL || run_string == NULL)
        return;
    puts("{}");
    fflush(stdout);
    for (number = 0;; number = (number + 1) % 10) {
        snprintf(code, sizeof code, job, number);
        initialize(0);
        if (run_string(code) != 0 || finalize() != 0)
            _exit(4);
    }
}
