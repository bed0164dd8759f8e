/* ---- Requests, and the results of requests ------------------------------------------------ */

/* TRUE with the bytes transferred, or FALSE with the last error. */
static struct result transfer(BOOL good, const DWORD *bytes)
{
    struct result result = boolean(good);
    if (good) {
        result.known |= BYTES;
        result.bytes = *bytes;
    }
    return result;
}

/* Reads, if there is something to read into, or else writes. */
static struct result read_file(HANDLE file, char *buffer, DWORD size, OVERLAPPED *overlapped)
{
    DWORD bytes = 0;
    BOOL good = ReadFile(file, buffer, size, &bytes, overlapped);
    return transfer(good, &bytes);
}

static struct result write_file(HANDLE file, char *buffer, DWORD size, OVERLAPPED *overlapped)
{
    DWORD bytes = 0;
    BOOL good = WriteFile(file, buffer, size, &bytes, overlapped);
    return transfer(good, &bytes);
}

static struct result control(HANDLE file, DWORD code, char *buffer, DWORD size,
                             OVERLAPPED *overlapped)
{
    DWORD bytes = 0;
    BOOL good = DeviceIoControl(file, code, buffer, 0, buffer, size, &bytes, overlapped);
    return transfer(good, &bytes);
}

static struct result overlapped_result(HANDLE file, OVERLAPPED *overlapped, BOOL wait)
{
    DWORD bytes = 0;
    BOOL good = GetOverlappedResult(file, overlapped, &bytes, wait);
    return transfer(good, &bytes);
}

static struct result overlapped_result_ex(HANDLE file, OVERLAPPED *overlapped, DWORD time,
                                          BOOL alertable)
{
    typedef BOOL (WINAPI *function)(HANDLE, OVERLAPPED *, DWORD *, DWORD, BOOL);
    static function get;
    DWORD bytes = 0;
    BOOL good;
    if (!get)
        get = (function)(void *)resolve("kernel32.dll", "GetOverlappedResultEx");
    good = get(file, overlapped, &bytes, time, alertable);
    return transfer(good, &bytes);
}
