/* ---- Named pipes ---------------------------------------------------------------------------- */

static unsigned pipe_round;

static const char *pipe_name(int pipe)
{
    static char name[80];
    sprintf(name, "\\\\.\\pipe\\litmus-%lu-%u-%d", GetCurrentProcessId(), pipe_round, pipe);
    return name;
}

static HANDLE pipe_server(int pipe, BOOL message, DWORD quota, DWORD flags)
{
    DWORD mode = message ? PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE : PIPE_TYPE_BYTE;
    HANDLE file = CreateNamedPipeA(pipe_name(pipe), PIPE_ACCESS_DUPLEX | flags, mode, 1, quota,
                                   quota, 0, NULL);
    return file == INVALID_HANDLE_VALUE ? fatal("CreateNamedPipe") : file;
}

static HANDLE pipe_client(int pipe, BOOL message, DWORD flags)
{
    DWORD mode = PIPE_READMODE_MESSAGE;
    HANDLE file = CreateFileA(pipe_name(pipe), GENERIC_READ | GENERIC_WRITE, 0, NULL,
                              OPEN_EXISTING, flags, NULL);
    if (file == INVALID_HANDLE_VALUE)
        return fatal("CreateFile of a pipe");
    if (message && !SetNamedPipeHandleState(file, &mode, NULL, NULL))
        return fatal("SetNamedPipeHandleState");
    return file;
}
