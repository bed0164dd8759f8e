/* What is not there, or cannot be set up, ends the program with this status. */
#define EXIT_UNSUPPORTED 3
#define EXIT_HELD_UP 4

static HANDLE fatal(const char *what)
{
    fprintf(stderr, "%s: error %lu\n", what, GetLastError());
    fflush(NULL);
    TerminateProcess(GetCurrentProcess(), EXIT_UNSUPPORTED);
    return NULL;
}

/* A function that older systems lack, or that the headers do not declare. */
static FARPROC resolve(const char *library, const char *name)
{
    FARPROC function = GetProcAddress(GetModuleHandleA(library), name);
    if (!function) {
        fprintf(stderr, "this system has no %s\n", name);
        fflush(NULL);
        TerminateProcess(GetCurrentProcess(), EXIT_UNSUPPORTED);
    }
    return function;
}
