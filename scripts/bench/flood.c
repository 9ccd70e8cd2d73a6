/* flood MEGABYTES LINE_BYTES WRITE_BYTES FILE [bar]: prints lines as fast as they are taken, a write(2)
   for every WRITE_BYTES, puts the seconds that took into FILE and then does nothing until it is ended.
   With `bar` the lines are states of a progress bar: a carriage return ends each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void all(const char *bytes, size_t left) {
    while (left > 0) {
        ssize_t n = write(1, bytes, left);
        if (n <= 0) _exit(1);
        bytes += n;
        left -= n;
    }
}

int main(int argc, char **argv) {
    if (argc < 5) return 2;
    long long total = atoll(argv[1]) * 1000000;
    size_t line = atol(argv[2]), size = atol(argv[3]) / line * line;
    char *block = malloc(size), part[4096];
    memset(block, 'x', size);
    for (size_t i = line; i <= size; i += line) block[i - 1] = argc > 5 ? '\r' : '\n';
    double begin = now();
    for (long long done = 0; done < total; done += size) all(block, size);
    double seconds = now() - begin;
    snprintf(part, sizeof part, "%s.part", argv[4]);
    FILE *file = fopen(part, "w");
    fprintf(file, "%.6f\n", seconds);
    fclose(file);
    rename(part, argv[4]);
    for (;;) pause();
}
