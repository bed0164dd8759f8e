/* ---- The observation, as one line of JSON --------------------------------------------------- */

static void put_code(FILE *out, const struct name *names, DWORD value, const char *format)
{
    for (; names->name; names++) {
        if (names->value == value) {
            fprintf(out, "\"%s\"", names->name);
            return;
        }
    }
    fprintf(out, format, value);
}

static void put_error(FILE *out, DWORD error)
{
    put_code(out, error_names, error, "\"%lu\"");
}

static void put_status(FILE *out, DWORD status)
{
    put_code(out, status_names, status, "\"0x%08lX\"");
}

static const char *block_name(ULONG_PTR address)
{
    int i;
    for (i = 0; blocks[i].name; i++)
        if ((ULONG_PTR)blocks[i].block == address)
            return blocks[i].name;
    return NULL;
}

/* The name of an OVERLAPPED, or null. */
static void put_block(FILE *out, ULONG_PTR address)
{
    const char *name = block_name(address);
    if (name)
        fprintf(out, "\"%s\"", name);
    else if (address)
        fprintf(out, "\"unknown\"");
    else
        fprintf(out, "null");
}

static void put_returned(FILE *out, const struct result *result)
{
    if (result->known & STATUS)
        put_status(out, (DWORD)result->number);
    else if (result->name && result->number)
        fprintf(out, "\"%s+%d\"", result->name, (int)result->number);
    else if (result->name)
        fprintf(out, "\"%s\"", result->name);
    else
        fprintf(out, "%d", (int)result->number);
}

static void put_entries(FILE *out, const struct result *result)
{
    DWORD i;
    fprintf(out, ",\"entries\":[");
    for (i = 0; i < result->entry_count; i++) {
        const struct packet *entry = &result->entries[i];
        fprintf(out, "%s{\"key\":%llu,\"bytes\":%lu,\"overlapped\":", i ? "," : "",
                (ULONGLONG)entry->key, entry->bytes);
        put_block(out, entry->value);
        fprintf(out, "}");
    }
    fprintf(out, "]");
}

static void put_result(FILE *out, const struct result *result)
{
    fprintf(out, "\"ret\":");
    put_returned(out, result);
    if (result->known & ERROR_CODE) {
        fprintf(out, ",\"error\":");
        put_error(out, result->error);
    }
    if (result->known & BYTES)
        fprintf(out, ",\"bytes\":%llu", (ULONGLONG)result->bytes);
    if (result->known & PREVIOUS)
        fprintf(out, ",\"previous\":%ld", result->previous);
    if (result->known & KEY)
        fprintf(out, ",\"key\":%llu", (ULONGLONG)result->key);
    if (result->known & OVERLAPPED_OF) {
        fprintf(out, ",\"overlapped\":");
        put_block(out, result->value);
    }
    if (result->known & ENTRIES)
        put_entries(out, result);
    if (result->known & PACKET) {
        fprintf(out, ",\"value\":");
        if (block_name(result->value))
            put_block(out, result->value);
        else
            fprintf(out, "%lld", (LONGLONG)result->value);
        fprintf(out, ",\"status\":");
        put_status(out, result->status);
        fprintf(out, ",\"information\":%llu", (ULONGLONG)result->bytes);
    }
}

/* A routine that ran. */
static void put_entry(FILE *out, const struct result *entry)
{
    fprintf(out, "\"routine\":\"%s\"", entry->name);
    if (entry->known & DATA)
        fprintf(out, ",\"data\":%llu", (ULONGLONG)entry->number);
    if (entry->known & ERROR_CODE) {
        fprintf(out, ",\"error\":");
        put_error(out, entry->error);
    }
    if (entry->known & BYTES)
        fprintf(out, ",\"bytes\":%llu", (ULONGLONG)entry->bytes);
    if (entry->known & OVERLAPPED_OF) {
        fprintf(out, ",\"overlapped\":");
        put_block(out, entry->value);
    }
    if (entry->known & TIMER)
        fprintf(out, ",\"timer\":\"%s\"", (const char *)entry->value);
}

