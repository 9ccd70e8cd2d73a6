/* repeat TIMES COMMAND...: runs a command again and again with its output thrown away; prints the
   median and the least time from its start to its end, in milliseconds. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    int times = atoi(argv[1]), status;
    double *took = calloc(times, sizeof *took);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    for (int i = 0; i < times; i++) {
        pid_t pid;
        double begin = now();
        if (posix_spawnp(&pid, argv[2], &actions, NULL, argv + 2, environ) != 0) return 127;
        waitpid(pid, &status, 0);
        took[i] = now() - begin;
        if (status != 0) return 1;
    }
    qsort(took, times, sizeof *took, by_size);
    printf("%.4f %.4f\n", took[times / 2], took[0]);
}
