/*
 * A fault layer between a program and the file system, loaded with LD_PRELOAD.
 *
 * It stands in front of every call of the C library that changes a file or makes it durable. So it
 * sees the writes of SQLite as well as those of Python. Calls on files outside the folders given to
 * `fault_scope` pass. `fault_arm` chooses what happens at the n-th call:
 *
 *   FAULT_COUNT   nothing; the calls are counted and their kinds noted
 *   FAULT_KILL    the process ends before the call, as with SIGKILL
 *   FAULT_TORN    the process ends after half of the bytes of a write
 *   FAULT_ONCE    the call fails, and later calls succeed
 *   FAULT_FROM    this call and all later calls of the given kinds fail
 *
 * `fault_record` writes each call that succeeded into a file, with its bytes, so that the states
 * that a power cut may leave can be built (crash_states.py reads the file).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FAULT_OFF, FAULT_COUNT, FAULT_KILL, FAULT_TORN, FAULT_ONCE, FAULT_FROM };
enum { MAX_SCOPES = 4, MAX_PATH = 4096, MAX_KINDS = 65536, KILLED = 137 };

static char scopes[MAX_SCOPES][MAX_PATH];
static int scope_count;
static int action = FAULT_OFF, error_number;
static long at, calls;
static char failing[32];
static char kinds[MAX_KINDS];
static char place[MAX_PATH + 64];
static int record = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* --- the controls, called through ctypes ------------------------------------------------------- */

void fault_scope(const char *folder) {
    if (scope_count < MAX_SCOPES)
        snprintf(scopes[scope_count++], MAX_PATH, "%s", folder);
}

void fault_arm(int what, long number, int code, const char *of_kinds) {
    pthread_mutex_lock(&lock);
    action = what;
    at = number;
    error_number = code;
    calls = 0;
    place[0] = 0;
    snprintf(failing, sizeof failing, "%s", of_kinds);
    pthread_mutex_unlock(&lock);
}

void fault_disarm(void) { action = FAULT_OFF; scope_count = 0; record = -1; }
long fault_calls(void) { return calls; }
const char *fault_kinds(void) { return kinds; }
const char *fault_place(void) { return place; }
void fault_record(int descriptor) { record = descriptor; }

/* --- which file a call is about ---------------------------------------------------------------- */

static int path_of(int descriptor, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t size = syscall(SYS_readlink, link, path, MAX_PATH - 1);
    if (size < 0)
        return 0;
    path[size] = 0;
    return 1;
}

static int resolve(int folder, const char *name, char *path) {
    if (name[0] == '/') {
        snprintf(path, MAX_PATH, "%s", name);
        return 1;
    }
    char base[MAX_PATH];
    if (folder == AT_FDCWD) {
        if (syscall(SYS_getcwd, base, sizeof base) < 0)
            return 0;
    } else if (!path_of(folder, base))
        return 0;
    return snprintf(path, MAX_PATH, "%s/%s", base, name) < MAX_PATH;
}

static int in_scope(const char *path) {
    for (int one = 0; one < scope_count; one++) {
        size_t size = strlen(scopes[one]);
        if (!strncmp(path, scopes[one], size) && (path[size] == '/' || path[size] == 0))
            return 1;
    }
    return 0;
}

/* --- the record -------------------------------------------------------------------------------- */

struct header {
    uint8_t kind;
    uint8_t is_folder;
    uint16_t path_bytes, other_bytes;
    uint16_t unused;
    uint64_t inode, offset, size;
};

static void emit(const void *data, size_t size) {
    const char *rest = data;
    while (size) {
        ssize_t done = syscall(SYS_write, record, rest, size);
        if (done <= 0)
            _exit(99);
        rest += done;
        size -= done;
    }
}

static void note(char kind, uint64_t inode, int is_folder, const char *path, const char *other,
                 uint64_t offset, uint64_t size, const void *data) {
    struct header header = {kind, is_folder, strlen(path), strlen(other), 0, inode, offset, size};
    emit(&header, sizeof header);
    emit(path, header.path_bytes);
    emit(other, header.other_bytes);
    if (data)
        emit(data, size);
}

void fault_mark(const char *label) {
    pthread_mutex_lock(&lock);
    if (record >= 0)
        note('A', 0, 0, label, "", 0, 0, NULL);
    pthread_mutex_unlock(&lock);
}

