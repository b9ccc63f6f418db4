/* Functions of libc on descriptors and paths. Owns which of them are answered here; how is said elsewhere. */
#include "shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#define NOT_OURS (-4096)

void *pd_next(const char *name) {
  return dlsym(RTLD_NEXT, name);
}

static void before_fork(void) {
  pd_files_fork(0);
}

static void in_parent(void) {
  pd_files_fork(1);
}

static void in_child(void) {
  pd_calls_fork();
  pd_handed_fork();
  pd_files_fork(2);
  pd_memory_fork();
  pd_lend_fork();
  pd_virtual_fork();
  pd_epoll_fork();
}

/* Says to `pedrera run` that the library is in the program. */
__attribute__((constructor)) static void loaded(void) {
  pthread_atfork(before_fork, in_parent, in_child);
  pd_mark(false);
}

/* A descriptor, -errno, or NOT_OURS. */
static int open_ours(int directory, const char *path, int flags) {
  char joined[512];
  path = pd_absolute(directory, path, joined);
  if (path == NULL) {
    return NOT_OURS;
  }
  char tidy[256];
  struct pd_node node;
  if (pd_node_of(path, &node)) {
    int fd = pd_open_node(&node, flags);
    /* Without a device behind it there is no node either. */
    return fd == -ENOENT || fd == -ENXIO ? NOT_OURS : fd;
  }
  struct pd_node_info info;
  enum pd_what what = pd_virtual(path, true, tidy, &info);
  if (what == PD_NOTHING || (what == PD_DIRECTORY && pd_is_mixed(tidy))) {
    return NOT_OURS;
  }
  if (what == PD_FILE && path[strlen(path) - 1] == '/') {
    return -ENOTDIR;
  }
  return pd_virtual_open(tidy, &info, flags);
}

static int open_any(int directory, const char *path, int flags, mode_t mode) {
  long fd = open_ours(directory, path, flags);
  long missing = fd == NOT_OURS ? pd_missing(directory, path) : fd;
  return (int)pd_result(missing == 0 && fd == NOT_OURS ? PD_CALL(SYS_openat, directory, path, flags, mode, 0, 0) : missing);
}

#define MODE_OF(flags)                                       \
  mode_t mode = 0;                                           \
  if (((flags) & (O_CREAT | __O_TMPFILE)) != 0) {            \
    va_list list;                                            \
    va_start(list, flags);                                   \
    mode = va_arg(list, mode_t);                             \
    va_end(list);                                            \
  }

PD_EXPORT int open(const char *path, int flags, ...) {
  MODE_OF(flags)
  return open_any(AT_FDCWD, path, flags, mode);
}
PD_EXPORT int open64(const char *path, int flags, ...) {
  MODE_OF(flags)
  return open_any(AT_FDCWD, path, flags, mode);
}
PD_EXPORT int openat(int directory, const char *path, int flags, ...) {
  MODE_OF(flags)
  return open_any(directory, path, flags, mode);
}
PD_EXPORT int openat64(int directory, const char *path, int flags, ...) {
  MODE_OF(flags)
  return open_any(directory, path, flags, mode);
}
PD_EXPORT int __open_2(const char *path, int flags) {
  return open_any(AT_FDCWD, path, flags, 0);
}
PD_EXPORT int __open64_2(const char *path, int flags) {
  return open_any(AT_FDCWD, path, flags, 0);
}
PD_EXPORT int __openat_2(int directory, const char *path, int flags) {
  return open_any(directory, path, flags, 0);
}
PD_EXPORT int __openat64_2(int directory, const char *path, int flags) {
  return open_any(directory, path, flags, 0);
}

