/* A program that knows nothing of Python until it loads it, long after its start.

   late_library LIBPYTHON SCRIPT            when it is told to by a line
   late_library LIBPYTHON SCRIPT SECONDS    when it is that old */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char line[16];
    if (argc < 3)
        return 2;
    puts("{}");
    fflush(stdout);
    if (argc > 3)
        sleep(atoi(argv[3]));
    else if (fgets(line, sizeof line, stdin) == NULL)
        return 3;
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
    FILE *script = fopen(argv[2], "r");
    if (library == NULL || script == NULL)
        return 4;
    void (*initialize)(void) = (void (*)(void))dlsym(library, "Py_Initialize");
    int (*run)(FILE *, const char *, int, void *) =
        (int (*)(FILE *, const char *, int, void *))dlsym(library, "PyRun_SimpleFileExFlags");
    initialize();
    return run(script, argv[2], 1, NULL);
}
