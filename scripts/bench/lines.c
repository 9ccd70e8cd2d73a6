/* lines KIND MEGABYTES FIRST STEP SEED FILE: writes a log as it is kept, a line every STEP nanoseconds
   from FIRST (seconds since 1970) on. KIND is `text`: what services and trainers print, with levels,
   tracebacks of six lines and a rare word; `json`: JSON lines; or `plain`: those without their heads. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static FILE *out;
static long long at, step, written;
static uint64_t state;
static int heads;

/* splitmix64 */
static uint32_t roll(uint32_t below) {
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (uint32_t)((z ^ z >> 31) >> 32) % below;
}

static void digits(char *to, int count, long long value) {
    while (count-- > 0) to[count] = '0' + value % 10, value /= 10;
}

static void line(const char *text) {
    static char head[] = "2026-11-22T06:00:00.000000000Z stdout F ";
    static long long second = -1;
    if (at / 1000000000 != second) {
        time_t now = second = at / 1000000000;
        strftime(head, 20, "%Y-%m-%dT%H:%M:%S", gmtime(&now));
        head[19] = '.';
    }
    digits(head + 20, 9, at % 1000000000);
    if (heads) fputs(head, out), written += sizeof head - 1;
    fputs(text, out);
    putc('\n', out);
    written += strlen(text) + 1;
    at += step;
}

static void text(void) {
    char buffer[256];
    uint32_t kind = roll(10000);
    if (kind < 20) {
        line("Traceback (most recent call last):");
        line("  File \"/srv/app/worker.py\", line 123, in run");
        line("    self.step(batch)");
        line("  File \"/srv/app/model.py\", line 45, in step");
        line("    raise ValueError(f\"bad batch {batch.number}\")");
        snprintf(buffer, sizeof buffer, "ValueError: bad batch %u", roll(100000));
    } else if (kind < 120) {
        snprintf(buffer, sizeof buffer, "2026-11-22 06:00:00,%03u - app.worker - ERROR - request %u failed after %u ms: upstream reset", roll(1000), roll(1000000), roll(5000));
    } else if (kind < 400) {
        snprintf(buffer, sizeof buffer, "2026-11-22 06:00:00,%03u - app.pool - WARNING - queue is %u%% full, %u waiting", roll(1000), roll(100), roll(1000));
    } else if (kind < 401) {
        snprintf(buffer, sizeof buffer, "2026-11-22 06:00:00,%03u - app.store - INFO - checkpoint-quarantined shard=%u", roll(1000), roll(1000));
    } else if (kind < 2000) {
        snprintf(buffer, sizeof buffer, "DEBUG loader: worker %u (pid %u) fetched shard-%05u.tar, 1024 samples in %u.%u ms", roll(16), roll(60000), roll(100000), roll(90), roll(10));
    } else if (kind < 3000) {
        snprintf(buffer, sizeof buffer, "step=%u loss=%u.%04u lr=5e-05 grad_norm=%u.%02u tokens_per_second=%u", roll(100000), roll(3), roll(10000), roll(9), roll(100), roll(90000));
    } else {
        snprintf(buffer, sizeof buffer, "INFO server: 10.%u.%u.%u GET /api/v1/items/%u 200 in %u ms agent=\"Mozilla/5.0\"", roll(256), roll(256), roll(256), roll(1000000), roll(900));
    }
    line(buffer);
}

static void json(void) {
    static const char *levels[] = {"info", "info", "info", "info", "debug", "debug", "warning"};
    char buffer[320];
    const char *level = roll(100) == 0 ? "error" : levels[roll(7)];
    snprintf(buffer, sizeof buffer,
             "{\"ts\":\"2026-11-22T06:00:00.%03uZ\",\"level\":\"%s\",\"logger\":\"app.server\",\"msg\":\"request done\",\"method\":\"GET\",\"path\":\"/api/v1/items/%u\",\"status\":%u,\"duration_ms\":%u.%u,\"user\":{\"id\":%u,\"name\":\"user-%u\"}}",
             roll(1000), level, roll(1000000), 200 + roll(4) * 100, roll(900), roll(10), roll(100000), roll(1000));
    line(buffer);
}

int main(int argc, char **argv) {
    if (argc != 7) return 2;
    long long total = atof(argv[2]) * 1000000;
    heads = strcmp(argv[1], "plain") != 0;
    at = atoll(argv[3]) * 1000000000;
    step = atoll(argv[4]);
    state = strtoull(argv[5], NULL, 10);
    out = fopen(argv[6], "w");
    if (!out) return 1;
    at += roll(step);
    while (written < total) strcmp(argv[1], "text") == 0 ? text() : json();
    return fclose(out) != 0;
}
