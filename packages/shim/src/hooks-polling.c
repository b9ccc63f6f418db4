/*
 * poll, select and epoll in all their spellings, where descriptors of this library are among those that are asked about: a
 * dma-buf or a sync file is as ready as the daemon says, a device as ready as a file without a poll operation of its own is.
 * Must not know: what makes an object ready.
 */
#include "shim.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>

/* Who asks both the kernel and the daemon looks this often. */
#define SLICE_NS 2000000
#define SIGNALS_BYTES 8
#define FEW 64
#define FILE_EVENTS (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM)

int64_t pd_now_ns(void) {
  struct timespec time;
  PD_CALL(SYS_clock_gettime, CLOCK_MONOTONIC, &time, 0, 0, 0, 0);
  return time.tv_sec * 1000000000ll + time.tv_nsec;
}

enum pd_polled pd_polled(int fd) {
  if (!pd_is_socket(fd)) {
    return PD_POLL_KERNEL;
  }
  struct pd_file *file = pd_get_file(fd);
  if (file == NULL) {
    return pd_is_handed(fd) ? PD_POLL_HANDED : PD_POLL_KERNEL;
  }
  /* DRM's nodes tell of events of its own, of which there are none. */
  bool drm = strncmp(file->node.name, "accel", 5) == 0 && strchr(file->node.name, '_') == NULL;
  pd_put_file(file);
  return drm ? PD_POLL_NEVER : PD_POLL_ALWAYS;
}

struct set {
  struct pollfd *fds, *kernel;
  uint8_t *kinds;
  nfds_t count;
};

/* What is known without the kernel; how many are ready, or -errno. */
static long ask_here(struct set *set) {
  long ready = 0;
  for (nfds_t i = 0; i < set->count; i++) {
    struct pollfd *one = &set->fds[i];
    int events = 0;
    if (set->kinds[i] == PD_POLL_KERNEL) {
      continue;
    }
    if (set->kinds[i] == PD_POLL_ALWAYS) {
      events = one->events & FILE_EVENTS;
    } else if (set->kinds[i] == PD_POLL_HANDED) {
      events = pd_handed_poll(one->fd, one->events, 0);
      if (events < 0) {
        return events;
      }
    }
    one->revents = (short)events;
    ready += events != 0;
  }
  return ready;
}

static long ask_kernel(struct set *set, int64_t wait_ns, const sigset_t *mask) {
  struct timespec time = {wait_ns / 1000000000, wait_ns % 1000000000};
  long result = PD_CALL(SYS_ppoll, set->kernel, set->count, &time, mask, SIGNALS_BYTES, 0);
  for (nfds_t i = 0; i < set->count && result >= 0; i++) {
    if (set->kinds[i] == PD_POLL_KERNEL) {
      set->fds[i].revents = set->kernel[i].revents;
    }
  }
  return result;
}

static long ask_both(struct set *set, int64_t until_ns, const sigset_t *mask) {
  for (;;) {
    long ready = ask_here(set);
    if (ready < 0) {
      return ready;
    }
    int64_t left = until_ns - pd_now_ns();
    int64_t wait = ready > 0 || left <= 0 ? 0 : left < SLICE_NS ? left : SLICE_NS;
    long others = ask_kernel(set, wait, mask);
    if (others < 0 || ready + others > 0 || left <= 0) {
      return others < 0 ? others : ready + others;
    }
  }
}

/* Signals come during the questions to the kernel only: none is lost between two of them. */
static long ask_guarded(struct set *set, int64_t until_ns, const sigset_t *mask) {
  sigset_t all, before;
  sigfillset(&all);
  PD_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, SIGNALS_BYTES, 0, 0);
  long result = ask_both(set, until_ns, mask != NULL ? mask : &before);
  PD_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, SIGNALS_BYTES, 0, 0);
  return result;
}

