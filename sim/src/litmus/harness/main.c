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

static BOOL is_suspended(int thread)
{
    DWORD count = SuspendThread(threads[thread].watch);
    if (count != (DWORD)-1)
        ResumeThread(threads[thread].watch);
    return count != (DWORD)-1 && count > 0;
}

/* The call that a thread is in, or NULL. When a routine is over it can be in the one that the
   routine interrupted. */
static const struct event *open_call(int thread)
{
    LONG i, depth = 0;
    for (i = event_counts[thread] - 1; i >= 0; i--) {
        const struct event *event = &events[thread][i];
        if (event->kind == LEAVE)
            depth++;
        else if (event->kind == ENTER && depth-- == 0)
            return NULL;
        else if (event->kind != ENTER && depth == 0)
            return event->kind == CALL ? event : NULL;
    }
    return NULL;
}

/* Whether some thread has no reason to rest: it is not suspended, and between two calls, in one
   that ends by itself, or about to end. */
static BOOL should_go_on(void)
{
    int i;
    for (i = 0; i < THREAD_COUNT; i++) {
        const struct event *call = open_call(i);
        if (!has_begun(i) || has_ended(i))
            continue;
        if (call && steps[call->step].can_block)
            continue;
        if (!is_suspended(i))
            return TRUE;
    }
    return FALSE;
}

/* FINISHED: every thread has ended. BLOCKED: nothing has happened for longer than the longest
   time-out and some patience, and whoever has not ended has a reason to rest: it is blocked for
   good. HELD_UP: somebody has none and did not go on for much longer. The machine is too busy, or
   a thread was ended inside the system's own code and has left a lock there; what such a round
   shows says nothing about the system's rules. */
enum end { FINISHED, BLOCKED, HELD_UP };

static enum end watch(DWORD patience_ms)
{
    DWORD quiet_since = GetTickCount(), quiet_ms;
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
        quiet_ms = GetTickCount() - quiet_since;
        if (all_ended && quiet_ms + 1 > SETTLE_MS)
            return FINISHED;
        if (overflow)
            return BLOCKED;
        if (!all_ended && quiet_ms > ms(LONGEST_MS) + patience_ms) {
            if (!should_go_on())
                return BLOCKED;
            if (quiet_ms > ms(LONGEST_MS) + patience_ms * 20)
                return HELD_UP;
            Sleep(patience_ms / 4);
        }
        Sleep(all_ended ? 0 : 2);
    }
}

static enum end run_round(DWORD patience_ms)
{
    HANDLE heat[2];
    enum end end;
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
    end = watch(patience_ms);
    noise_over = 1;
    for (i = 0; noise && i < 2; i++) {
        if (heat[i]) {
            WaitForSingleObject(heat[i], INFINITE);
            CloseHandle(heat[i]);
        }
    }
    return end;
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

    (void)number; /* not every scenario has a call that returns one */
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
        enum end end = run_round(patience_ms);
        if (end == HELD_UP) {
            fprintf(stderr, "a thread is held up by something else than the scenario\n");
            fflush(NULL);
            TerminateProcess(GetCurrentProcess(), EXIT_HELD_UP);
        }
        put_observation(stdout, end == FINISHED);
        fflush(stdout);
        if (trace) {
            FILE *out = fopen(trace, "wb");
            if (!out)
                fatal("writing the trace");
            put_trace(out);
            fclose(out);
        }
        if (end != FINISHED)
            break;
        end_round();
    }
    /* Threads that are blocked cannot be asked to end. */
    TerminateProcess(GetCurrentProcess(), 0);
    return 0;
}
