/* ---- Calls on objects and threads -------------------------------------------------------- */

/* What a handle's variable holds once the handle is closed: no handle ever, while the old value
   may soon name another object. */
#define CLOSED ((HANDLE)(ULONG_PTR)0x7FFF0000)

/* Handles that are made while the steps run, the system's own too, take the first places that are
   free. Where steps close handles, there are some before all that the scenario has: a step that
   uses a handle just when another thread closes it must not meet a new one in its place. */
static void keep_low_handles(BOOL are_made)
{
    static HANDLE low_handles[64];
    int i;
    for (i = 0; i < 64; i++)
        if (are_made)
            low_handles[i] = CreateEventA(NULL, FALSE, FALSE, NULL);
        else if (low_handles[i])
            CloseHandle(low_handles[i]);
}

static struct result close_handle(HANDLE *handle)
{
    struct result result = boolean(CloseHandle(*handle));
    if (!(result.known & ERROR_CODE))
        *handle = CLOSED;
    return result;
}

static struct result release_semaphore(HANDLE semaphore, LONG count)
{
    LONG previous = 0;
    struct result result = boolean(ReleaseSemaphore(semaphore, count, &previous));
    if (!(result.known & ERROR_CODE)) {
        result.known |= PREVIOUS;
        result.previous = previous;
    }
    return result;
}

static struct result set_timer(HANDLE timer, double due_ms, LONG period_ms,
                               PTIMERAPCROUTINE routine, void *name)
{
    LARGE_INTEGER due;
    LONG period = period_ms > 0 ? (LONG)ms(period_ms) : period_ms;
    due.QuadPart = -(LONGLONG)(due_ms * scale * 10000);
    return boolean(SetWaitableTimer(timer, &due, period, routine, name, FALSE));
}

static struct result duplicate(HANDLE object, HANDLE *handle)
{
    HANDLE process = GetCurrentProcess(), copy = NULL;
    struct result result = boolean(
        DuplicateHandle(process, object, process, &copy, 0, FALSE, DUPLICATE_SAME_ACCESS));
    if (!(result.known & ERROR_CODE))
        *handle = copy;
    return result;
}

/* A thread that was created suspended has begun when its count is 0. */
static struct result resume(int thread)
{
    struct result result = suspend_count(ResumeThread(threads[thread].handle));
    if (result.number == 1)
        threads[thread].is_released = 1;
    return result;
}

static struct result suspend(int thread)
{
    struct result result = suspend_count(SuspendThread(threads[thread].handle));
    if (result.number >= 0 && event_counts[thread] == 0 && threads[thread].start != NOW)
        threads[thread].is_released = 0;
    return result;
}
