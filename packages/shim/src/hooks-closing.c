/*
 * close and its like. A program that closes everything it did not open itself, as daemons do at their start, leaves the library's
 * own descriptors alone: for it there are none.
 */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE 2u
#endif

static long close_one(int fd) {
  if (pd_is_own(fd)) {
    return -EBADF;
  }
  pd_epoll_closed(fd);
  struct pd_file *file = pd_get_file(fd);
  return file == NULL ? pd_close(fd) : pd_close_file(file, fd);
}

PD_EXPORT int close(int fd) {
  return (int)pd_result(close_one(fd));
}

struct entry {
  uint64_t ino;
  int64_t off;
  unsigned short reclen;
  unsigned char type;
  char name[];
};

/* In the order of the kernel's list; while it is read, nothing is closed that it lists itself with. -errno if there is no list. */
static long close_listed(unsigned first, unsigned last) {
  int directory = pd_open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (directory < 0) {
    return directory;
  }
  char buffer[4096] __attribute__((aligned(8)));
  long got;
  while ((got = PD_CALL(SYS_getdents64, directory, buffer, sizeof buffer, 0, 0, 0)) > 0) {
    for (long at = 0; at < got;) {
      struct entry *entry = (struct entry *)(buffer + at);
      at += entry->reclen;
      unsigned fd = (unsigned)atoi(entry->name);
      if (entry->name[0] != '.' && fd >= first && fd <= last && (int)fd != directory) {
        close_one((int)fd);
      }
    }
  }
  pd_close(directory);
  return 0;
}

static long close_from_to(unsigned first, unsigned last, int flags) {
  /* Marking closes nothing: what is the library's is marked already. A table of the thread's own is for the kernel to make. */
  if (!pd_active() || first > last || (flags & ~(int)CLOSE_RANGE_UNSHARE) != 0) {
    return PD_CALL(SYS_close_range, first, last, flags, 0, 0, 0);
  }
  if (flags != 0) {
    long result = unshare(CLONE_FILES);
    if (result != 0) {
      return -errno;
    }
  }
  long result = close_listed(first, last);
  return result == 0 ? 0 : PD_CALL(SYS_close_range, first, last, 0, 0, 0, 0);
}

PD_EXPORT int close_range(unsigned first, unsigned last, int flags) {
  return (int)pd_result(close_from_to(first, last, flags));
}

PD_EXPORT void closefrom(int first) {
  close_from_to(first < 0 ? 0 : (unsigned)first, ~0u, 0);
}
