/* Runs one compiled function on arrays that it reads, and writes them back: for a CPU that is not this one.

   Input, in the machine's own byte order (little endian on all that we emit for):
     int64  number of arrays, rows, capacity, threads, number of addresses behind the arrays'
     int64  bytes of each array
     int64  for each address: that of which array, or -1 for none, and how many bytes are added to it
     bytes  of each array
   Output: the bytes of each array. FUNCTION is defined on the command line. */

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define MOST_THREADS 8

void FUNCTION(void **table, int64_t rows, int64_t capacity, int64_t thread, int64_t threads, int64_t turn);

static void **table;
static int64_t head[5];

static void *work(void *thread) {
    FUNCTION(table, head[1], head[2], (int64_t)thread, head[3], 0);
    return NULL;
}

static void take(void *to, size_t size) {
    if (fread(to, 1, size, stdin) != size) {
        fputs("the input is too short\n", stderr);
        exit(2);
    }
}

int main(void) {
    take(head, sizeof head);
    int64_t arrays = head[0], *sizes = malloc(arrays * sizeof *sizes);
    table = malloc((arrays + head[4]) * sizeof *table);
    take(sizes, arrays * sizeof *sizes);
    int64_t(*places)[2] = malloc(head[4] * sizeof *places + 1);
    take(places, head[4] * sizeof *places);
    for (int64_t i = 0; i < arrays; i++) {
        table[i] = aligned_alloc(64, (sizes[i] + 127) / 64 * 64);
        take(table[i], sizes[i]);
    }
    for (int64_t i = 0; i < head[4]; i++)
        table[arrays + i] = (char *)(places[i][0] < 0 ? NULL : table[places[i][0]]) + places[i][1];
    pthread_t others[MOST_THREADS];
    if (head[3] < 1 || head[3] > MOST_THREADS) return 3;
    for (int64_t thread = 1; thread < head[3]; thread++)
        if (pthread_create(&others[thread], NULL, work, (void *)thread)) return 4;
    work((void *)0);
    for (int64_t thread = 1; thread < head[3]; thread++) pthread_join(others[thread], NULL);
    volatile float tiny = 1e-38f;
    if (tiny * 0.01f == 0) return 6; /* the CPU's mode has not been restored */
    for (int64_t i = 0; i < arrays; i++)
        if (fwrite(table[i], 1, sizes[i], stdout) != (size_t)sizes[i]) return 5;
    return 0;
}
