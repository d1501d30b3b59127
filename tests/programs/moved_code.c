/* Loaded into a program before it begins: moves the code of the interpreter into anonymous
   memory, as programs do that want it in huge pages. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

__attribute__((constructor)) static void move_all(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[4096];

    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        unsigned long start, end;
        char rights[5], *name = strrchr(line, '/');
        void *copy;

        if (name == NULL || strstr(name, "python") == NULL
            || sscanf(line, "%lx-%lx %4s", &start, &end, rights) != 3 || rights[2] != 'x')
            continue;
        copy = mmap(NULL, end - start, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (copy == MAP_FAILED)
            continue;
        memcpy(copy, (void *)start, end - start);
        mprotect(copy, end - start, PROT_READ | PROT_EXEC);
        mremap(copy, end - start, end - start, MREMAP_MAYMOVE | MREMAP_FIXED, start);
    }
    if (maps != NULL)
        fclose(maps);
}
