/* Creates a thread whose start is later, and lets it run. */
static struct result create_later(int thread)
{
    create_thread(thread);
    threads[thread].is_released = 1;
    return boolean(ResumeThread(threads[thread].handle) == 1);
}