/* --- the decision ------------------------------------------------------------------------------ */

enum { PASS, FAIL, TEAR };

static int decide(char kind, const char *path) {
    if (action == FAULT_OFF)
        return PASS;
    long number = __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
    if (number < MAX_KINDS) {
        kinds[number - 1] = kind;
        kinds[number] = 0;
    }
    if (number == at)
        snprintf(place, sizeof place, "%c %s", kind, path);
    switch (action) {
    case FAULT_KILL:
        if (number == at)
            _exit(KILLED);
        return PASS;
    case FAULT_TORN:
        if (number == at && kind != 'W')
            _exit(KILLED);
        return number == at ? TEAR : PASS;
    case FAULT_ONCE:
        return number == at ? FAIL : PASS;
    case FAULT_FROM:
        return number >= at && strchr(failing, kind) ? FAIL : PASS;
    default:
        return PASS;
    }
}

static long refused(void) {
    errno = error_number;
    return -1;
}

/* --- writes ------------------------------------------------------------------------------------ */

static int about(int descriptor, char *path) {
    return scope_count && path_of(descriptor, path) && in_scope(path);
}

static void note_written(int descriptor, const char *path, off_t offset, size_t size,
                         const void *data) {
    struct stat status;
    char *copy = NULL;
    fstat(descriptor, &status);
    if (!data) {
        copy = malloc(size);
        int reader = open(path, O_RDONLY | O_CLOEXEC);
        if (!copy || reader < 0 || pread(reader, copy, size, offset) != (ssize_t)size)
            _exit(99);
        close(reader);
    }
    note('W', status.st_ino, 0, path, "", offset, size, data ? data : copy);
    free(copy);
}

static off_t write_offset(int descriptor, off_t given) {
    struct stat status;
    if (fcntl(descriptor, F_GETFL) & O_APPEND) {
        fstat(descriptor, &status);
        return status.st_size;
    }
    return given >= 0 ? given : lseek(descriptor, 0, SEEK_CUR);
}

/* Do a write: `given` is the offset, or -1 for the file's own. `buffers` may be NULL for a copy. */
static ssize_t do_write(int descriptor, const struct iovec *buffers, int count, off_t given) {
    char path[MAX_PATH];
    int ours = about(descriptor, path), what = ours ? decide('W', path) : PASS;
    if (what == FAIL)
        return refused();
    int recording = ours && record >= 0;
    if (recording)
        pthread_mutex_lock(&lock);
    off_t offset = recording ? write_offset(descriptor, given) : 0;
    struct iovec half;
    if (what == TEAR) {
        half = buffers[0];
        half.iov_len /= 2;
        buffers = &half;
        count = 1;
    }
    ssize_t done;
    if (count == 1)
        done = given < 0 ? syscall(SYS_write, descriptor, buffers->iov_base, buffers->iov_len)
                         : syscall(SYS_pwrite64, descriptor, buffers->iov_base, buffers->iov_len, given);
    else
        done = given < 0 ? syscall(SYS_writev, descriptor, buffers, count)
                         : syscall(SYS_pwritev, descriptor, buffers, count, given, 0);
    int error = errno;
    if (what == TEAR)
        _exit(KILLED);
    if (recording) {
        off_t where = offset;
        for (ssize_t rest = done, one = 0; rest > 0; one++) {
            size_t size = (size_t)rest < buffers[one].iov_len ? (size_t)rest : buffers[one].iov_len;
            note_written(descriptor, path, where, size, buffers[one].iov_base);
            where += size;
            rest -= size;
        }
        pthread_mutex_unlock(&lock);
    }
    errno = error;
    return done;
}

ssize_t write(int descriptor, const void *data, size_t size) {
    struct iovec buffer = {(void *)data, size};
    return do_write(descriptor, &buffer, 1, -1);
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t offset) {
    struct iovec buffer = {(void *)data, size};
    return do_write(descriptor, &buffer, 1, offset);
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t offset) {
    return pwrite(descriptor, data, size, offset);
}

ssize_t writev(int descriptor, const struct iovec *buffers, int count) {
    return do_write(descriptor, buffers, count, -1);
}

