/*
 * A disk that forgets, and a clock that jumps: preloaded into a program under test.
 *
 * kill -9 leaves the page cache alone, so it proves nothing about fsync. This library sees what the
 * program writes below one folder and keeps beside it what a loss of power would leave:
 *
 *   SHADOW/<id>    a file's content as of its last fsync or fdatasync
 *   SHADOW/names   which names the folder had at its own last fsync: "<id> <inode> <path>" a line
 *
 * To cut the power, kill the program and put the folder back together from these two. A new file
 * whose folder was never synced is gone, one that was never synced itself is empty. Files that end in
 * "-shm" are left out: SQLite builds them anew. Folders always last.
 *
 * SHADOW survives a plain kill. What differs from it at the next start is what no sync has covered
 * yet, and it still counts as such: the page cache would have kept it, the disk not.
 *
 * Files are told apart by inode, as the C library's callers see them, and only through calls: a
 * program that writes by mmap is not seen. No file of the folder is opened once the program runs:
 * closing one would drop the program's POSIX locks on it.
 *
 * Environment: SHIM_DATA and SHIM_SHADOW (absolute, no links in them), SHIM_CONTROL: a file of 40
 * bytes, mapped, with five int64: how many milliseconds the clock is wrong; whether the disk is
 * full, and then every write is refused, as on file systems that copy on write; how many were;
 * whether syncs wait until this is 0 again; how many did.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096
#define FILES 4096

struct file {
    ino_t inode; /* 0: free */
    unsigned long id;
    int shadow; /* open for writing, or -1 */
    off_t size; /* as last seen */
    unsigned char *dirty; /* a bit per block that differs from the shadow */
    size_t blocks;
};

