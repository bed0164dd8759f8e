/* ---- System services ----------------------------------------------------------------------- */

struct iosb { union { LONG status; void *pointer; } u; ULONG_PTR information; };
typedef void (NTAPI *io_apc)(void *context, struct iosb *iosb, ULONG reserved);

/* What a status block holds before the system has written it. */
#define UNTOUCHED ((void *)(ULONG_PTR)0xCCCCCCCC)

static LONG (NTAPI *nt_alert_thread)(HANDLE);
static LONG (NTAPI *nt_test_alert)(void);
static LONG (NTAPI *nt_read_file)(HANDLE, HANDLE, io_apc, void *, struct iosb *, void *, ULONG,
                                  LARGE_INTEGER *, ULONG *);
static LONG (NTAPI *nt_write_file)(HANDLE, HANDLE, io_apc, void *, struct iosb *, void *, ULONG,
                                   LARGE_INTEGER *, ULONG *);
static LONG (NTAPI *nt_fs_control_file)(HANDLE, HANDLE, io_apc, void *, struct iosb *, ULONG,
                                        void *, ULONG, void *, ULONG);
static LONG (NTAPI *nt_device_io_control_file)(HANDLE, HANDLE, io_apc, void *, struct iosb *,
                                               ULONG, void *, ULONG, void *, ULONG);
static LONG (NTAPI *nt_cancel_io_file)(HANDLE, struct iosb *);
static LONG (NTAPI *nt_cancel_io_file_ex)(HANDLE, struct iosb *, struct iosb *);
static LONG (NTAPI *nt_set_io_completion)(HANDLE, ULONG_PTR, ULONG_PTR, LONG, ULONG_PTR);
static LONG (NTAPI *nt_remove_io_completion)(HANDLE, ULONG_PTR *, ULONG_PTR *, struct iosb *,
                                             LARGE_INTEGER *);
static ULONG (NTAPI *rtl_nt_status_to_dos_error)(LONG);

static void resolve_services(void)
{
    nt_alert_thread = (void *)resolve("ntdll.dll", "NtAlertThread");
    nt_test_alert = (void *)resolve("ntdll.dll", "NtTestAlert");
    nt_read_file = (void *)resolve("ntdll.dll", "NtReadFile");
    nt_write_file = (void *)resolve("ntdll.dll", "NtWriteFile");
    nt_fs_control_file = (void *)resolve("ntdll.dll", "NtFsControlFile");
    nt_device_io_control_file = (void *)resolve("ntdll.dll", "NtDeviceIoControlFile");
    nt_cancel_io_file = (void *)resolve("ntdll.dll", "NtCancelIoFile");
    nt_cancel_io_file_ex = (void *)resolve("ntdll.dll", "NtCancelIoFileEx");
    nt_set_io_completion = (void *)resolve("ntdll.dll", "NtSetIoCompletion");
    nt_remove_io_completion = (void *)resolve("ntdll.dll", "NtRemoveIoCompletion");
    rtl_nt_status_to_dos_error = (void *)resolve("ntdll.dll", "RtlNtStatusToDosError");
}

static struct result cancel_io_file(HANDLE file)
{
    struct iosb iosb;
    return nt_status(nt_cancel_io_file(file, &iosb));
}

static struct result cancel_io_file_ex(HANDLE file, void *request)
{
    struct iosb iosb;
    return nt_status(nt_cancel_io_file_ex(file, request, &iosb));
}

/* A packet as the system service gives it; a negative time is none. */
static struct result remove_packet(HANDLE port, double time_ms)
{
    ULONG_PTR key = 0, value = 0;
    struct iosb iosb;
    LARGE_INTEGER time;
    LONG returned;
    struct result result;
    time.QuadPart = -(LONGLONG)(time_ms * scale * 10000);
    returned = nt_remove_io_completion(port, &key, &value, &iosb, time_ms < 0 ? NULL : &time);
    result = nt_status(returned);
    if (returned == 0) {
        result.known |= KEY | PACKET;
        result.key = key;
        result.value = value;
        result.status = (DWORD)iosb.u.status;
        result.bytes = iosb.information;
    }
    return result;
}

static struct result native_entry(const char *routine, struct iosb *iosb)
{
    DWORD error = rtl_nt_status_to_dos_error(iosb->u.status);
    if (iosb->u.pointer == UNTOUCHED) {
        struct result entry = named(routine);
        entry.known = OVERLAPPED_OF;
        entry.value = (ULONG_PTR)iosb;
        return entry;
    }
    return io_entry(routine, error, iosb->information, iosb);
}