ssize_t pwritev(int descriptor, const struct iovec *buffers, int count, off_t offset) {
    return do_write(descriptor, buffers, count, offset);
}

ssize_t pwritev64(int descriptor, const struct iovec *buffers, int count, off64_t offset) {
    return do_write(descriptor, buffers, count, offset);
}

/* Copies inside the kernel: torn copies are plain kills. */
#define COPY(descriptor, given, call) \
    char path[MAX_PATH]; \
    int ours = about(descriptor, path), what = ours ? decide('W', path) : PASS; \
    if (what == FAIL) \
        return refused(); \
    if (what == TEAR) \
        _exit(KILLED); \
    int recording = ours && record >= 0; \
    if (recording) \
        pthread_mutex_lock(&lock); \
    off_t offset = recording ? write_offset(descriptor, given) : 0; \
    ssize_t done = call; \
    int error = errno; \
    if (recording) { \
        if (done > 0) \
            note_written(descriptor, path, offset, done, NULL); \
        pthread_mutex_unlock(&lock); \
    } \
    errno = error; \
    return done

ssize_t copy_file_range(int source, off64_t *from, int target, off64_t *to, size_t size,
                        unsigned flags) {
    COPY(target, to ? *to : -1, syscall(SYS_copy_file_range, source, from, target, to, size, flags));
}

ssize_t sendfile(int target, int source, off_t *from, size_t size) {
    COPY(target, -1, syscall(SYS_sendfile, target, source, from, size));
}

ssize_t sendfile64(int target, int source, off64_t *from, size_t size) {
    return sendfile(target, source, from, size);
}

/* --- sizes and syncs --------------------------------------------------------------------------- */

/* Calls on an open file that have a number as their result. */
#define ON_FILE(kind, descriptor, offset, size, call) \
    char path[MAX_PATH]; \
    int ours = about(descriptor, path); \
    if (ours && decide(kind, path) == FAIL) \
        return refused(); \
    if (!ours || record < 0) \
        return call; \
    struct stat status; \
    pthread_mutex_lock(&lock); \
    int done = call, error = errno; \
    fstat(descriptor, &status); \
    if (done == 0) \
        note(kind, status.st_ino, S_ISDIR(status.st_mode), path, "", offset, size, NULL); \
    pthread_mutex_unlock(&lock); \
    errno = error; \
    return done

int fsync(int descriptor) { ON_FILE('S', descriptor, 0, 0, syscall(SYS_fsync, descriptor)); }

int fdatasync(int descriptor) { ON_FILE('S', descriptor, 0, 0, syscall(SYS_fdatasync, descriptor)); }

int ftruncate(int descriptor, off_t size) {
    ON_FILE('T', descriptor, 0, size, syscall(SYS_ftruncate, descriptor, size));
}

int ftruncate64(int descriptor, off64_t size) { return ftruncate(descriptor, size); }

int fallocate(int descriptor, int mode, off_t offset, off_t size) {
    ON_FILE('F', descriptor, offset, mode & FALLOC_FL_KEEP_SIZE ? 0 : size,
            syscall(SYS_fallocate, descriptor, mode, offset, size));
}

int fallocate64(int descriptor, int mode, off64_t offset, off64_t size) {
    return fallocate(descriptor, mode, offset, size);
}

int posix_fallocate(int descriptor, off_t offset, off_t size) {
    return fallocate(descriptor, 0, offset, size) ? errno : 0;
}

int posix_fallocate64(int descriptor, off64_t offset, off64_t size) {
    return posix_fallocate(descriptor, offset, size);
}

/* Begins to write and promises nothing: an error may come, but nothing is recorded. */
int sync_file_range(int descriptor, off64_t offset, off64_t size, unsigned flags) {
    char path[MAX_PATH];
    if (about(descriptor, path) && decide('B', path) == FAIL)
        return refused();
    return syscall(SYS_sync_file_range, descriptor, offset, size, flags);
}

int fchmod(int descriptor, mode_t mode) {
    ON_FILE('P', descriptor, 0, mode, syscall(SYS_fchmod, descriptor, mode));
}

/* --- names ------------------------------------------------------------------------------------- */

