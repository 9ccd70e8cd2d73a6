/* A stand-in for libnvidia-ml.so.1: GPUs as a text file says, which is read anew at every call, so
   that a test changes the load, breaks a call or takes a GPU away while tools run. Numbers from
   here prove how answers are read and how faults are borne, and nothing about a GPU.

   The file is $FLEET_STANDIN_GPUS; a line is one of

     gpu IDX UTIL% MEMUTIL% TOTAL_MIB USED_MIB CELSIUS MILLIWATTS NAME...
     instance IDX NUMBER TOTAL_MIB USED_MIB NAME...   a MIG instance; needs `set IDX mig 1`
     proc IDX PID USED_MIB SM% [c|g|m [NUMBER]]       compute, graphics, MPS; in that instance;
                                                      USED_MIB -1 is "not available"
     sample IDX PID SM% AGE_MS                        one more sample of process utilisation
     set IDX KEY VALUE                                see the calls of value() below
     fault CALL IDX CODE                              CALL returns CODE; IDX -1 is any GPU;
                                                      7 of a list: it grows at every call;
                                                      an instance is IDX + 100 * (NUMBER + 1)
     block CALL IDX                                   CALL never returns
     crash CALL IDX                                   CALL kills its process

   What is not set is not supported. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
typedef unsigned u32;
typedef unsigned long long u64;

enum { OK = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7,
       NOT_LOADED = 9, TIMEOUT = 10, WRONG_VERSION = 25 };
enum { GPUS = 16, INSTANCES = 8, PROCESSES = 512, SETTINGS = 256 };

/* A handle: a GPU, or with `instance` >= 0 an instance of it. */
typedef struct handle { int gpu, instance; } *Handle;
static struct handle gpus[GPUS], instances[GPUS][INSTANCES];
static int initialized;
static u64 xids_told[GPUS];

struct memory { u64 total, used; char name[96]; int there; };
static struct state {
    struct gpu {
        struct memory memory;
        u32 busy, memory_busy, celsius, milliwatts;
        struct memory instances[INSTANCES];
    } gpus[GPUS];
    struct process { int gpu, instance; u32 pid, sm; long long mib; char kind; } processes[PROCESSES];
    struct sample { int gpu; u32 pid, sm; long long age_ms; } samples[PROCESSES];
    struct setting { int gpu; char key[32]; u64 value; } settings[SETTINGS];
    int process_count, sample_count, setting_count;
} empty;

static void read_line(struct state *s, const char *line)
{
    int gpu, n, end = 0;
    u32 a, b, c, d;
    u64 total, used;
    long long mib;
    char kind = 'c', key[32];
    if (sscanf(line, "gpu %d %u %u %llu %llu %u %u %n", &gpu, &a, &b, &total, &used, &c, &d, &end) >= 7) {
        if (gpu < 0 || gpu >= GPUS) return;
        struct gpu *g = &s->gpus[gpu];
        g->busy = a, g->memory_busy = b, g->celsius = c, g->milliwatts = d;
        g->memory.total = total << 20, g->memory.used = used << 20, g->memory.there = 1;
        snprintf(g->memory.name, sizeof g->memory.name, "%s", line + end);
    } else if (sscanf(line, "instance %d %d %llu %llu %n", &gpu, &n, &total, &used, &end) >= 4) {
        if (gpu < 0 || gpu >= GPUS || n < 0 || n >= INSTANCES) return;
        struct memory *m = &s->gpus[gpu].instances[n];
        m->total = total << 20, m->used = used << 20, m->there = 1;
        snprintf(m->name, sizeof m->name, "%s", line + end);
    } else if (n = -1, sscanf(line, "proc %d %u %lld %u %c %d", &gpu, &a, &mib, &b, &kind, &n) >= 4) {
        if (s->process_count < PROCESSES)
            s->processes[s->process_count++] = (struct process){ gpu, n, a, b, mib, kind };
    } else if (sscanf(line, "sample %d %u %u %lld", &gpu, &a, &b, &mib) == 4) {
        if (s->sample_count < PROCESSES)
            s->samples[s->sample_count++] = (struct sample){ gpu, a, b, mib };
    } else if (sscanf(line, "set %d %31s %llu", &gpu, key, &used) == 3) {
        if (s->setting_count == SETTINGS) return;
        struct setting *setting = &s->settings[s->setting_count++];
        setting->gpu = gpu, setting->value = used;
        strcpy(setting->key, key);
    }
}

