/* Two interpreters in one process, each in a thread of its own, both at work.

   two_pythons LIBRARY LIBRARY */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void *run(void *library)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    void (*initialize)(int);
    int (*run_string)(const char *);

    if (handle == NULL) {
        fputs(dlerror(), stderr);
        _exit(2);
    }
    initialize = (void (*)(int))dlsym(handle, "Py_InitializeEx");
    run_string = (int (*)(const char *))dlsym(handle, "PyRun_SimpleString");
    initialize(0);
    /* One write, so that the lines of the two do not mix. */
    run_string("import os\n"
               "os.write(1, b'{}\\n')\n"
               "def leaf():\n"
               "    return sum(range(500))\n"
               "def top():\n"
               "    while True:\n"
               "        leaf()\n"
               "top()\n");
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[2];
    int number;

    if (argc != 3)
        return 2;
    for (number = 0; number < 2; number++)
        pthread_create(&threads[number], NULL, run, argv[number + 1]);
    pause();
    return 0;
}