static bool concerns(const struct pollfd *fds, nfds_t count) {
  for (nfds_t i = 0; i < count && pd_active(); i++) {
    int fd;
    if (!pd_copy_in(&fd, (uint64_t)(uintptr_t)&fds[i].fd, sizeof fd)) {
      return false;
    }
    if (pd_polled(fd) != PD_POLL_KERNEL) {
      return true;
    }
  }
  return false;
}

static long poll_mixed(struct pollfd *fds, nfds_t count, int64_t until_ns, const sigset_t *mask) {
  struct pollfd few[FEW];
  uint8_t few_kinds[FEW];
  struct set set = {fds, few, few_kinds, count};
  if (count > FEW) {
    set.kernel = malloc(count * sizeof *set.kernel);
    set.kinds = malloc(count);
  }
  long result = -ENOMEM;
  if (set.kernel != NULL && set.kinds != NULL) {
    for (nfds_t i = 0; i < count; i++) {
      set.kinds[i] = (uint8_t)pd_polled(fds[i].fd);
      set.kernel[i] = fds[i];
      set.kernel[i].fd = set.kinds[i] == PD_POLL_KERNEL ? fds[i].fd : -1;
    }
    result = ask_guarded(&set, until_ns, mask);
  }
  if (count > FEW) {
    free(set.kernel);
    free(set.kinds);
  }
  return result;
}

static int64_t until(const struct timespec *timeout) {
  return timeout == NULL ? INT64_MAX : pd_now_ns() + timeout->tv_sec * 1000000000ll + timeout->tv_nsec;
}

static int poll_any(struct pollfd *fds, nfds_t count, int timeout_ms) {
  if (!concerns(fds, count)) {
    return (int)pd_result(PD_CALL(SYS_poll, fds, count, timeout_ms, 0, 0, 0));
  }
  if (count == 1 && pd_polled(fds[0].fd) == PD_POLL_HANDED) {
    /* The daemon waits. */
    int events = pd_handed_poll(fds[0].fd, fds[0].events, timeout_ms);
    fds[0].revents = (short)(events < 0 ? 0 : events);
    return (int)pd_result(events < 0 ? events : events != 0);
  }
  int64_t end = timeout_ms < 0 ? INT64_MAX : pd_now_ns() + timeout_ms * 1000000ll;
  return (int)pd_result(poll_mixed(fds, count, end, NULL));
}

static int ppoll_any(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask) {
  if (!concerns(fds, count)) {
    struct timespec copy = timeout == NULL ? (struct timespec){0, 0} : *timeout;
    return (int)pd_result(PD_CALL(SYS_ppoll, fds, count, timeout == NULL ? NULL : &copy, mask, SIGNALS_BYTES, 0));
  }
  return (int)pd_result(poll_mixed(fds, count, until(timeout), mask));
}

PD_EXPORT int poll(struct pollfd *fds, nfds_t count, int timeout_ms) {
  return poll_any(fds, count, timeout_ms);
}
PD_EXPORT int __poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t room) {
  if (room / sizeof *fds < count) {
    abort();
  }
  return poll_any(fds, count, timeout_ms);
}
PD_EXPORT int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask) {
  return ppoll_any(fds, count, timeout, mask);
}
PD_EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask, size_t room) {
  if (room / sizeof *fds < count) {
    abort();
  }
  return ppoll_any(fds, count, timeout, mask);
}

/* fd_set has as many bits as the caller says, which may be more than the type has. */
static bool in_set(int fd, const fd_set *set) {
  return set != NULL && (((const uint64_t *)(const void *)set)[fd / 64] >> (fd % 64) & 1) != 0;
}

static void put_in(int fd, fd_set *set, bool member) {
  if (set != NULL && member) {
    ((uint64_t *)(void *)set)[fd / 64] |= 1ull << (fd % 64);
  }
}

static void clear(fd_set *set, int count) {
  if (set != NULL) {
    memset(set, 0, (size_t)(count + 63) / 64 * 8);
  }
}