/* All events in the order of their times. Each thread's own order is kept; of events with one
   time, those that begin something come first, since nothing tells that they came later. */
static LONG cursors[THREAD_COUNT + 1];

static const struct event *next_event(int *thread)
{
    const struct event *best = NULL;
    int i;
    for (i = 0; i <= THREAD_COUNT; i++) {
        const struct event *head = &events[i][cursors[i]];
        if (cursors[i] == event_counts[i])
            continue;
        if (!best || head->at < best->at
            || (head->at == best->at && (head->kind == CALL || head->kind == ENTER)
                && best->kind != CALL && best->kind != ENTER)) {
            best = head;
            *thread = i;
        }
    }
    if (best)
        cursors[*thread]++;
    return best;
}

static void put_labels(FILE *out)
{
    const struct event *event;
    int label, thread, labels = 0;
    for (label = 0; label < LABEL_COUNT; label++) {
        int results = 0;
        memset(cursors, 0, sizeof(cursors));
        while ((event = next_event(&thread)) != NULL) {
            if (event->kind != RETURN || steps[event->step].label != label)
                continue;
            if (results++ == 0)
                fprintf(out, "%s\"%s\":[", labels++ ? "," : "", label_names[label]);
            else
                fprintf(out, ",");
            fprintf(out, "{");
            put_result(out, &event->result);
            fprintf(out, "}");
        }
        if (results)
            fprintf(out, "]");
    }
}

static void put_routines(FILE *out)
{
    int thread, shown = 0;
    LONG i;
    for (thread = 0; thread < THREAD_COUNT; thread++) {
        int entries = 0;
        for (i = 0; i < event_counts[thread]; i++) {
            const struct event *event = &events[thread][i];
            if (event->kind != ENTER)
                continue;
            if (entries++ == 0)
                fprintf(out, "%s\"%s\":[", shown++ ? "," : "", threads[thread].name);
            else
                fprintf(out, ",");
            fprintf(out, "{");
            put_entry(out, &event->result);
            fprintf(out, "}");
        }
        if (entries)
            fprintf(out, "]");
    }
}

/* Requests that are pending when every thread has ended are over when the process ends: nobody
   can see from within it how. */
static void put_blocks(FILE *out, BOOL finished)
{
    int i, shown = 0;
    for (i = 0; blocks[i].name; i++) {
        const OVERLAPPED *block = blocks[i].block;
        DWORD status = (DWORD)block->Internal;
        if (finished && status == STATUS_PENDING)
            continue;
        if (!blocks[i].is_overlapped && status == 0xCCCCCCCC)
            continue;
        fprintf(out, "%s\"%s\":{\"status\":", shown++ ? "," : "", blocks[i].name);
        put_status(out, status);
        fprintf(out, ",\"bytes\":%llu}", (ULONGLONG)block->InternalHigh);
    }
}

static BOOL has_ended(int thread)
{
    HANDLE handle = threads[thread].watch;
    return handle && WaitForSingleObject(handle, 0) == WAIT_OBJECT_0;
}

/* Whether a thread has begun: one that was created suspended, or not at all, has not. */
static BOOL has_begun(int thread)
{
    return threads[thread].is_released || event_counts[thread] > 0;
}

static void put_ends(FILE *out, BOOL finished)
{
    int thread, shown = 0;
    fprintf(out, "\"blocked\":[");
    for (thread = 0; !overflow && thread < THREAD_COUNT; thread++)
        if (has_begun(thread) && !has_ended(thread))
            fprintf(out, "%s\"%s\"", shown++ ? "," : "", threads[thread].name);
    fprintf(out, "],\"overlapped\":{");
    put_blocks(out, finished);
    fprintf(out, "},\"exits\":{");
    for (thread = 0, shown = 0; thread < THREAD_COUNT; thread++) {
        DWORD code = 0;
        if (!has_ended(thread) || !GetExitCodeThread(threads[thread].watch, &code))
            continue;
        fprintf(out, "%s\"%s\":%lu", shown++ ? "," : "", threads[thread].name, code);
    }
    fprintf(out, "}");
}

