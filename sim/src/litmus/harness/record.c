/* ---- What is recorded ------------------------------------------------------------------- */

/* A packet from a completion port. */
struct packet { ULONG_PTR key, value; DWORD bytes; };

/* What is known of a call that has returned, or of a routine that runs. */
enum known {
    STATUS = 1,         /* what it returned is the status in `number` */
    ERROR_CODE = 2, BYTES = 4, PREVIOUS = 8, KEY = 16, OVERLAPPED_OF = 32, ENTRIES = 64,
    PACKET = 128,       /* value, status and information, as the system service gives them */
    DATA = 256, TIMER = 512,
    SEEN = 1024         /* there is a result */
};

struct result {
    const char *name;   /* what it returned, by name (a routine's own name), or NULL */
    LONGLONG number;    /* what it returned; behind a name, the index of WAIT_OBJECT_0+1 */
    unsigned known;
    DWORD error, status, entry_count;
    ULONG_PTR bytes, key, value;
    LONG previous;
    struct packet entries[ENTRY_MAX];
};

enum kind { STARTED, CALL, RETURN, ENTER, LEAVE, ENDED };

struct event { LONGLONG at; enum kind kind; int step; struct result result; };

/* The events of each thread: written by that thread alone, read when the run is over. */
static struct event events[THREAD_COUNT + 1][RECORD_MAX];
static volatile LONG event_counts[THREAD_COUNT + 1];
static volatile LONG overflow;
/* The last result under each label. */
static struct result last[LABEL_COUNT + 1];
/* Noise: 0 for none, else the state of a random number generator. */
static volatile LONG noise;

/* The number of the calling thread. A thread runs APCs before its entry point, so this cannot
   be something that the thread keeps for itself. */
static int self(void)
{
    DWORD id = GetCurrentThreadId();
    int i;
    for (i = 0; i < THREAD_COUNT && threads[i].id != id; i++) { }
    return i;
}

static void record(enum kind kind, int step, const struct result *result)
{
    int thread = self();
    struct event *event;
    LARGE_INTEGER now;
    LONG count;

    if (event_counts[thread] >= RECORD_MAX) {
        overflow = 1;
        SuspendThread(GetCurrentThread());
        return;
    }
    /* The place is taken first: a special user APC can interrupt this. */
    count = event_counts[thread]++;
    event = &events[thread][count];
    event->kind = kind;
    event->step = step;
    if (result)
        event->result = *result;
    QueryPerformanceCounter(&now);
    event->at = now.QuadPart;
}

static unsigned random_below(unsigned bound)
{
    LONG next = noise * 1103515245 + 12345;
    noise = next ? next : 1;
    return ((unsigned)next >> 16) % bound;
}

/* Random yields and delays. */
static void make_noise(void)
{
    volatile int spin;
    switch (random_below(6)) {
    case 0: SwitchToThread(); break;
    case 1: Sleep(0); break;
    case 2: for (spin = (int)random_below(20000); spin > 0; spin--) { } break;
    default: break;
    }
}

/* A step's call is about to be made. */
static void call(int step)
{
    if (noise)
        make_noise();
    record(CALL, step, NULL);
}

/* A step's call has returned. */
static struct result ret(int step, struct result result)
{
    record(RETURN, step, &result);
    if (steps[step].label >= 0) {
        last[steps[step].label] = result;
        last[steps[step].label].known |= SEEN;
    }
    if (noise)
        make_noise();
    return result;
}

/* ---- Results, under the names of the headers --------------------------------------------- */

static struct result named(const char *name)
{
    struct result result;
    memset(&result, 0, sizeof(result));
    result.name = name;
    return result;
}

static struct result number(LONGLONG number)
{
    struct result result = named(NULL);
    result.number = number;
    return result;
}

static struct result failed(struct result result, DWORD error)
{
    result.known |= ERROR_CODE;
    result.error = error;
    return result;
}

static struct result boolean(BOOL good)
{
    DWORD error = GetLastError();
    return good ? named("TRUE") : failed(named("FALSE"), error);
}

static struct result nt_status(LONG status)
{
    struct result result = number((DWORD)status);
    result.known = STATUS;
    return result;
}

static struct result waited(DWORD value)
{
    DWORD error = GetLastError();
    struct result result;
    if (value == WAIT_FAILED)
        return failed(named("WAIT_FAILED"), error);
    if (value == WAIT_TIMEOUT)
        return named("WAIT_TIMEOUT");
    if (value == WAIT_IO_COMPLETION)
        return named("WAIT_IO_COMPLETION");
    result = named(value < WAIT_ABANDONED_0 ? "WAIT_OBJECT_0" : "WAIT_ABANDONED_0");
    result.number = value < WAIT_ABANDONED_0 ? value : value - WAIT_ABANDONED_0;
    return result;
}

static struct result slept(DWORD value)
{
    return value == WAIT_IO_COMPLETION ? named("WAIT_IO_COMPLETION") : number(value);
}

static struct result suspend_count(DWORD value)
{
    DWORD error = GetLastError();
    return value == (DWORD)-1 ? failed(number(-1), error) : number(value);
}

/* ---- Routines ---------------------------------------------------------------------------- */

/* Runs a routine's steps between the records of its entry and its exit. */
static void run(void (*steps_of_routine)(void), struct result entry)
{
    record(ENTER, 0, &entry);
    steps_of_routine();
    record(LEAVE, 0, &entry);
}

/* A routine's entry: that of a user APC, with its data; of a timer; of a request. */
static struct result apc_entry(const char *routine, ULONG_PTR data)
{
    struct result entry = named(routine);
    entry.known = DATA;
    entry.number = (LONGLONG)data;
    return entry;
}

static struct result timer_entry(const char *routine, const void *timer)
{
    struct result entry = named(routine);
    entry.known = TIMER;
    entry.value = (ULONG_PTR)timer;
    return entry;
}

static struct result io_entry(const char *routine, DWORD error, ULONG_PTR bytes,
                              const void *overlapped)
{
    struct result entry = failed(named(routine), error);
    entry.known |= BYTES | OVERLAPPED_OF;
    entry.bytes = bytes;
    entry.value = (ULONG_PTR)overlapped;
    return entry;
}

/* Virtual milliseconds in real ones. */
static DWORD ms(double virtual_ms)
{
    double real = virtual_ms * scale + 0.5;
    return real < 4294967294.0 ? (DWORD)real : 0xFFFFFFFE;
}