/* Of those in the sets: as poll asks of them. */
static nfds_t as_poll(int count, const fd_set *reads, const fd_set *writes, const fd_set *others, struct pollfd *fds) {
  nfds_t used = 0;
  for (int fd = 0; fd < count; fd++) {
    int events = (in_set(fd, reads) ? POLLIN | POLLRDNORM | POLLRDBAND : 0) |
                 (in_set(fd, writes) ? POLLOUT | POLLWRNORM | POLLWRBAND : 0) | (in_set(fd, others) ? POLLPRI : 0);
    if (events != 0) {
      fds[used++] = (struct pollfd){fd, (short)events, 0};
    }
  }
  return used;
}

/* As the kernel's own table of what is what (select(2), "Correspondence between select() and poll()"). */
static long as_sets(const struct pollfd *fds, nfds_t used, int count, fd_set *reads, fd_set *writes, fd_set *others) {
  for (nfds_t i = 0; i < used; i++) {
    if ((fds[i].revents & POLLNVAL) != 0) {
      return -EBADF;
    }
  }
  clear(reads, count);
  clear(writes, count);
  clear(others, count);
  long members = 0;
  for (nfds_t i = 0; i < used; i++) {
    int got = fds[i].revents, asked = fds[i].events;
    bool readable = (asked & POLLIN) != 0 && (got & (POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR)) != 0;
    bool writable = (asked & POLLOUT) != 0 && (got & (POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR)) != 0;
    bool special = (asked & POLLPRI) != 0 && (got & POLLPRI) != 0;
    put_in(fds[i].fd, reads, readable);
    put_in(fds[i].fd, writes, writable);
    put_in(fds[i].fd, others, special);
    members += readable + writable + special;
  }
  return members;
}

#define NOT_HERE (-4096)

static long select_here(int count, fd_set *reads, fd_set *writes, fd_set *others, int64_t until_ns, const sigset_t *mask) {
  if (!pd_active() || count <= 0) {
    return NOT_HERE;
  }
  struct pollfd *fds = malloc((size_t)count * sizeof *fds);
  if (fds == NULL) {
    return -ENOMEM;
  }
  nfds_t used = as_poll(count, reads, writes, others, fds);
  long result = NOT_HERE;
  if (concerns(fds, used)) {
    result = poll_mixed(fds, used, until_ns, mask);
    result = result < 0 ? result : as_sets(fds, used, count, reads, writes, others);
  }
  free(fds);
  return result;
}

PD_EXPORT int select(int count, fd_set *reads, fd_set *writes, fd_set *others, struct timeval *timeout) {
  int64_t end = timeout == NULL ? INT64_MAX : pd_now_ns() + timeout->tv_sec * 1000000000ll + timeout->tv_usec * 1000;
  long result = select_here(count, reads, writes, others, end, NULL);
  if (result == NOT_HERE) {
    return (int)pd_result(PD_CALL(SYS_select, count, reads, writes, others, timeout, 0));
  }
  if (timeout != NULL) {
    /* Linux tells what is left of it. */
    int64_t left = end - pd_now_ns();
    left = left < 0 ? 0 : left;
    *timeout = (struct timeval){left / 1000000000, left % 1000000000 / 1000};
  }
  return (int)pd_result(result);
}

PD_EXPORT int pselect(int count, fd_set *reads, fd_set *writes, fd_set *others, const struct timespec *timeout,
                      const sigset_t *mask) {
  long result = select_here(count, reads, writes, others, until(timeout), mask);
  if (result == NOT_HERE) {
    struct timespec copy = timeout == NULL ? (struct timespec){0, 0} : *timeout;
    struct {
      const sigset_t *mask;
      size_t size;
    } with = {mask, SIGNALS_BYTES};
    result = PD_CALL(SYS_pselect6, count, reads, writes, others, timeout == NULL ? NULL : &copy, &with);
  }
  return (int)pd_result(result);
}
