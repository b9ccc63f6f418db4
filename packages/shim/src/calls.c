/* System calls that meet no hook of this library, and copies from and to the program's memory that fail instead of crashing. */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

bool pd_is_socket(int fd) {
  struct stat st;
  return fd >= 0 && pd_fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

long pd_call(long number, long a, long b, long c, long d, long e, long f) {
  int saved = errno;
  long result = syscall(number, a, b, c, d, e, f);
  if (result == -1) {
    result = -errno;
  }
  errno = saved;
  return result;
}

/* What the program gets. */
long pd_result(long result) {
  if (result < 0 && result > -4096) {
    errno = (int)-result;
    return -1;
  }
  return result;
}

int pd_open(const char *path, int flags, int mode) {
  return (int)PD_CALL(SYS_openat, AT_FDCWD, path, flags, mode, 0, 0);
}

/* Descriptors of the library's own, a bit each: what the program closes with all it does not know leaves them alone. */
#define MOST_NUMBERS 65536
static _Atomic uint64_t owned[MOST_NUMBERS / 64];

bool pd_is_own(int fd) {
  return fd >= 0 && fd < MOST_NUMBERS && (owned[fd / 64] >> (fd % 64) & 1) != 0;
}

static int own(int fd) {
  if (fd >= 0 && fd < MOST_NUMBERS) {
    owned[fd / 64] |= 1ull << (fd % 64);
  }
  return fd;
}

int pd_close(int fd) {
  if (pd_is_own(fd)) {
    owned[fd / 64] &= ~(1ull << (fd % 64));
  }
  return (int)PD_CALL(SYS_close, fd, 0, 0, 0, 0, 0);
}

int pd_fstat(int fd, struct stat *st) {
  return (int)PD_CALL(SYS_fstat, fd, st, 0, 0, 0, 0);
}

/* Once a process, as long as `pedrera run` wants to know. */
void pd_mark(bool opened) {
  static _Atomic bool said;
  const char *path = getenv("PEDRERA_SHIM_MARK");
  if (path == NULL || *path == '\0' || (opened && atomic_exchange(&said, true))) {
    return;
  }
  int fd = pd_open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd >= 0) {
    PD_CALL(SYS_write, fd, "o", opened ? 1 : 0, 0, 0, 0);
    pd_close(fd);
  }
}

/* Asked of the kernel once: libc asks each time. */
static _Atomic pid_t own_pid;

pid_t pd_pid(void) {
  pid_t pid = own_pid;
  if (pid == 0) {
    pid = (pid_t)PD_CALL(SYS_getpid, 0, 0, 0, 0, 0, 0);
    own_pid = pid;
  }
  return pid;
}

void pd_calls_fork(void) {
  own_pid = 0;
}

static bool copy(long number, uint64_t there, const void *here, size_t size) {
  if (size == 0) {
    return true;
  }
  struct iovec local = {(void *)here, size};
  struct iovec remote = {(void *)(uintptr_t)there, size};
  long done = PD_CALL(number, pd_pid(), &local, 1, &remote, 1, 0);
  if (done == -EPERM || done == -ENOSYS) {
    /* A machine that forbids even the look at oneself: the program's mistakes are its own again. */
    if (number == SYS_process_vm_readv) {
      memcpy((void *)here, (void *)(uintptr_t)there, size);
    } else {
      memcpy((void *)(uintptr_t)there, here, size);
    }
    return true;
  }
  return done == (long)size;
}

bool pd_copy_in(void *to, uint64_t from, size_t size) {
  return copy(SYS_process_vm_readv, from, to, size);
}

bool pd_copy_out(uint64_t to, const void *from, size_t size) {
  return copy(SYS_process_vm_writev, to, from, size);
}

int pd_out_of_the_way(int fd) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return own(fd);
  }
  int from = limit.rlim_cur > 4096 ? 2048 : (int)(limit.rlim_cur / 2);
  int moved = (int)PD_CALL(SYS_fcntl, fd, F_DUPFD_CLOEXEC, from, 0, 0, 0);
  if (moved < 0) {
    return own(fd);
  }
  pd_close(fd);
  return own(moved);
}
