/* Faults at a chosen call: preloaded into a process, it counts the calls that read or change files below one folder,
 * and at the n-th of them kills the process, fails the call, or does half of it. SQLite's calls count like Python's. */
#define _GNU_SOURCE
#undef _FILE_OFFSET_BITS
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { READ = 1, WRITE = 2, ALLOCATE = 4, SYNC = 8, NAME = 16 };
enum { NONE = 0, KILL = 1, FAIL = 2, SHORT = 3 };

static char folder[PATH_MAX];
static int kind, error, sticky, mask;
static long at, calls;

void faults_arm(const char *below, int what, int number, long n, int from_then_on, int which) {
    snprintf(folder, sizeof folder, "%s", below);
    kind = what, error = number, at = n, sticky = from_then_on, mask = which, calls = 0;
}

long faults_calls(void) { return calls; }

static int below(const char *path) {
    size_t length = strlen(folder);
    return length && strncmp(path, folder, length) == 0;
}

static int ours(int fd) {
    char link[64], path[PATH_MAX];
    if (!folder[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return below(path);
}

static int ours_at(int dir, const char *path) { return path[0] == '/' ? below(path) : dir != AT_FDCWD && ours(dir); }

/* What is to happen to this call. A process that is to be killed does not come back. */
static int fate(int class) {
    int saved = errno;
    if (!(class & mask)) return NONE;
    calls++;
    if (kind == NONE || calls < at || (calls > at && !sticky)) return NONE;
    if (kind == KILL) kill(getpid(), SIGKILL);
    errno = saved;
    return kind;
}

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
#define FATE(is_ours, class) ((is_ours) ? fate(class) : NONE)
#define FAILING(is_ours, class) \
    if (FATE(is_ours, class) == FAIL) { errno = error; return -1; }

#define MOVING(name, buffer, class) \
    ssize_t name(int fd, buffer data, size_t size) { \
        REAL(name); \
        switch (FATE(ours(fd), class)) { \
        case FAIL: errno = error; return -1; \
        case SHORT: size = size > 1 ? size / 2 : size; \
        } \
        return real(fd, data, size); \
    }
#define MOVING_AT(name, buffer, class, offset_type) \
    ssize_t name(int fd, buffer data, size_t size, offset_type offset) { \
        REAL(name); \
        switch (FATE(ours(fd), class)) { \
        case FAIL: errno = error; return -1; \
        case SHORT: size = size > 1 ? size / 2 : size; \
        } \
        return real(fd, data, size, offset); \
    }

MOVING(read, void *, READ)
MOVING(write, const void *, WRITE | ALLOCATE)
MOVING_AT(pread, void *, READ, off_t)
MOVING_AT(pread64, void *, READ, off64_t)
MOVING_AT(pwrite, const void *, WRITE | ALLOCATE, off_t)
MOVING_AT(pwrite64, const void *, WRITE | ALLOCATE, off64_t)

ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t size, unsigned flags) {
    REAL(copy_file_range);
    switch (FATE(ours(to), WRITE | ALLOCATE)) {
    case FAIL: errno = error; return -1;
    case SHORT: size = size > 1 ? size / 2 : size;
    }
    return real(from, from_at, to, to_at, size, flags);
}

#define OPENING(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        REAL(name); \
        FAILING(ours_at(AT_FDCWD, path), flags & O_CREAT ? NAME | ALLOCATE : READ) \
        return real(path, flags, mode); \
    }
#define OPENING_AT(name) \
    int name(int dir, const char *path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        REAL(name); \
        FAILING(ours_at(dir, path), flags & O_CREAT ? NAME | ALLOCATE : READ) \
        return real(dir, path, flags, mode); \
    }
OPENING(open)
OPENING(open64)
OPENING_AT(openat)
OPENING_AT(openat64)

#define ONE(name, class, test, types, values) \
    int name types { \
        REAL(name); \
        FAILING(test, class) \
        return real values; \
    }
ONE(fsync, SYNC, ours(fd), (int fd), (fd))
ONE(fdatasync, SYNC, ours(fd), (int fd), (fd))
ONE(ftruncate, WRITE, ours(fd), (int fd, off_t size), (fd, size))
ONE(ftruncate64, WRITE, ours(fd), (int fd, off64_t size), (fd, size))
ONE(fchmod, NAME, ours(fd), (int fd, mode_t mode), (fd, mode))
ONE(fchown, NAME, ours(fd), (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
ONE(futimens, NAME, ours(fd), (int fd, const struct timespec times[2]), (fd, times))
ONE(unlink, NAME, ours_at(AT_FDCWD, path), (const char *path), (path))
ONE(unlinkat, NAME, ours_at(dir, path), (int dir, const char *path, int flags), (dir, path, flags))
ONE(rename, NAME, ours_at(AT_FDCWD, to), (const char *from, const char *to), (from, to))
ONE(renameat, NAME, ours_at(to_dir, to), (int from_dir, const char *from, int to_dir, const char *to),
    (from_dir, from, to_dir, to))
ONE(renameat2, NAME, ours_at(to_dir, to), (int from_dir, const char *from, int to_dir, const char *to, unsigned flags),
    (from_dir, from, to_dir, to, flags))
ONE(linkat, NAME, ours_at(to_dir, to), (int from_dir, const char *from, int to_dir, const char *to, int flags),
    (from_dir, from, to_dir, to, flags))
