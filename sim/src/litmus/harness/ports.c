/* ---- Completion ports --------------------------------------------------------------------- */

static struct result associate(HANDLE file, HANDLE port, ULONG_PTR key)
{
    return boolean(CreateIoCompletionPort(file, port, key, 0) != NULL);
}

static struct result get_packet(HANDLE port, DWORD time)
{
    DWORD bytes = 0;
    ULONG_PTR key = 0;
    OVERLAPPED *overlapped = NULL;
    BOOL good = GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, time);
    struct result result = boolean(good);
    result.known |= OVERLAPPED_OF;
    result.value = (ULONG_PTR)overlapped;
    if (good || overlapped) {
        result.known |= BYTES | KEY;
        result.bytes = bytes;
        result.key = key;
    }
    return result;
}

static struct result get_packets(HANDLE port, ULONG max, DWORD time, BOOL alertable)
{
    OVERLAPPED_ENTRY entries[ENTRY_MAX];
    ULONG count = 0, i;
    BOOL good = GetQueuedCompletionStatusEx(port, entries, max, &count, time, alertable);
    struct result result = boolean(good);
    if (!good)
        return result;
    result.known |= ENTRIES;
    result.entry_count = count;
    for (i = 0; i < count; i++) {
        result.entries[i].key = entries[i].lpCompletionKey;
        result.entries[i].value = (ULONG_PTR)entries[i].lpOverlapped;
        result.entries[i].bytes = entries[i].dwNumberOfBytesTransferred;
    }
    return result;
}
