/* Loaded into a program before it begins: takes so many keys of the C library that those
   of the interpreter are not among the first. */
#include <pthread.h>

__attribute__((constructor)) static void take(void)
{
    pthread_key_t key;
    int count;

    for (count = 0; count < 40; count++)
        pthread_key_create(&key, 0);
}