PD_EXPORT int creat(const char *path, mode_t mode) {
  return open_any(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

PD_EXPORT int ioctl(int fd, unsigned long command, ...) {
  va_list list;
  va_start(list, command);
  uint64_t argument = (uint64_t)(uintptr_t)va_arg(list, void *);
  va_end(list);
  struct pd_file *file = pd_get_file(fd);
  if (file == NULL) {
    bool handed = pd_is_handed(fd) && ((command >> 8) & 0xff) != 'T';
    return (int)pd_result(handed ? pd_handed_ioctl(fd, (uint32_t)command, argument)
                                 : PD_CALL(SYS_ioctl, fd, command, argument, 0, 0, 0));
  }
  long result = pd_ioctl(file, fd, (uint32_t)command, argument);
  pd_put_file(file);
  return (int)pd_result(result);
}

PD_EXPORT void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset) {
  return (void *)pd_result(pd_mmap(addr, length, prot, flags, fd, offset));
}
PD_EXPORT void *mmap64(void *addr, size_t length, int prot, int flags, int fd, off_t offset) {
  return (void *)pd_result(pd_mmap(addr, length, prot, flags, fd, offset));
}
PD_EXPORT int munmap(void *addr, size_t length) {
  return (int)pd_result(pd_munmap(addr, length));
}

/* Neither devices nor shared objects can be read or written (uapi.md 1.5, 6.2); what is behind the descriptor is a conversation. */
static bool is_object(int fd) {
  return pd_active() && pd_polled(fd) != PD_POLL_KERNEL;
}

static long plain(long number, int fd, const void *memory, size_t size, off_t offset) {
  return is_object(fd) ? -EINVAL : PD_CALL(number, fd, memory, size, offset, 0, 0);
}

/* Reads where the descriptor stands, and moves it on. */
static long read_on(int fd, const char *path, void *to, size_t size) {
  long at = PD_CALL(SYS_lseek, fd, 0, SEEK_CUR, 0, 0, 0);
  long got = at < 0 ? at : pd_virtual_read(path, to, size, (uint64_t)at);
  if (got > 0) {
    PD_CALL(SYS_lseek, fd, at + got, SEEK_SET, 0, 0, 0);
  }
  return got;
}

static long read_any(int fd, void *to, size_t size) {
  char path[256];
  return pd_result(pd_virtual_path(fd, path) ? read_on(fd, path, to, size) : plain(SYS_read, fd, to, size, 0));
}

static long pread_any(int fd, void *to, size_t size, off_t offset) {
  char path[256];
  if (pd_virtual_path(fd, path)) {
    return pd_result(offset < 0 ? -EINVAL : pd_virtual_read(path, to, size, (uint64_t)offset));
  }
  return pd_result(plain(SYS_pread64, fd, to, size, offset));
}

static long write_any(int fd, const void *from, size_t size) {
  char path[256];
  if (!pd_virtual_path(fd, path)) {
    return pd_result(plain(SYS_write, fd, from, size, 0));
  }
  long at = PD_CALL(SYS_lseek, fd, 0, SEEK_CUR, 0, 0, 0);
  long written = at < 0 ? at : pd_virtual_write(path, from, size, (uint64_t)at);
  if (written > 0) {
    PD_CALL(SYS_lseek, fd, at + written, SEEK_SET, 0, 0, 0);
  }
  return pd_result(written);
}

static long pwrite_any(int fd, const void *from, size_t size, off_t offset) {
  char path[256];
  if (pd_virtual_path(fd, path)) {
    return pd_result(offset < 0 ? -EINVAL : pd_virtual_write(path, from, size, (uint64_t)offset));
  }
  return pd_result(plain(SYS_pwrite64, fd, from, size, offset));
}

PD_EXPORT ssize_t read(int fd, void *to, size_t size) {
  return read_any(fd, to, size);
}
PD_EXPORT ssize_t __read_chk(int fd, void *to, size_t size, size_t room) {
  if (size > room) {
    abort();
  }
  return read_any(fd, to, size);
}
PD_EXPORT ssize_t pread(int fd, void *to, size_t size, off_t offset) {
  return pread_any(fd, to, size, offset);
}
PD_EXPORT ssize_t pread64(int fd, void *to, size_t size, off_t offset) {
  return pread_any(fd, to, size, offset);
}
PD_EXPORT ssize_t __pread_chk(int fd, void *to, size_t size, off_t offset, size_t room) {
  if (size > room) {
    abort();
  }
  return pread_any(fd, to, size, offset);
}
PD_EXPORT ssize_t __pread64_chk(int fd, void *to, size_t size, off_t offset, size_t room) {
  if (size > room) {
    abort();
  }
  return pread_any(fd, to, size, offset);
}
PD_EXPORT ssize_t write(int fd, const void *from, size_t size) {
  return write_any(fd, from, size);
}
PD_EXPORT ssize_t pwrite(int fd, const void *from, size_t size, off_t offset) {
  return pwrite_any(fd, from, size, offset);
}
PD_EXPORT ssize_t pwrite64(int fd, const void *from, size_t size, off_t offset) {
  return pwrite_any(fd, from, size, offset);
}
PD_EXPORT ssize_t readv(int fd, const struct iovec *parts, int count) {
  return pd_result(plain(SYS_readv, fd, parts, (size_t)count, 0));
}
PD_EXPORT ssize_t writev(int fd, const struct iovec *parts, int count) {
  return pd_result(plain(SYS_writev, fd, parts, (size_t)count, 0));
}