struct control {
    volatile int64_t clock_ms;
    volatile int64_t full;
    volatile int64_t refused;
    volatile int64_t stuck;
    volatile int64_t waited;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file files[FILES];
static unsigned long last_id;
static char data[PATH_MAX], shadow[PATH_MAX];
static size_t data_length;
static dev_t device;
static struct control *control;

static void die(const char *what) {
    /* A shim that goes on with half of the truth would make every test pass. */
    dprintf(2, "shim: %s: %s\n", what, strerror(errno));
    _exit(99);
}

static int real_open(const char *path, int flags, mode_t mode) {
    return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* -- files and what of them is not synced ------------------------------------------------------- */

static struct file *find(ino_t inode) {
    for (size_t at = inode % FILES, tried = 0; tried < FILES; tried++, at = (at + 1) % FILES) {
        if (files[at].inode == inode) return &files[at];
        if (files[at].inode == 0) return NULL;
    }
    return NULL;
}

/* A new file, or another one on the inode of one that was deleted. */
static struct file *fresh(ino_t inode, unsigned long id) {
    struct file *file = find(inode);
    if (!file) {
        size_t at = inode % FILES, tried = 0;
        while (files[at].inode != 0) {
            if (++tried == FILES) {
                errno = ENOSPC;
                die("too many files");
            }
            at = (at + 1) % FILES;
        }
        file = &files[at];
        file->shadow = -1;
    }
    if (file->shadow >= 0) close(file->shadow);
    free(file->dirty);
    *file = (struct file){.inode = inode, .id = id ? id : ++last_id, .shadow = -1};
    if (file->id > last_id) last_id = file->id;
    return file;
}

static void mark(struct file *file, off_t from, off_t to) {
    if (to <= from) return;
    size_t last = (to - 1) / BLOCK;
    if (last >= file->blocks) {
        size_t blocks = (last + 1) * 2;
        blocks = (blocks + 7) / 8 * 8;
        file->dirty = realloc(file->dirty, blocks / 8);
        if (!file->dirty) die("memory");
        memset(file->dirty + file->blocks / 8, 0, (blocks - file->blocks) / 8);
        file->blocks = blocks;
    }
    for (size_t at = from / BLOCK; at <= last; at++) file->dirty[at / 8] |= 1 << at % 8;
}

static void shadow_path(unsigned long id, char *path) {
    snprintf(path, PATH_MAX, "%.*s/%lu", PATH_MAX - 32, shadow, id);
}

/* What a sync of this file leaves on the disk. */
static void synced(struct file *file, int fd) {
    char path[PATH_MAX], block[BLOCK];
    struct stat now;
    if (fstat(fd, &now)) die("fstat");
    if (file->shadow < 0) {
        shadow_path(file->id, path);
        file->shadow = real_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (file->shadow < 0) die(path);
    }
    int from = fd, flags = fcntl(fd, F_GETFL);
    if ((flags & O_ACCMODE) == O_WRONLY) {
        /* SQLite opens what it locks for reading as well, so this drops no lock. */
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        from = real_open(path, O_RDONLY | O_CLOEXEC, 0);
        if (from < 0) die(path);
    }
    for (size_t at = 0; at < file->blocks; at++) {
        if (file->dirty[at / 8] == 0) {
            at |= 7;
            continue;
        }
        if (!(file->dirty[at / 8] & 1 << at % 8)) continue;
        ssize_t count = syscall(SYS_pread64, from, block, BLOCK, (off_t)at * BLOCK);
        if (count < 0) die("pread");
        if (syscall(SYS_pwrite64, file->shadow, block, count, (off_t)at * BLOCK) != count) die("shadow");
        file->dirty[at / 8] &= ~(1 << at % 8);
    }
    if (syscall(SYS_ftruncate, file->shadow, now.st_size)) die("shadow");
    if (from != fd) close(from);
}

/* -- names -------------------------------------------------------------------------------------- */

static int is_left_out(const char *name) {
    size_t length = strlen(name);
    return length > 4 && strcmp(name + length - 4, "-shm") == 0;
}

/* Whether `line` of the list of names is about something directly in `folder` ("" or "a/b/"). */
static int is_directly_in(const char *path, const char *folder) {
    size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 && strchr(path + length, '/') == NULL;
}

/* What a sync of this folder leaves on the disk: the names that it has now, the others as before. */
static void folder_synced(const char *full) {
    char old_path[PATH_MAX + 8], new_path[PATH_MAX + 16], line[PATH_MAX + 64], folder[PATH_MAX] = "";
    if (strlen(full) > data_length) snprintf(folder, sizeof folder, "%s/", full + data_length + 1);
    snprintf(old_path, sizeof old_path, "%s/names", shadow);
    snprintf(new_path, sizeof new_path, "%s/names.new", shadow);
    FILE *out = fopen(new_path, "we");
    if (!out) die(new_path);
    FILE *old = fopen(old_path, "re");
    while (old && fgets(line, sizeof line, old)) {
        char path[PATH_MAX];
        if (sscanf(line, "%*u %*u %4095[^\n]", path) == 1 && !is_directly_in(path, folder)) fputs(line, out);
    }
    if (old) fclose(old);
    DIR *dir = opendir(full);
    if (!dir) die(full);
    for (struct dirent *item; (item = readdir(dir));) {
        struct stat is;
        if (fstatat(dirfd(dir), item->d_name, &is, AT_SYMLINK_NOFOLLOW) || !S_ISREG(is.st_mode)) continue;
        if (is_left_out(item->d_name)) continue;
        struct file *file = find(is.st_ino);
        if (file) fprintf(out, "%lu %lu %s%s\n", file->id, (unsigned long)is.st_ino, folder, item->d_name);
    }
    closedir(dir);
    if (fclose(out) || rename(new_path, old_path)) die(old_path);
}

/* -- start -------------------------------------------------------------------------------------- */

/* Reads a file that was there before: all of it is synced if there is no shadow yet. */
static void adopt(const char *full, ino_t inode, unsigned long id, int is_synced) {
    struct file *file = fresh(inode, id);
    char path[PATH_MAX], ours[BLOCK], theirs[BLOCK];
    int fd = real_open(full, O_RDONLY | O_CLOEXEC, 0);
    struct stat now, then;
    if (fd < 0 || fstat(fd, &now)) die(full);
    file->size = now.st_size;
    if (is_synced) {
        mark(file, 0, now.st_size);
        synced(file, fd);
    } else {
        shadow_path(file->id, path);
        file->shadow = real_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (file->shadow < 0 || fstat(file->shadow, &then)) die(path);
        off_t longer = now.st_size > then.st_size ? now.st_size : then.st_size;
        for (off_t at = 0; at < longer; at += BLOCK) {
            ssize_t a = syscall(SYS_pread64, fd, ours, BLOCK, at);
            ssize_t b = syscall(SYS_pread64, file->shadow, theirs, BLOCK, at);
            if (a < 0 || b < 0) die("pread");
            if (a != b || memcmp(ours, theirs, a)) mark(file, at, at + BLOCK);
        }
    }
    close(fd);
}

static void walk(const char *full, unsigned long (*known)(ino_t), int is_synced) {
    DIR *dir = opendir(full);
    if (!dir) return;
    for (struct dirent *item; (item = readdir(dir));) {
        char path[PATH_MAX];
        struct stat is;
        if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0) continue;
        if (snprintf(path, sizeof path, "%s/%s", full, item->d_name) >= (int)sizeof path) die(full);
        if (lstat(path, &is)) continue;
        if (S_ISDIR(is.st_mode)) walk(path, known, is_synced);
        if (S_ISREG(is.st_mode) && !is_left_out(item->d_name)) adopt(path, is.st_ino, known(is.st_ino), is_synced);
    }
    closedir(dir);
    if (is_synced) folder_synced(full);
}

static unsigned long unknown(ino_t inode) {
    (void)inode;
    return 0;
}

/* The ids that an earlier run gave, by inode, are in the file "ids": names may be newer or older. */
static unsigned long listed(ino_t inode) {
    char path[PATH_MAX + 8];
    unsigned long id, found = 0, number;
    snprintf(path, sizeof path, "%s/ids", shadow);
    FILE *list = fopen(path, "re");
    while (list && fscanf(list, "%lu %lu\n", &id, &number) == 2) {
        if (number == inode) found = id; /* the last one counts */
        if (id > last_id) last_id = id;
    }
    if (list) fclose(list);
    return found;
}

static void write_down(struct file *file) {
    char path[PATH_MAX + 8], line[64];
    snprintf(path, sizeof path, "%s/ids", shadow);
    int fd = real_open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    int length = snprintf(line, sizeof line, "%lu %lu\n", file->id, (unsigned long)file->inode);
    if (fd < 0 || syscall(SYS_write, fd, line, length) != length) die(path);
    close(fd);
}

__attribute__((constructor)) static void start(void) {
    const char *data_name = getenv("SHIM_DATA"), *shadow_name = getenv("SHIM_SHADOW");
    const char *control_name = getenv("SHIM_CONTROL");
    if (control_name) {
        int fd = real_open(control_name, O_RDWR | O_CLOEXEC, 0);
        if (fd < 0) die(control_name);
        control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (control == MAP_FAILED) die(control_name);
        close(fd);
    }
    if (!data_name || !shadow_name) return;
    struct stat is;
    char names[PATH_MAX];
    snprintf(shadow, sizeof shadow, "%s", shadow_name);
    snprintf(names, sizeof names, "%.4000s/names", shadow);
    int is_first = access(names, F_OK) != 0;
    if (stat(data_name, &is)) die(data_name);
    device = is.st_dev;
    snprintf(data, sizeof data, "%s", data_name);
    data_length = strlen(data);
    listed(0); /* for the last id */
    walk(data, is_first ? unknown : listed, is_first);
    for (size_t at = 0; at < FILES; at++)
        if (files[at].inode) write_down(&files[at]);
}

/* -- the calls ---------------------------------------------------------------------------------- */

/* The file behind a descriptor, if it is one of ours. `lock` is held. */
static struct file *behind(int fd, struct stat *is) {
    if (!data_length || fstat(fd, is) || is->st_dev != device || !S_ISREG(is->st_mode)) return NULL;
    return find(is->st_ino);
}

/* The path of a descriptor below the folder; 0 if it lies elsewhere. */
static int inside(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < (ssize_t)data_length) return 0;
    path[length] = 0;
    return strncmp(path, data, data_length) == 0 && (path[data_length] == 0 || path[data_length] == '/');
}

