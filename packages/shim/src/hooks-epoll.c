/*
 * epoll on descriptors of this library. The kernel has them, too, with an event that comes once: it knows when they are closed
 * and wakes who waits already; what they are ready for is asked of the daemon.
 * Must not know: what makes an object ready.
 */
#include "shim.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>

#define SLICE_MS 2
#define SIGNALS_BYTES 8
/* What the kernel says of ours; no program's data. */
#define OURS 0x70656472657261e1ull

struct watched {
  struct watched *next;
  int epoll, fd;
  struct epoll_event wanted;
  /* What was told last, for who wants changes only. */
  uint32_t told;
};

static struct watched *all;
static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;

void pd_epoll_fork(void) {
  pthread_mutex_init(&all_lock, NULL);
}

/* With the lock. */
static struct watched **find(int epoll, int fd) {
  struct watched **at = &all;
  while (*at != NULL && ((*at)->epoll != epoll || (*at)->fd != fd)) {
    at = &(*at)->next;
  }
  return at;
}

static void drop(struct watched **at) {
  struct watched *gone = *at;
  *at = gone->next;
  free(gone);
}

void pd_epoll_closed(int fd) {
  if (__atomic_load_n(&all, __ATOMIC_RELAXED) == NULL) {
    return;
  }
  pthread_mutex_lock(&all_lock);
  for (struct watched **at = &all; *at != NULL;) {
    if ((*at)->epoll == fd || (*at)->fd == fd) {
      drop(at);
    } else {
      at = &(*at)->next;
    }
  }
  pthread_mutex_unlock(&all_lock);
}

static bool watches(int epoll) {
  if (__atomic_load_n(&all, __ATOMIC_ACQUIRE) == NULL) {
    return false;
  }
  pthread_mutex_lock(&all_lock);
  struct watched *one = all;
  while (one != NULL && one->epoll != epoll) {
    one = one->next;
  }
  pthread_mutex_unlock(&all_lock);
  return one != NULL;
}

static long control(int epoll, int operation, int fd, const struct epoll_event *event) {
  struct epoll_event wanted, ours = {.events = EPOLLOUT | EPOLLONESHOT, .data.u64 = OURS};
  if (operation != EPOLL_CTL_DEL && !pd_copy_in(&wanted, (uint64_t)(uintptr_t)event, sizeof wanted)) {
    return -EFAULT;
  }
  pthread_mutex_lock(&all_lock);
  struct watched *one = operation == EPOLL_CTL_ADD ? calloc(1, sizeof *one) : NULL;
  long result = operation == EPOLL_CTL_ADD && one == NULL ? -ENOMEM : PD_CALL(SYS_epoll_ctl, epoll, operation, fd, &ours, 0, 0);
  struct watched **at = find(epoll, fd);
  if (result == 0 && operation == EPOLL_CTL_ADD) {
    *one = (struct watched){all, epoll, fd, wanted, 0};
    __atomic_store_n(&all, one, __ATOMIC_RELEASE);
  } else if (result == 0 && operation == EPOLL_CTL_MOD && *at != NULL) {
    (*at)->wanted = wanted;
    (*at)->told = 0;
  } else if (result == 0 && *at != NULL) {
    drop(at);
  } else {
    free(one);
  }
  pthread_mutex_unlock(&all_lock);
  return result;
}

PD_EXPORT int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event) {
  switch (pd_active() ? pd_polled(fd) : PD_POLL_KERNEL) {
    case PD_POLL_HANDED:
      return (int)pd_result(control(epoll, operation, fd, event));
    case PD_POLL_ALWAYS:
      /* A file without a poll operation (epoll_ctl(2)). */
      return (int)pd_result(-EPERM);
    case PD_POLL_NEVER: {
      struct epoll_event nothing = {.events = EPOLLONESHOT, .data.u64 = OURS};
      return (int)pd_result(PD_CALL(SYS_epoll_ctl, epoll, operation, fd, &nothing, 0, 0));
    }
    default:
      return (int)pd_result(PD_CALL(SYS_epoll_ctl, epoll, operation, fd, event, 0, 0));
  }
}