/* Which system this is; in a trace, also how long a virtual millisecond was on it. */
static void put_source(FILE *out, BOOL with_scale)
{
    HMODULE ntdll = GetModuleHandleA("ntdll.dll");
    const char *(CDECL *wine)(void) = (void *)GetProcAddress(ntdll, "wine_get_version");
    LONG (NTAPI *version)(OSVERSIONINFOW *) = (void *)GetProcAddress(ntdll, "RtlGetVersion");
    OSVERSIONINFOW info;
    memset(&info, 0, sizeof(info));
    info.dwOSVersionInfoSize = sizeof(info);
    if (wine)
        fprintf(out, "{\"system\":\"wine\",\"version\":\"%s\"", wine());
    else if (version && version(&info) == 0)
        fprintf(out, "{\"system\":\"windows\",\"version\":\"%lu.%lu.%lu\"", info.dwMajorVersion,
                info.dwMinorVersion, info.dwBuildNumber);
    else
        fprintf(out, "{\"system\":\"windows\"");
    if (with_scale)
        fprintf(out, ",\"scale\":%g", scale);
    fprintf(out, "}");
}

static void put_observation(FILE *out, BOOL finished)
{
    fprintf(out, "{\"alertable\":1,\"kind\":\"observation\",\"end\":\"%s\",\"labels\":{",
            overflow ? "limit" : finished ? "finished" : "blocked");
    put_labels(out);
    fprintf(out, "},\"apcs\":{");
    put_routines(out);
    fprintf(out, "},");
    put_ends(out, finished);
    fprintf(out, ",\"scenario\":\"%s\",\"source\":", title);
    put_source(out, FALSE);
    fprintf(out, ",\"count\":1}\n");
}

/* ---- The trace: every call and return, every routine's entry and exit ------------------------ */

static void put_event(FILE *out, const struct event *event, int thread, LONG n, LONGLONG time,
                      LONG *calls, int *depth)
{
    fprintf(out, "{\"n\":%ld,\"t\":%lld,\"thread\":\"%s\",\"ev\":", n, time,
            threads[thread].name);
    switch (event->kind) {
    case STARTED:
        fprintf(out, "\"thread\",\"what\":\"started\"");
        break;
    case ENDED:
        fprintf(out, "\"thread\",\"what\":\"terminated\"");
        break;
    case CALL:
        fprintf(out, "\"call\",%s", steps[event->step].json);
        calls[(*depth)++] = n;
        break;
    case RETURN:
        fprintf(out, "\"return\",\"of\":%ld,", calls[--(*depth)]);
        put_result(out, &event->result);
        break;
    case ENTER:
    case LEAVE:
        fprintf(out, event->kind == ENTER ? "\"apc\"," : "\"apc-return\",");
        put_entry(out, &event->result);
        break;
    }
    fprintf(out, "}\n");
}

static void put_trace(FILE *out)
{
    static LONG calls[THREAD_COUNT + 1][RECORD_MAX];
    static int depths[THREAD_COUNT + 1];
    const struct event *event;
    LARGE_INTEGER frequency;
    LONGLONG first = 0;
    LONG n = 0;
    int i, thread;

    QueryPerformanceFrequency(&frequency);
    fprintf(out, "{\"alertable\":1,\"kind\":\"trace\",\"level\":\"api\",\"source\":");
    put_source(out, TRUE);
    fprintf(out, ",\"scenario\":");
    for (i = 0; scenario[i]; i++)
        fputs(scenario[i], out);
    fprintf(out, "}\n");
    memset(cursors, 0, sizeof(cursors));
    memset(depths, 0, sizeof(depths));
    while ((event = next_event(&thread)) != NULL) {
        LONGLONG ticks;
        if (n == 0)
            first = event->at;
        ticks = event->at - first;
        put_event(out, event, thread, n++,
                  ticks / frequency.QuadPart * 1000000000
                      + ticks % frequency.QuadPart * 1000000000 / frequency.QuadPart,
                  calls[thread], &depths[thread]);
    }
}
