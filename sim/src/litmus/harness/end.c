/* ---- Ending ---------------------------------------------------------------------------------- */

static LONG (NTAPI *nt_terminate_thread)(HANDLE, LONG);

static void resolve_end(void)
{
    nt_terminate_thread = (void *)resolve("ntdll.dll", "NtTerminateThread");
}

/* Ends the calling thread as ExitThread does, but for what the loader does first: who is stopped
   in that keeps a lock without which no other thread can end. */
static void end_thread(DWORD code)
{
    nt_terminate_thread(GetCurrentThread(), (LONG)code);
}
