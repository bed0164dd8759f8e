/* ---- Special user APCs ----------------------------------------------------------------------- */

static BOOL (WINAPI *queue_user_apc_2)(PAPCFUNC, HANDLE, ULONG_PTR, DWORD);

static void resolve_special(void)
{
    queue_user_apc_2 = (void *)resolve("kernelbase.dll", "QueueUserAPC2");
}
