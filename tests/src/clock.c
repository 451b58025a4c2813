/* The time of day of one process, moved by as many nanoseconds as the file named in GANDY_CLOCK says: eight bytes, read
 * at each call, so that a jump is seen at once. For LD_PRELOAD. Only the time of day: what measures durations is left alone.
 *
 * Not libfaketime: its 0.9.10 cannot be loaded into Debian's redis-server, whose jemalloc asks for the time before
 * libfaketime has found the function that it stands in for ("Cannot recover from unexpected recursive calls to
 * clock_gettime()"). This asks the kernel.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile long long *shift;

__attribute__((constructor)) static void open_shift(void)
{
    const char *path = getenv("GANDY_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *page = mmap(0, sizeof *shift, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED)
        shift = page;
}

int clock_gettime(clockid_t clock, struct timespec *at)
{
    int failed = (int)syscall(SYS_clock_gettime, clock, at);
    if (!failed && shift && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        const long long second = 1000000000, nanos = at->tv_nsec + *shift % second;
        at->tv_sec += *shift / second + (nanos < 0 ? -1 : nanos / second);
        at->tv_nsec = (long)((nanos + second) % second);
    }
    return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now))
        return -1;
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at)
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now))
        return -1;
    if (at)
        *at = now.tv_sec;
    return now.tv_sec;
}