/* What the file wants of this call instead of an answer, or OK. */
static int meddle(const char *line, const char *call, int gpu)
{
    char name[64];
    int of, code;
    if (sscanf(line, "fault %63s %d %d", name, &of, &code) == 3 && !strcmp(name, call) && (of == -1 || of == gpu))
        return code;
    if (sscanf(line, "block %63s %d", name, &of) == 2 && !strcmp(name, call) && (of == -1 || of == gpu))
        for (;;) pause();
    if (sscanf(line, "crash %63s %d", name, &of) == 2 && !strcmp(name, call) && (of == -1 || of == gpu))
        abort();
    return OK;
}

static int load(struct state *s, const char *call, int gpu)
{
    const char *path = getenv("FLEET_STANDIN_GPUS");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[512];
    int code = OK;
    *s = empty;
    if (!file) return NOT_LOADED;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        read_line(s, line);
        if (code == OK) code = meddle(line, call, gpu);
    }
    fclose(file);
    return code;
}

/* What `set` says of a GPU, else NOT_SUPPORTED. */
static int value(const struct state *s, int gpu, const char *key, u64 *value)
{
    for (int i = 0; i < s->setting_count; i++)
        if (s->settings[i].gpu == gpu && !strcmp(s->settings[i].key, key)) {
            *value = s->settings[i].value;
            return OK;
        }
    return NOT_SUPPORTED;
}

static int value32(const struct state *s, int gpu, const char *key, u32 *out)
{
    u64 wide;
    int code = value(s, gpu, key, &wide);
    if (code == OK) *out = (u32)wide;
    return code;
}

static int text(char *out, u32 size, const char *text)
{
    if (strlen(text) + 1 > size) return TOO_SMALL;
    strcpy(out, text);
    return OK;
}

/* The number by which a line can break the calls to a handle alone. */
static int number(Handle handle) { return handle->gpu + 100 * (handle->instance + 1); }

/* The head of a call: of the system, of a GPU or an instance. */
#define SYSTEM \
    struct state s; \
    if (!initialized) return UNINITIALIZED; \
    int code = load(&s, __func__, -1); \
    if (code) return code
#define DEVICE \
    struct state s; \
    if (!initialized) return UNINITIALIZED; \
    if (!handle) return INVALID; \
    int gpu = handle->gpu, code = load(&s, __func__, number(handle)); \
    if (code) return code; \
    if (!s.gpus[gpu].memory.there) return INVALID; \
    const struct memory *memory = handle->instance < 0 ? &s.gpus[gpu].memory : &s.gpus[gpu].instances[handle->instance]; \
    if (!memory->there) return INVALID

/* The same of a call that fills a list: too small is what it says with how much is needed, and the
   next time again, as a list that grows all the time. */
#define LIST(count) \
    struct state s; \
    if (!initialized) return UNINITIALIZED; \
    if (!handle) return INVALID; \
    int gpu = handle->gpu, code = load(&s, __func__, number(handle)); \
    if (code == TOO_SMALL) *(count) += 3; \
    if (code) return code; \
    if (!s.gpus[gpu].memory.there) return INVALID

EXPORT int nvmlInit_v2(void)
{
    struct state s;
    int code = load(&s, __func__, -1);
    if (code) return code;
    for (int i = 0; i < GPUS; i++) {
        gpus[i] = (struct handle){ i, -1 };
        for (int n = 0; n < INSTANCES; n++) instances[i][n] = (struct handle){ i, n };
    }
    initialized++;
    return OK;
}

/* What Python's binding begins with. */
EXPORT int nvmlInitWithFlags(u32 flags) { (void)flags; return nvmlInit_v2(); }

EXPORT int nvmlShutdown(void) { if (!initialized) return UNINITIALIZED; initialized--; return OK; }
EXPORT const char *nvmlErrorString(int code) { return code == OK ? "Success" : "stand-in error"; }
EXPORT int nvmlSystemGetDriverVersion(char *out, u32 size) { SYSTEM; return text(out, size, "550.54.15"); }
EXPORT int nvmlSystemGetNVMLVersion(char *out, u32 size) { SYSTEM; return text(out, size, "12.550.54.15"); }
EXPORT int nvmlSystemGetCudaDriverVersion_v2(int *out) { SYSTEM; *out = 12040; return OK; }

EXPORT int nvmlDeviceGetCount_v2(u32 *out)
{
    SYSTEM;
    *out = 0;
    for (int i = 0; i < GPUS; i++) *out += s.gpus[i].memory.there;
    return OK;
}

/* Indices are dense: of the GPUs that are there. */
EXPORT int nvmlDeviceGetHandleByIndex_v2(u32 index, Handle *out)
{
    SYSTEM;
    for (int i = 0; i < GPUS; i++)
        if (s.gpus[i].memory.there && index-- == 0) {
            int wanted = load(&s, __func__, i);
            *out = &gpus[i];
            return wanted;
        }
    return INVALID;
}

