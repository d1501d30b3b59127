/* A program that has Python in it: runs a script in an interpreter of its own.

   embed SCRIPT        at once
   embed SCRIPT late   when it is told to by a line on standard input */
#include <Python.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    char line[16];
    FILE *script = argc > 1 ? fopen(argv[1], "r") : NULL;
    if (script == NULL)
        return 2;
    if (argc > 2) {
        puts("{}");
        fflush(stdout);
        if (fgets(line, sizeof line, stdin) == NULL)
            return 3;
    }
    Py_Initialize();
    return PyRun_SimpleFileExFlags(script, argv[1], 1, NULL);
}