/* What is new of one, by what was asked for; 0 if nothing. */
static uint32_t news(struct watched *one) {
  int ready = pd_handed_poll(one->fd, (int)(one->wanted.events & (EPOLLIN | EPOLLOUT)), 0);
  uint32_t now = ready < 0 ? 0 : (uint32_t)ready;
  uint32_t fresh = (one->wanted.events & EPOLLET) != 0 ? now & ~one->told : now;
  one->told = now;
  if (fresh != 0 && (one->wanted.events & EPOLLONESHOT) != 0) {
    one->wanted.events &= ~(uint32_t)(EPOLLIN | EPOLLOUT);
  }
  return fresh != 0 ? now : 0;
}

static int ask_here(int epoll, struct epoll_event *events, int room) {
  int count = 0;
  pthread_mutex_lock(&all_lock);
  for (struct watched *one = all; one != NULL && count < room; one = one->next) {
    uint32_t ready = one->epoll == epoll ? news(one) : 0;
    if (ready != 0) {
      events[count++] = (struct epoll_event){.events = ready, .data = one->wanted.data};
    }
  }
  pthread_mutex_unlock(&all_lock);
  return count;
}

/* The kernel's, without those that only say that something of this library's is there. */
static long ask_kernel(int epoll, struct epoll_event *events, int room, int timeout_ms, const sigset_t *mask) {
  long got = PD_CALL(SYS_epoll_pwait, epoll, events, room, timeout_ms, mask, SIGNALS_BYTES);
  long kept = 0;
  for (long i = 0; i < got; i++) {
    if (events[i].data.u64 != OURS) {
      events[kept++] = events[i];
    }
  }
  return got < 0 ? got : kept;
}

static long wait_both(int epoll, struct epoll_event *events, int room, int64_t until_ns, const sigset_t *mask) {
  for (;;) {
    int64_t left = until_ns == INT64_MAX ? INT64_MAX : (until_ns - pd_now_ns() + 999999) / 1000000;
    int count = ask_here(epoll, events, room);
    int slice = count > 0 || left <= 0 ? 0 : left < SLICE_MS ? (int)left : SLICE_MS;
    long others = count == room ? 0 : ask_kernel(epoll, events + count, room - count, slice, mask);
    if (others < 0 && count == 0) {
      return others;
    }
    count += others < 0 ? 0 : (int)others;
    if (count > 0 || left <= 0) {
      return count;
    }
  }
}

static int wait_any(int epoll, struct epoll_event *events, int room, int timeout_ms, const sigset_t *mask) {
  int64_t until = timeout_ms < 0 ? INT64_MAX : pd_now_ns() + timeout_ms * 1000000ll;
  while (room > 0 && !watches(epoll)) {
    long got = PD_CALL(SYS_epoll_pwait, epoll, events, room, timeout_ms, mask, SIGNALS_BYTES);
    if (got <= 0 || !watches(epoll)) {
      return (int)pd_result(got);
    }
    /* Another thread has added one of this library's meanwhile. */
    long kept = 0;
    for (long i = 0; i < got; i++) {
      if (events[i].data.u64 != OURS) {
        events[kept++] = events[i];
      }
    }
    if (kept > 0) {
      return (int)kept;
    }
  }
  if (room <= 0) {
    return (int)pd_result(-EINVAL);
  }
  sigset_t every, before;
  sigfillset(&every);
  PD_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &every, &before, SIGNALS_BYTES, 0, 0);
  long result = wait_both(epoll, events, room, until, mask != NULL ? mask : &before);
  PD_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, SIGNALS_BYTES, 0, 0);
  return (int)pd_result(result);
}

PD_EXPORT int epoll_wait(int epoll, struct epoll_event *events, int room, int timeout_ms) {
  return wait_any(epoll, events, room, timeout_ms, NULL);
}
PD_EXPORT int epoll_pwait(int epoll, struct epoll_event *events, int room, int timeout_ms, const sigset_t *mask) {
  return wait_any(epoll, events, room, timeout_ms, mask);
}
PD_EXPORT int epoll_pwait2(int epoll, struct epoll_event *events, int room, const struct timespec *timeout, const sigset_t *mask) {
  if (!watches(epoll)) {
    return (int)pd_result(PD_CALL(SYS_epoll_pwait2, epoll, events, room, timeout, mask, SIGNALS_BYTES));
  }
  int64_t ms = timeout == NULL ? -1 : timeout->tv_sec * 1000ll + (timeout->tv_nsec + 999999) / 1000000;
  return wait_any(epoll, events, room, ms > INT32_MAX ? INT32_MAX : (int)ms, mask);
}