EXPORT int nvmlDeviceGetName(Handle handle, char *out, u32 size) { DEVICE; return text(out, size, memory->name); }

EXPORT int nvmlDeviceGetUUID(Handle handle, char *out, u32 size)
{
    DEVICE;
    char uuid[64];
    if (handle->instance < 0) snprintf(uuid, sizeof uuid, "GPU-fa4e0000-0000-0000-0000-%012d", gpu);
    else snprintf(uuid, sizeof uuid, "MIG-fa4e0000-0000-0000-%04d-%012d", handle->instance, gpu);
    return text(out, size, uuid);
}

struct pci { char legacy[16]; u32 domain, bus, device, id, subsystem; char bus_id[32]; };
EXPORT int nvmlDeviceGetPciInfo_v3(Handle handle, struct pci *out)
{
    DEVICE;
    memset(out, 0, sizeof *out);
    out->bus = gpu + 1;
    snprintf(out->bus_id, sizeof out->bus_id, "00000000:%02X:00.0", gpu + 1);
    snprintf(out->legacy, sizeof out->legacy, "0000:%02X:00.0", gpu + 1);
    return OK;
}

struct rates { u32 gpu, memory; };
EXPORT int nvmlDeviceGetUtilizationRates(Handle handle, struct rates *out)
{
    DEVICE;
    if (handle->instance >= 0) return NOT_SUPPORTED;
    *out = (struct rates){ s.gpus[gpu].busy, s.gpus[gpu].memory_busy };
    return OK;
}

struct memory_v2 { u32 version; u64 total, reserved, free, used; };
EXPORT int nvmlDeviceGetMemoryInfo_v2(Handle handle, struct memory_v2 *out)
{
    DEVICE;
    if (out->version != (sizeof *out | 2u << 24)) return WRONG_VERSION;
    u64 reserved_mib = 0;
    value(&s, gpu, "reserved_mib", &reserved_mib);
    out->total = memory->total, out->used = memory->used, out->reserved = reserved_mib << 20;
    out->free = out->total - out->used - out->reserved;
    return OK;
}

EXPORT int nvmlDeviceGetTemperature(Handle handle, u32 sensor, u32 *out) { DEVICE; (void)sensor; *out = s.gpus[gpu].celsius; return OK; }
EXPORT int nvmlDeviceGetPowerUsage(Handle handle, u32 *out) { DEVICE; *out = s.gpus[gpu].milliwatts; return OK; }
EXPORT int nvmlDeviceGetEnforcedPowerLimit(Handle handle, u32 *out) { DEVICE; return value32(&s, gpu, "limit_mw", out); }
EXPORT int nvmlDeviceGetTotalEnergyConsumption(Handle handle, u64 *out) { DEVICE; return value(&s, gpu, "energy_mj", out); }
EXPORT int nvmlDeviceGetClockInfo(Handle handle, u32 clock, u32 *out) { DEVICE; return value32(&s, gpu, clock == 2 ? "mem_mhz" : "sm_mhz", out); }
EXPORT int nvmlDeviceGetMaxClockInfo(Handle handle, u32 clock, u32 *out) { DEVICE; return value32(&s, gpu, clock == 2 ? "mem_max_mhz" : "sm_max_mhz", out); }
EXPORT int nvmlDeviceGetCurrentClocksThrottleReasons(Handle handle, u64 *out) { DEVICE; return value(&s, gpu, "throttle", out); }
EXPORT int nvmlDeviceGetTotalEccErrors(Handle handle, u32 type, u32 counter, u64 *out) { DEVICE; (void)counter; return value(&s, gpu, type ? "ecc_uncorrected" : "ecc_corrected", out); }
EXPORT int nvmlDeviceGetFanSpeed_v2(Handle handle, u32 fan, u32 *out) { DEVICE; (void)fan; return value32(&s, gpu, "fan", out); }
EXPORT int nvmlDeviceGetPcieReplayCounter(Handle handle, u32 *out) { DEVICE; return value32(&s, gpu, "replays", out); }
EXPORT int nvmlDeviceGetNumaNodeId(Handle handle, u32 *out) { DEVICE; return value32(&s, gpu, "numa", out); }
EXPORT int nvmlDeviceGetEncoderUtilization(Handle handle, u32 *out, u32 *period) { DEVICE; *period = 167000; return value32(&s, gpu, "encoder", out); }
EXPORT int nvmlDeviceGetDecoderUtilization(Handle handle, u32 *out, u32 *period) { DEVICE; *period = 167000; return value32(&s, gpu, "decoder", out); }

EXPORT int nvmlDeviceGetMigMode(Handle handle, u32 *current, u32 *pending)
{
    DEVICE;
    code = value32(&s, gpu, "mig", current);
    if (code == OK) *pending = *current;
    return code;
}