static void note_name(char kind, int folder, const char *name, const char *path, const char *other) {
    struct stat status = {0};
    syscall(SYS_newfstatat, folder, name, &status, AT_SYMLINK_NOFOLLOW);
    note(kind, status.st_ino, S_ISDIR(status.st_mode), path, other, 0, 0, NULL);
}

/* Calls on one name. The record has the inode of `name` after the call. */
#define ON_NAME(kind, folder, name, call) \
    char path[MAX_PATH]; \
    int ours = scope_count && resolve(folder, name, path) && in_scope(path); \
    if (ours && decide(kind, path) == FAIL) \
        return refused(); \
    if (!ours || record < 0) \
        return call; \
    pthread_mutex_lock(&lock); \
    int done = call, error = errno; \
    if (done == 0) \
        note_name(kind, folder, name, path, ""); \
    pthread_mutex_unlock(&lock); \
    errno = error; \
    return done

#define ON_NAMES(kind, from_folder, from, to_folder, to, call) \
    char path[MAX_PATH], other[MAX_PATH]; \
    int ours = scope_count && resolve(from_folder, from, path) && resolve(to_folder, to, other) \
               && (in_scope(path) || in_scope(other)); \
    if (ours && decide(kind, other) == FAIL) \
        return refused(); \
    if (!ours || record < 0) \
        return call; \
    pthread_mutex_lock(&lock); \
    int done = call, error = errno; \
    if (done == 0) \
        note_name(kind, to_folder, to, path, other); \
    pthread_mutex_unlock(&lock); \
    errno = error; \
    return done

int unlinkat(int folder, const char *name, int flags) {
    ON_NAME(flags & AT_REMOVEDIR ? 'D' : 'U', folder, name,
            syscall(SYS_unlinkat, folder, name, flags));
}

int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

int mkdirat(int folder, const char *name, mode_t mode) {
    ON_NAME('M', folder, name, syscall(SYS_mkdirat, folder, name, mode));
}

int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    ON_NAMES('R', from_folder, from, to_folder, to,
             syscall(SYS_renameat2, from_folder, from, to_folder, to, flags));
}

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    return renameat2(from_folder, from, to_folder, to, 0);
}

int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    ON_NAMES('L', from_folder, from, to_folder, to,
             syscall(SYS_linkat, from_folder, from, to_folder, to, flags));
}

int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

/* --- opening ----------------------------------------------------------------------------------- */

static int do_open(int folder, const char *name, int flags, mode_t mode) {
    char path[MAX_PATH];
    if (!scope_count || !(flags & (O_CREAT | O_TRUNC | O_TMPFILE) & ~O_DIRECTORY)
        || !resolve(folder, name, path) || !in_scope(path))
        return syscall(SYS_openat, folder, name, flags, mode);
    struct stat status;
    int exists = syscall(SYS_newfstatat, folder, name, &status, 0) == 0;
    int creates = !exists && flags & O_CREAT, cuts = exists && flags & O_TRUNC;
    if ((creates || cuts) && decide(creates ? 'C' : 'T', path) == FAIL)
        return refused();
    if (record < 0)
        return syscall(SYS_openat, folder, name, flags, mode);
    pthread_mutex_lock(&lock);
    int done = syscall(SYS_openat, folder, name, flags, mode), error = errno;
    if (done >= 0 && fstat(done, &status) == 0) {
        if (creates)
            note('C', status.st_ino, 0, path, "", 0, 0, NULL);
        else if (cuts)
            note('T', status.st_ino, 0, path, "", 0, 0, NULL);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

#define MODE(flags) \
    mode_t mode = 0; \
    if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE) { \
        va_list more; \
        va_start(more, flags); \
        mode = va_arg(more, mode_t); \
        va_end(more); \
    }

int open(const char *name, int flags, ...) {
    MODE(flags)
    return do_open(AT_FDCWD, name, flags, mode);
}

int open64(const char *name, int flags, ...) {
    MODE(flags)
    return do_open(AT_FDCWD, name, flags | O_LARGEFILE, mode);
}

int openat(int folder, const char *name, int flags, ...) {
    MODE(flags)
    return do_open(folder, name, flags, mode);
}

int openat64(int folder, const char *name, int flags, ...) {
    MODE(flags)
    return do_open(folder, name, flags | O_LARGEFILE, mode);
}