static int opens(int folder, const char *name, int flags, mode_t mode) {
    if (!data_length || !(flags & (O_CREAT | O_TRUNC))) return syscall(SYS_openat, folder, name, flags, mode);
    pthread_mutex_lock(&lock);
    int was_there = faccessat(folder, name, F_OK, 0) == 0;
    int fd = syscall(SYS_openat, folder, name, flags, mode), error = errno;
    char path[PATH_MAX];
    struct stat is;
    if (fd >= 0 && inside(fd, path) && !is_left_out(path) && fstat(fd, &is) == 0 && S_ISREG(is.st_mode)) {
        struct file *file = find(is.st_ino);
        if (!was_there || !file) {
            file = fresh(is.st_ino, 0);
            write_down(file);
        }
        if (flags & O_TRUNC) {
            mark(file, 0, file->size);
            file->size = 0;
        }
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return fd;
}

static mode_t mode_of(int flags, va_list more) {
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
}

#define OPEN(name)                                              \
    int name(const char *path, int flags, ...) {                \
        va_list more;                                           \
        va_start(more, flags);                                  \
        mode_t mode = mode_of(flags, more);                     \
        va_end(more);                                           \
        return opens(AT_FDCWD, path, flags, mode);              \
    }
#define OPENAT(name)                                            \
    int name(int folder, const char *path, int flags, ...) {    \
        va_list more;                                           \
        va_start(more, flags);                                  \
        mode_t mode = mode_of(flags, more);                     \
        va_end(more);                                           \
        return opens(folder, path, flags, mode);                \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int creat(const char *path, mode_t mode) {
    return opens(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

/* Notes a write, or refuses it as a full disk would. `at` is -1 for "where the descriptor stands". */
#define WRITES(fd, at, call)                                          \
    do {                                                                      \
        struct stat is;                                                       \
        if (!data_length) return call;                                        \
        pthread_mutex_lock(&lock);                                            \
        struct file *file = behind(fd, &is);                                  \
        if (!file) {                                                          \
            pthread_mutex_unlock(&lock);                                      \
            return call;                                                      \
        }                                                                     \
        off_t from = (at) >= 0 ? (at) : lseek(fd, 0, SEEK_CUR);               \
        if ((at) < 0 && fcntl(fd, F_GETFL) & O_APPEND) from = is.st_size;     \
        if (control && control->full) {                                       \
            control->refused++;                                               \
            pthread_mutex_unlock(&lock);                                      \
            errno = ENOSPC;                                                   \
            return -1;                                                        \
        }                                                                     \
        ssize_t result = call;                                                \
        int error = errno;                                                    \
        if (result > 0) {                                                     \
            /* What lies between the old end and here became zeros. */        \
            mark(file, from < is.st_size ? from : is.st_size, from + result); \
            file->size = from + result > is.st_size ? from + result : is.st_size; \
        }                                                                     \
        pthread_mutex_unlock(&lock);                                          \
        errno = error;                                                        \
        return result;                                                        \
    } while (0)

ssize_t write(int fd, const void *bytes, size_t length) {
    WRITES(fd, (off_t)-1, syscall(SYS_write, fd, bytes, length));
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
    WRITES(fd, at, syscall(SYS_pwrite64, fd, bytes, length, at));
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) {
    WRITES(fd, at, syscall(SYS_pwrite64, fd, bytes, length, at));
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    WRITES(fd, (off_t)-1, syscall(SYS_writev, fd, parts, count));
}

static int truncates(int fd, off_t length) {
    if (!data_length) return syscall(SYS_ftruncate, fd, length);
    pthread_mutex_lock(&lock);
    struct stat is;
    struct file *file = behind(fd, &is);
    int result = syscall(SYS_ftruncate, fd, length), error = errno;
    if (file && result == 0) {
        mark(file, length < is.st_size ? length : is.st_size, length < is.st_size ? is.st_size : length);
        file->size = length;
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

int ftruncate(int fd, off_t length) { return truncates(fd, length); }
int ftruncate64(int fd, off64_t length) { return truncates(fd, length); }

static int syncs(int fd, long call) {
    if (data_length && control && control->stuck) {
        control->waited++;
        while (control->stuck) usleep(1000);
    }
    int result = syscall(call, fd), error = errno;
    if (!data_length || result) return result;
    pthread_mutex_lock(&lock);
    struct stat is;
    char path[PATH_MAX];
    struct file *file = behind(fd, &is);
    if (file) synced(file, fd);
    else if (fstat(fd, &is) == 0 && S_ISDIR(is.st_mode) && inside(fd, path)) folder_synced(path);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

int fsync(int fd) { return syncs(fd, SYS_fsync); }
int fdatasync(int fd) { return syncs(fd, SYS_fdatasync); }

/* -- the clock ---------------------------------------------------------------------------------- */

static int64_t wrong_by_ms(void) { return control ? control->clock_ms : 0; }

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    /* The C library's own call needs no system call. */
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    int64_t wrong = wrong_by_ms();
    if (result == 0 && wrong && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t nanos = now->tv_nsec + wrong % 1000 * 1000000;
        now->tv_sec += wrong / 1000 + (nanos < 0 ? -1 : nanos / 1000000000);
        now->tv_nsec = (nanos + 1000000000) % 1000000000;
    }
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec precise;
    if (clock_gettime(CLOCK_REALTIME, &precise)) return -1;
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
