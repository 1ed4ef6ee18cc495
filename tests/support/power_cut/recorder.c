/* Records what a program does to files below one folder, for a later replay with the power cut.
 *
 * Loaded with LD_PRELOAD. RECORDER_ROOT is the folder, RECORDER_LOG the file that is written. Each record is a
 * struct record and the bytes it announces. Stamps are CLOCK_MONOTONIC nanoseconds around the real call. What makes or
 * removes names is done under one lock, so that the order in the log is the order in which it happened; data and syncs
 * run as freely as without the recorder. What cannot be replayed is recorded as such, and fails the replay.
 */
#define _GNU_SOURCE
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
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
  CREATE = 1, WRITE, RESIZE, LINK, RENAME, UNLINK, MKDIR, RMDIR, SYNC_INODE, SYNC_ALL, FOREIGN
};

struct record {
  uint32_t magic;
  uint32_t operation;
  uint64_t begin;
  uint64_t end;
  uint64_t inode;
  uint64_t folder;
  uint64_t other_folder;
  uint64_t offset;
  uint32_t name;
  uint32_t other_name;
  uint64_t data;
};

#define MAGIC 0x74756346u
#define DESCRIPTORS 65536
#define TRACKED 1
#define SYNCED 2

static char root[PATH_MAX];
static size_t root_length;
static int log_file = -1;
static unsigned char descriptors[DESCRIPTORS];
static pthread_mutex_t names = PTHREAD_MUTEX_INITIALIZER;

