/* Ends of a pipe whose synchronous requests a user APC ends: FILE_SYNCHRONOUS_IO_ALERT, which the
   Win32 functions cannot ask for. */

struct unicode_string { USHORT length, length_max; WCHAR *text; };
struct attributes {
    ULONG length;
    HANDLE root;
    struct unicode_string *name;
    ULONG flags;
    void *security, *quality;
};

#define SYNCHRONOUS_ALERT 0x10

static struct attributes *pipe_attributes(int pipe)
{
    static WCHAR text[80];
    static struct unicode_string name;
    static struct attributes attributes;
    const char *from = pipe_name(pipe) + 9;     /* behind the Win32 prefix */
    int i = (int)(sizeof(L"\\??\\pipe\\") / sizeof(WCHAR)) - 1;

    memcpy(text, L"\\??\\pipe\\", sizeof(L"\\??\\pipe\\"));
    while (*from)
        text[i++] = (WCHAR)*from++;
    name.length = (USHORT)(i * sizeof(WCHAR));
    name.length_max = sizeof(text);
    name.text = text;
    attributes.length = sizeof(attributes);
    attributes.name = &name;
    attributes.flags = 0x40;                    /* OBJ_CASE_INSENSITIVE */
    return &attributes;
}

static HANDLE alertable_pipe_server(int pipe, BOOL message, DWORD quota)
{
    LONG (NTAPI *create)(HANDLE *, ULONG, struct attributes *, struct iosb *, ULONG, ULONG, ULONG,
                         ULONG, ULONG, ULONG, ULONG, ULONG, ULONG, LARGE_INTEGER *)
        = (void *)resolve("ntdll.dll", "NtCreateNamedPipeFile");
    LARGE_INTEGER timeout;
    struct iosb iosb;
    HANDLE file = NULL;
    timeout.QuadPart = -500000;
    if (create(&file, GENERIC_READ | GENERIC_WRITE | SYNCHRONIZE, pipe_attributes(pipe), &iosb,
               FILE_SHARE_READ | FILE_SHARE_WRITE, 2 /* FILE_CREATE */, SYNCHRONOUS_ALERT,
               (ULONG)message, (ULONG)message, 0, 1, quota, quota, &timeout) < 0)
        return fatal("NtCreateNamedPipeFile");
    return file;
}

static HANDLE alertable_pipe_client(int pipe, BOOL message)
{
    LONG (NTAPI *open)(HANDLE *, ULONG, struct attributes *, struct iosb *, ULONG, ULONG)
        = (void *)resolve("ntdll.dll", "NtOpenFile");
    DWORD mode = PIPE_READMODE_MESSAGE;
    struct iosb iosb;
    HANDLE file = NULL;
    if (open(&file, GENERIC_READ | GENERIC_WRITE | SYNCHRONIZE, pipe_attributes(pipe), &iosb,
             FILE_SHARE_READ | FILE_SHARE_WRITE, SYNCHRONOUS_ALERT) < 0)
        return fatal("NtOpenFile");
    if (message && !SetNamedPipeHandleState(file, &mode, NULL, NULL))
        return fatal("SetNamedPipeHandleState");
    return file;
}
