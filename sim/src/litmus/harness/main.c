/* ---- Running it ------------------------------------------------------------------------------ */

static DWORD WINAPI make_heat(void *unused)
{
    volatile unsigned spin = 0;
    (void)unused;
    while (!noise_over)
        if (++spin % 100000 == 0)
            SwitchToThread();
    return 0;
}

/* How much more patience it takes: much, if some thread has no reason to rest. It is between two
   calls, or about to end, and nobody suspends it. */
static DWORD is_busy(void)
{
    int i;
    for (i = 0; i < THREAD_COUNT; i++) {
        LONG count = event_counts[i];
        enum kind kind = count ? events[i][count - 1].kind : STARTED;
        if (!has_begun(i) || has_ended(i) || kind == CALL)
            continue;
        if (kind == ENDED || !HAS_SUSPENSION)
            return 20;
    }
    return 1;
}

/* Ends when every thread has, or when nothing has happened for longer than the longest time-out
   and some patience: whoever has not ended then is blocked for good. */
static BOOL watch(DWORD patience_ms)
{
    DWORD quiet_since = GetTickCount();
    LONG last_count = -1;
    for (;;) {
        LONG count = 0;
        BOOL all_ended = TRUE;
        int i;
        Sleep(1);
        for (i = 0; i < THREAD_COUNT; i++)
            count += event_counts[i];
        if (count != last_count) {
            last_count = count;
            quiet_since = GetTickCount();
            continue;
        }
        for (i = 0; i < THREAD_COUNT && all_ended; i++)
            all_ended = has_ended(i) || !has_begun(i);
        if (all_ended && GetTickCount() - quiet_since + 1 > SETTLE_MS)
            return TRUE;
        if (overflow || GetTickCount() - quiet_since > ms(LONGEST_MS) + patience_ms * is_busy())
            return all_ended;
        Sleep(all_ended ? 0 : 2);
    }
}

/* Whether a thread has taken its last step, is not suspended, and does not end: something that the
   scenario knows nothing of holds it up, such as a lock of a thread that was ended inside the
   system's own code. What such a round shows says nothing about the system's rules. */
static BOOL is_held_up(void)
{
    int i;
    for (i = 0; i < THREAD_COUNT; i++) {
        LONG count = event_counts[i];
        if (!has_begun(i) || has_ended(i) || !count || events[i][count - 1].kind != ENDED)
            continue;
        if (SuspendThread(threads[i].watch) == 0)
            return TRUE;
    }
    return FALSE;
}

static BOOL run_round(DWORD patience_ms)
{
    HANDLE heat[2];
    BOOL finished;
    int i;

    memset((void *)event_counts, 0, sizeof(event_counts));
    memset(last, 0, sizeof(last));
    overflow = at_gate = through_gate = noise_over = 0;
    gate = CreateEventA(NULL, TRUE, FALSE, NULL);
    for (i = 0; i < THREAD_COUNT; i++) {
        threads[i].handle = threads[i].watch = NULL;
        threads[i].id = 0;
        threads[i].is_released = threads[i].start == NOW;
        if (threads[i].start != LATER)
            create_thread(i);
    }
    create_objects();
    for (i = 0; i < THREAD_COUNT; i++)
        if (threads[i].start == NOW)
            ResumeThread(threads[i].handle);
    while (at_gate < NOW_COUNT)
        Sleep(0);
    for (i = 0; noise && i < 2; i++)
        heat[i] = random_below(2) ? CreateThread(NULL, 0, make_heat, NULL, 0, NULL) : NULL;
    if (noise && random_below(3) == 0)
        SetProcessAffinityMask(GetCurrentProcess(), 1);
    SetEvent(gate);
    finished = watch(patience_ms);
    noise_over = 1;
    for (i = 0; noise && i < 2; i++) {
        if (heat[i]) {
            WaitForSingleObject(heat[i], INFINITE);
            CloseHandle(heat[i]);
        }
    }
    return finished;
}

static void end_round(void)
{
    int i;
    close_objects();
    for (i = 0; i < THREAD_COUNT; i++) {
        if (threads[i].handle && threads[i].handle != CLOSED)
            CloseHandle(threads[i].handle);
        if (threads[i].watch)
            CloseHandle(threads[i].watch);
    }
    CloseHandle(gate);
}

/* Options: --rounds N, --scale X, --patience MS, --stress SEED, --trace FILE. After a round that
   leaves something behind there is no other. The status is EXIT_HELD_UP if the last round says
   nothing and was not printed. */
int main(int argc, char **argv)
{
    DWORD rounds = 1, patience_ms = 500;
    const char *trace = NULL;
    int i;

    for (i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--rounds"))
            rounds = strtoul(argv[i + 1], NULL, 10);
        else if (!strcmp(argv[i], "--scale"))
            scale = strtod(argv[i + 1], NULL);
        else if (!strcmp(argv[i], "--patience"))
            patience_ms = strtoul(argv[i + 1], NULL, 10);
        else if (!strcmp(argv[i], "--stress"))
            noise = (LONG)strtoul(argv[i + 1], NULL, 10) | 1;
        else if (!strcmp(argv[i], "--trace"))
            trace = argv[i + 1];
    }
    prepare();
    while (rounds-- > 0) {
        BOOL finished = run_round(patience_ms);
        if (!finished && is_held_up()) {
            fprintf(stderr, "a thread is held up by something else than the scenario\n");
            fflush(NULL);
            TerminateProcess(GetCurrentProcess(), EXIT_HELD_UP);
        }
        put_observation(stdout, finished);
        fflush(stdout);
        if (trace) {
            FILE *out = fopen(trace, "wb");
            if (!out)
                fatal("writing the trace");
            put_trace(out);
            fclose(out);
        }
        if (!finished)
            break;
        end_round();
    }
    /* Threads that are blocked cannot be asked to end. */
    TerminateProcess(GetCurrentProcess(), 0);
    return 0;
}