#define REAL(result, name, ...)                                   \
  static result (*real_##name)(__VA_ARGS__);                      \
  if (!real_##name) real_##name = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

__attribute__((constructor)) static void begin_recording(void) {
  const char *folder = getenv("RECORDER_ROOT"), *log = getenv("RECORDER_LOG");
  if (!folder || !log || strlen(folder) >= sizeof root) return;
  strcpy(root, folder);
  root_length = strlen(root);
  log_file = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void put(struct record *record, const char *name, const char *other, const struct iovec *data, int parts,
                uint64_t length) {
  struct iovec all[1024];
  int count = 0;
  record->magic = MAGIC;
  record->name = name ? (uint32_t)strlen(name) : 0;
  record->other_name = other ? (uint32_t)strlen(other) : 0;
  record->data = length;
  all[count++] = (struct iovec){record, sizeof *record};
  if (record->name) all[count++] = (struct iovec){(void *)name, record->name};
  if (record->other_name) all[count++] = (struct iovec){(void *)other, record->other_name};
  uint64_t left = length;
  for (int i = 0; i < parts && left; i++) {
    size_t bytes = data[i].iov_len < left ? data[i].iov_len : left;
    if (count == 1024) abort();
    all[count++] = (struct iovec){data[i].iov_base, bytes};
    left -= bytes;
  }
  ssize_t wanted = (ssize_t)(sizeof *record + record->name + record->other_name + length);
  if (syscall(SYS_writev, log_file, all, count) != wanted) abort();
}

/* The whole path, and whether it is the root or lies below it. */
static int below(int at, const char *path, char *whole) {
  if (log_file < 0 || !path) return 0;
  if (path[0] == '/') {
    if (snprintf(whole, PATH_MAX, "%s", path) >= PATH_MAX) return 0;
  } else {
    char base[PATH_MAX], link[64];
    ssize_t length;
    if (at == AT_FDCWD) strcpy(link, "/proc/self/cwd");
    else snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    length = readlink(link, base, sizeof base - 1);
    if (length < 0) return 0;
    base[length] = 0;
    if (snprintf(whole, PATH_MAX, "%s/%s", base, path) >= PATH_MAX) return 0;
  }
  size_t length = strlen(whole);
  while (length > 1 && whole[length - 1] == '/') whole[--length] = 0;
  return !strncmp(whole, root, root_length) && (whole[root_length] == '/' || !whole[root_length]);
}

static uint64_t inode_of(const char *path) {
  struct stat s;
  return lstat(path, &s) ? 0 : s.st_ino;
}

/* The inode of the folder a path lies in; `last` becomes the name there. */
static uint64_t folder_of(const char *whole, const char **last) {
  char folder[PATH_MAX];
  const char *slash = strrchr(whole, '/');
  *last = slash + 1;
  memcpy(folder, whole, (size_t)(slash - whole));
  folder[slash - whole] = 0;
  struct stat s;
  return stat(folder, &s) ? 0 : s.st_ino;
}

static void foreign(const char *what) {
  struct record record = {.operation = FOREIGN, .begin = now(), .end = now()};
  put(&record, what, 0, 0, 0, 0);
}

static int tracked(int fd) { return fd >= 0 && fd < DESCRIPTORS ? descriptors[fd] : 0; }

static void track(int fd, int how) {
  if (fd < 0) return;
  if (fd >= DESCRIPTORS) {
    if (how) foreign("a descriptor beyond the recorder's table");
    return;
  }
  descriptors[fd] = (unsigned char)how;
}

static uint64_t inode_behind(int fd) {
  struct stat s;
  return fstat(fd, &s) ? 0 : s.st_ino;
}

static void note_inode(int operation, int fd, uint64_t begin, uint64_t offset) {
  struct record record = {.operation = (uint32_t)operation, .begin = begin, .end = now(), .inode = inode_behind(fd),
                          .offset = offset};
  put(&record, 0, 0, 0, 0, 0);
}

/* --- names --- */

static int opened(int at, const char *path, int flags, mode_t mode) {
  REAL(int, openat64, int, const char *, int, ...);
  char whole[PATH_MAX];
  if (!below(at, path, whole)) {
    int fd = real_openat64(at, path, flags, mode);
    track(fd, 0);
    return fd;
  }
  int how = TRACKED | (flags & (O_SYNC | O_DSYNC) ? SYNCED : 0);
  int nameless = (flags & O_TMPFILE) == O_TMPFILE;
  if (!(flags & (O_CREAT | O_TRUNC)) && !nameless) {
    int fd = real_openat64(at, path, flags, mode);
    track(fd, fd < 0 ? 0 : how);
    return fd;
  }
  pthread_mutex_lock(&names);
  uint64_t begin = now();
  int existed = !nameless && inode_of(whole) != 0;
  int fd = real_openat64(at, path, flags, mode), error = errno;
  if (fd >= 0) {
    track(fd, how);
    if (nameless) {
      note_inode(CREATE, fd, begin, 0);
    } else if (!existed) {
      const char *name;
      uint64_t folder = folder_of(whole, &name);
      struct record record = {.operation = CREATE, .begin = begin, .end = now(), .inode = inode_behind(fd),
                              .folder = folder};
      put(&record, name, 0, 0, 0, 0);
    } else if (flags & O_TRUNC) {
      note_inode(RESIZE, fd, begin, 0);
    }
  }
  pthread_mutex_unlock(&names);
  errno = error;
  return fd;
}

#define MODE                                  \
  mode_t mode = 0;                            \
  if (flags & (O_CREAT | O_TMPFILE)) {        \
    va_list rest;                             \
    va_start(rest, flags);                    \
    mode = va_arg(rest, mode_t);              \
    va_end(rest);                             \
  }

int open(const char *path, int flags, ...) { MODE return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE return opened(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE return opened(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE return opened(at, path, flags, mode); }
int creat(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

int linkat(int at, const char *from, int to_at, const char *to, int flags) {
  REAL(int, linkat, int, const char *, int, const char *, int);
  char whole[PATH_MAX];
  if (!below(to_at, to, whole)) return real_linkat(at, from, to_at, to, flags);
  pthread_mutex_lock(&names);
  uint64_t begin = now();
  int result = real_linkat(at, from, to_at, to, flags), error = errno;
  if (!result) {
    const char *name;
    uint64_t folder = folder_of(whole, &name);
    struct record record = {.operation = LINK, .begin = begin, .end = now(), .inode = inode_of(whole), .folder = folder};
    put(&record, name, 0, 0, 0, 0);
  }
  pthread_mutex_unlock(&names);
  errno = error;
  return result;
}

int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int renameat2(int at, const char *from, int to_at, const char *to, unsigned flags) {
  char whole[PATH_MAX], other[PATH_MAX];
  int source = below(at, from, whole), target = below(to_at, to, other);
  if (!source && !target) return (int)syscall(SYS_renameat2, at, from, to_at, to, flags);
  pthread_mutex_lock(&names);
  uint64_t begin = now();
  int result = (int)syscall(SYS_renameat2, at, from, to_at, to, flags), error = errno;
  if (!result) {
    if (!source || !target || flags & RENAME_EXCHANGE) {
      foreign("a rename across the folder's border, or an exchange");
    } else {
      const char *name, *other_name;
      uint64_t folder = folder_of(whole, &name), other_folder = folder_of(other, &other_name);
      struct record record = {.operation = RENAME, .begin = begin, .end = now(), .inode = inode_of(other),
                              .folder = folder, .other_folder = other_folder};
      put(&record, name, other_name, 0, 0, 0);
    }
  }
  pthread_mutex_unlock(&names);
  errno = error;
  return result;
}

int renameat(int at, const char *from, int to_at, const char *to) { return renameat2(at, from, to_at, to, 0); }
int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }

static int removed(int at, const char *path, int flags) {
  char whole[PATH_MAX];
  if (!below(at, path, whole)) return (int)syscall(SYS_unlinkat, at, path, flags);
  pthread_mutex_lock(&names);
  const char *name;
  uint64_t begin = now(), inode = inode_of(whole), folder = folder_of(whole, &name);
  int result = (int)syscall(SYS_unlinkat, at, path, flags), error = errno;
  if (!result) {
    struct record record = {.operation = flags & AT_REMOVEDIR ? RMDIR : UNLINK, .begin = begin, .end = now(),
                            .inode = inode, .folder = folder};
    put(&record, name, 0, 0, 0, 0);
  }
  pthread_mutex_unlock(&names);
  errno = error;
  return result;
}

int unlinkat(int at, const char *path, int flags) { return removed(at, path, flags); }
int unlink(const char *path) { return removed(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return removed(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int at, const char *path, mode_t mode) {
  char whole[PATH_MAX];
  if (!below(at, path, whole)) return (int)syscall(SYS_mkdirat, at, path, mode);
  pthread_mutex_lock(&names);
  uint64_t begin = now();
  int result = (int)syscall(SYS_mkdirat, at, path, mode), error = errno;
  if (!result) {
    const char *name;
    /* The root itself lies outside: its folder's number is written as 0. */
    uint64_t folder = folder_of(whole, &name);
    struct record record = {.operation = MKDIR, .begin = begin, .end = now(), .inode = inode_of(whole),
                            .folder = whole[root_length] ? folder : 0};
    put(&record, name, 0, 0, 0, 0);
  }
  pthread_mutex_unlock(&names);
  errno = error;
  return result;
}

int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int symlinkat(const char *to, int at, const char *path) {
  char whole[PATH_MAX];
  if (below(at, path, whole)) foreign("a symbolic link");
  return (int)syscall(SYS_symlinkat, to, at, path);
}

int symlink(const char *to, const char *path) { return symlinkat(to, AT_FDCWD, path); }

/* --- descriptors --- */

int close(int fd) {
  track(fd, 0);
  return (int)syscall(SYS_close, fd);
}

static int doubled(int fd, int copy) {
  track(copy, tracked(fd));
  return copy;
}

int dup(int fd) { return doubled(fd, (int)syscall(SYS_dup, fd)); }
int dup2(int fd, int to) { return fd == to ? fd : doubled(fd, (int)syscall(SYS_dup3, fd, to, 0)); }
int dup3(int fd, int to, int flags) { return doubled(fd, (int)syscall(SYS_dup3, fd, to, flags)); }

static int controlled(int fd, int command, void *argument) {
  int result = (int)syscall(SYS_fcntl, fd, command, argument);
  return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? doubled(fd, result) : result;
}

#define ARGUMENT                        \
  va_list rest;                         \
  va_start(rest, command);              \
  void *argument = va_arg(rest, void *); \
  va_end(rest);

int fcntl(int fd, int command, ...) { ARGUMENT return controlled(fd, command, argument); }
int fcntl64(int fd, int command, ...) { ARGUMENT return controlled(fd, command, argument); }

/* --- data --- */

static void wrote(int fd, uint64_t begin, uint64_t offset, const struct iovec *data, int parts, ssize_t length) {
  int error = errno;
  struct record record = {.operation = WRITE, .begin = begin, .end = now(), .inode = inode_behind(fd),
                          .offset = offset};
  put(&record, 0, 0, data, parts, (uint64_t)length);
  if (tracked(fd) & SYNCED) note_inode(SYNC_INODE, fd, now(), 0);
  errno = error;
}

ssize_t writev(int fd, const struct iovec *data, int parts) {
  REAL(ssize_t, writev, int, const struct iovec *, int);
  if (!tracked(fd)) return real_writev(fd, data, parts);
  uint64_t begin = now();
  ssize_t length = real_writev(fd, data, parts);
  if (length > 0) wrote(fd, begin, (uint64_t)(lseek(fd, 0, SEEK_CUR) - length), data, parts, length);
  return length;
}

ssize_t write(int fd, const void *bytes, size_t count) {
  REAL(ssize_t, write, int, const void *, size_t);
  if (!tracked(fd)) return real_write(fd, bytes, count);
  struct iovec data = {(void *)bytes, count};
  return writev(fd, &data, 1);
}

ssize_t pwritev64v2(int fd, const struct iovec *data, int parts, off64_t offset, int flags) {
  REAL(ssize_t, pwritev64v2, int, const struct iovec *, int, off64_t, int);
  if (!tracked(fd)) return real_pwritev64v2(fd, data, parts, offset, flags);
  uint64_t begin = now();
  ssize_t length = real_pwritev64v2(fd, data, parts, offset, flags);
  if (length > 0) {
    if (offset == -1) foreign("pwritev2 at the file's own position");
    wrote(fd, begin, (uint64_t)offset, data, parts, length);
    if (flags & (RWF_SYNC | RWF_DSYNC)) note_inode(SYNC_INODE, fd, now(), 0);
  }
  return length;
}

ssize_t pwritev2(int fd, const struct iovec *data, int parts, off_t offset, int flags) {
  return pwritev64v2(fd, data, parts, offset, flags);
}

ssize_t pwritev64(int fd, const struct iovec *data, int parts, off64_t offset) {
  return pwritev64v2(fd, data, parts, offset, 0);
}

ssize_t pwritev(int fd, const struct iovec *data, int parts, off_t offset) {
  return pwritev64v2(fd, data, parts, offset, 0);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
  REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
  uint64_t begin = now();
  ssize_t length = real_pwrite64(fd, bytes, count, offset);
  if (length > 0 && tracked(fd)) {
    struct iovec data = {(void *)bytes, count};
    wrote(fd, begin, (uint64_t)offset, &data, 1, length);
  }
  return length;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) { return pwrite64(fd, bytes, count, offset); }

int ftruncate64(int fd, off64_t length) {
  uint64_t begin = now();
  int result = (int)syscall(SYS_ftruncate, fd, length);
  if (!result && tracked(fd)) note_inode(RESIZE, fd, begin, (uint64_t)length);
  return result;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int truncate64(const char *path, off64_t length) {
  char whole[PATH_MAX];
  if (below(AT_FDCWD, path, whole)) foreign("truncate by name");
  return (int)syscall(SYS_truncate, path, length);
}

int truncate(const char *path, off_t length) { return truncate64(path, length); }

int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
  struct stat before;
  uint64_t begin = now();
  if (tracked(fd) && mode & ~FALLOC_FL_KEEP_SIZE) foreign("fallocate that changes content");
  fstat(fd, &before);
  int result = (int)syscall(SYS_fallocate, fd, mode, offset, length);
  if (!result && tracked(fd) && !mode && before.st_size < offset + length)
    note_inode(RESIZE, fd, begin, (uint64_t)(offset + length));
  return result;
}

int fallocate(int fd, int mode, off_t offset, off_t length) { return fallocate64(fd, mode, offset, length); }
int posix_fallocate64(int fd, off64_t offset, off64_t length) { return fallocate64(fd, 0, offset, length) ? errno : 0; }
int posix_fallocate(int fd, off_t offset, off_t length) { return fallocate64(fd, 0, offset, length) ? errno : 0; }

/* Copies inside the kernel: whoever wants one falls back to reading and writing. */
ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t length, unsigned flags) {
  if (tracked(to)) return errno = ENOSYS, -1;
  return syscall(SYS_copy_file_range, from, from_at, to, to_at, length, flags);
}

ssize_t sendfile64(int to, int from, off64_t *offset, size_t length) {
  if (tracked(to)) return errno = EINVAL, -1;
  return syscall(SYS_sendfile, to, from, offset, length);
}

ssize_t sendfile(int to, int from, off_t *offset, size_t length) { return sendfile64(to, from, offset, length); }

ssize_t splice(int from, off64_t *from_at, int to, off64_t *to_at, size_t length, unsigned flags) {
  if (tracked(to)) return errno = EINVAL, -1;
  return syscall(SYS_splice, from, from_at, to, to_at, length, flags);
}

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset) {
  if (fd >= 0 && tracked(fd) && protection & PROT_WRITE && (flags & MAP_TYPE) != MAP_PRIVATE)
    foreign("a file mapped for writing");
  return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
  return mmap64(address, length, protection, flags, fd, offset);
}

/* --- syncs; sync_file_range is none --- */

static int on_the_roots_file_system(int fd) {
  struct stat ours, theirs;
  return log_file >= 0 && !stat(root, &ours) && !fstat(fd, &theirs) && ours.st_dev == theirs.st_dev;
}

static int synced(int fd, long call, int operation) {
  uint64_t begin = now();
  int result = (int)syscall(call, fd);
  if (!result && (operation == SYNC_ALL ? on_the_roots_file_system(fd) : tracked(fd)))
    note_inode(operation, fd, begin, 0);
  return result;
}

int fsync(int fd) { return synced(fd, SYS_fsync, SYNC_INODE); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync, SYNC_INODE); }
int syncfs(int fd) { return synced(fd, SYS_syncfs, SYNC_ALL); }

void sync(void) {
  uint64_t begin = now();
  syscall(SYS_sync);
  if (log_file >= 0) note_inode(SYNC_ALL, -1, begin, 0);
}
