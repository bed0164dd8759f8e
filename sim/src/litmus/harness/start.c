/* ---- Starting -------------------------------------------------------------------------------- */

static HANDLE gate;
static volatile LONG at_gate, through_gate, noise_over;

/* A thread that is running when the scenario begins: it has what it owns and waits for the
   others. All of them take their first step as close together as the system lets them. */
static void wait_at_gate(void)
{
    InterlockedIncrement(&at_gate);
    WaitForSingleObject(gate, INFINITE);
    InterlockedIncrement(&through_gate);
    while (through_gate < NOW_COUNT)
        SwitchToThread();
}

static HANDLE create_thread(int thread)
{
    HANDLE handle = CreateThread(NULL, 0, threads[thread].entry, NULL, CREATE_SUSPENDED,
                                 &threads[thread].id);
    HANDLE process = GetCurrentProcess();
    if (!handle)
        return fatal("CreateThread");
    DuplicateHandle(process, handle, process, &threads[thread].watch, 0, FALSE,
                    DUPLICATE_SAME_ACCESS);
    threads[thread].handle = handle;
    return handle;
}