EXPORT int nvmlDeviceGetMaxMigDeviceCount(Handle handle, u32 *out) { DEVICE; *out = INSTANCES; return OK; }

EXPORT int nvmlDeviceGetMigDeviceHandleByIndex(Handle handle, u32 index, Handle *out)
{
    DEVICE;
    if (index >= INSTANCES) return INVALID;
    if (!s.gpus[gpu].instances[index].there) return NOT_FOUND;
    *out = &instances[gpu][index];
    return OK;
}

struct process_info { u32 pid; u64 memory; u32 gpu_instance, compute_instance; };
static int processes(const struct state *s, Handle handle, char kind, u32 *count, struct process_info *out)
{
    u32 room = *count, found = 0;
    for (int i = 0; i < s->process_count; i++) {
        const struct process *p = &s->processes[i];
        if (p->gpu != handle->gpu || p->kind != kind) continue;
        if (handle->instance >= 0 && p->instance != handle->instance) continue;
        if (out && found < room)
            out[found] = (struct process_info){ p->pid, p->mib < 0 ? ~0ull : (u64)p->mib << 20,
                p->instance < 0 ? ~0u : (u32)p->instance + 1, p->instance < 0 ? ~0u : 0 };
        found++;
    }
    *count = found;
    return found > room ? TOO_SMALL : OK;
}

EXPORT int nvmlDeviceGetComputeRunningProcesses_v3(Handle handle, u32 *n, struct process_info *out) { LIST(n); return processes(&s, handle, 'c', n, out); }
EXPORT int nvmlDeviceGetGraphicsRunningProcesses_v3(Handle handle, u32 *n, struct process_info *out) { LIST(n); return processes(&s, handle, 'g', n, out); }
EXPORT int nvmlDeviceGetMPSComputeRunningProcesses_v3(Handle handle, u32 *n, struct process_info *out) { LIST(n); return processes(&s, handle, 'm', n, out); }

/* Samples of whoever used the GPU: those of `proc` lines are from now, those of `sample` lines are
   given whatever was seen already, as the driver's buffer does. */
struct utilization { u32 pid; u64 micros; u32 sm, memory, encoder, decoder; };
EXPORT int nvmlDeviceGetProcessUtilization(Handle handle, struct utilization *out, u32 *count, u64 last)
{
    LIST(count);
    struct timespec now;
    u64 mig = 0;
    u32 room = out ? *count : 0, found = 0;
    (void)last;
    value(&s, gpu, "mig", &mig);
    if (mig) return NOT_SUPPORTED;
    clock_gettime(CLOCK_REALTIME, &now);
    u64 micros = now.tv_sec * 1000000ull + now.tv_nsec / 1000;
    for (int i = 0; i < s.sample_count; i++) {
        if (s.samples[i].gpu != gpu) continue;
        if (found < room)
            out[found] = (struct utilization){ .pid = s.samples[i].pid, .micros = micros - s.samples[i].age_ms * 1000, .sm = s.samples[i].sm };
        found++;
    }
    for (int i = 0; i < s.process_count; i++) {
        if (s.processes[i].gpu != gpu || !s.processes[i].sm) continue;
        if (found < room)
            out[found] = (struct utilization){ .pid = s.processes[i].pid, .micros = micros, .sm = s.processes[i].sm };
        found++;
    }
    *count = found;
    if (!found) return NOT_FOUND;
    return found > room ? TOO_SMALL : OK;
}

/* An XID is told once, whenever `xid_count` has grown. */
struct event_set { Handle handle; };
struct event { Handle handle; u64 type, data; u32 gpu_instance, compute_instance; };
EXPORT int nvmlEventSetCreate(struct event_set **out) { SYSTEM; *out = calloc(1, sizeof **out); return *out ? OK : 20; }
EXPORT int nvmlEventSetFree(struct event_set *set) { free(set); return OK; }
EXPORT int nvmlDeviceRegisterEvents(Handle handle, u64 types, struct event_set *set)
{
    DEVICE;
    (void)types;
    code = value(&s, gpu, "xid_count", &xids_told[gpu]);
    if (code) return code;
    set->handle = handle;
    return OK;
}

EXPORT int nvmlEventSetWait_v2(struct event_set *set, struct event *out, u32 milliseconds)
{
    Handle handle = set->handle;
    DEVICE;
    (void)milliseconds;
    u64 count = 0, xid = 0;
    value(&s, gpu, "xid_count", &count);
    value(&s, gpu, "xid", &xid);
    if (count <= xids_told[gpu]) return TIMEOUT;
    xids_told[gpu]++;
    *out = (struct event){ handle, 8, xid, ~0u, ~0u };
    return OK;
}
