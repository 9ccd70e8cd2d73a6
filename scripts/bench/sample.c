/* sample FILE [TIMES]: reads the files under /proc that fleet-metrics reads of the same processes and of
   the host, parses what it needs and prints it. A line of FILE is `PID` for a member of a tree,
   `+PID` for one of several, whose proportional size is read too, `-PID` for a supervisor, of which
   only the place in the tree is looked up, and the count of its run's output. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static char text[65536];

static const char *slurp(int dir, const char *path) {
    int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    text[n < 0 ? 0 : n] = 0;
    return text;
}

static unsigned long value(const char *in, const char *name) {
    const char *found = strstr(in, name);
    return found ? strtoul(found + strlen(name), NULL, 10) : 0;
}

static int sockets(int dir) {
    int fd = openat(dir, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC), found = 0;
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    char link[64];
    while (entries && (entry = readdir(entries))) {
        ssize_t n = readlinkat(fd, entry->d_name, link, sizeof link);
        found += n > 8 && !memcmp(link, "socket:[", 8);
    }
    if (entries) closedir(entries);
    return found;
}

static void tally(int dir) {
    unsigned long words[5];
    char link[64];
    if (readlinkat(dir, "fd/60", link, sizeof link) < 0) return;
    int fd = openat(dir, "fd/60", O_RDONLY | O_CLOEXEC);
    if (pread(fd, words, sizeof words, 4096 - sizeof words) == sizeof words)
        printf("{\"bytes\":%lu,\"lines\":%lu}\n", words[1], words[2]);
    close(fd);
}

static void one(int pid, char kind) {
    char path[64];
    unsigned long minor = 0, major = 0, utime = 0, stime = 0;
    struct stat fds = {0};
    struct rlimit limit = {0};
    snprintf(path, sizeof path, "/proc/%d", pid);
    int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    const char *rest = strrchr(slurp(dir, "stat"), ')');
    if (rest)
        sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %lu %*u %lu %*u %lu %lu", &minor, &major,
               &utime, &stime);
    snprintf(path, sizeof path, "task/%d/children", pid);
    slurp(dir, path);
    if (kind == '-') {
        tally(dir);
    } else {
        unsigned long read_bytes = value(slurp(dir, "io"), "\nread_bytes: ");
        unsigned long resident = value(slurp(dir, "status"), "\nVmRSS:");
        unsigned long peak = value(text, "\nVmHWM:"), switches = value(text, "\nvoluntary_ctxt_switches:");
        fstatat(dir, "fd", &fds, 0);
        prlimit(pid, RLIMIT_NOFILE, NULL, &limit);
        int open_sockets = sockets(dir);
        unsigned long pss = kind == '+' ? value(slurp(dir, "smaps_rollup"), "\nPss:") : 0;
        printf("{\"pid\":%d,\"cpu\":%lu,\"faults\":%lu,\"resident\":%lu,\"peak\":%lu,\"pss\":%lu,"
               "\"read\":%lu,\"fds\":%ld,\"limit\":%lu,\"sockets\":%d,\"switches\":%lu}\n",
               pid, utime + stime, minor + major, resident, peak, pss, read_bytes,
               (long)fds.st_size, (unsigned long)limit.rlim_cur, open_sockets, switches);
    }
    close(dir);
}

static void all(const char *file) {
    static const char *const host[] = {
        "/proc/stat", "/proc/meminfo", "/proc/loadavg", "/proc/sys/kernel/hostname",
        "/proc/pressure/cpu", "/proc/pressure/memory", "/proc/pressure/io",
        "/proc/self/mountinfo", "/proc/diskstats", "/proc/self/net/dev",
    };
    FILE *list = fopen(file, "r");
    struct statvfs space;
    char line[32];
    if (!list) exit(2);
    for (unsigned at = 0; at < sizeof host / sizeof *host; at++) slurp(AT_FDCWD, host[at]);
    if (!statvfs("/", &space)) printf("{\"free\":%lu}\n", (unsigned long)space.f_bavail);
    while (fgets(line, sizeof line, list)) {
        char kind = line[0] == '-' || line[0] == '+' ? line[0] : ' ';
        one(atoi(line + (kind != ' ')), kind);
    }
    fclose(list);
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    for (int times = argc > 2 ? atoi(argv[2]) : 1; times > 0; times--) all(argv[1]);
}
