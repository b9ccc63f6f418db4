/* Functions by which descriptors reach other processes, and what programs ask of descriptors that stand for shared objects. */
#include "shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A poll that asks both the kernel and the daemon looks this often. */
#define POLL_SLICE_MS 2
#define MOST_POLLED 1024

/* Descriptors in the message are about to be somebody else's, too. */
static void share_sent(const struct msghdr *message) {
  struct msghdr copy;
  if (!pd_active() || message == NULL || !pd_copy_in(&copy, (uint64_t)(uintptr_t)message, sizeof copy)) {
    return;
  }
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&copy); header != NULL; header = CMSG_NXTHDR(&copy, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int fd;
      memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
      pd_share_descriptor(fd);
    }
  }
}

PD_EXPORT int connect(int fd, const struct sockaddr *address, socklen_t size) {
  struct sockaddr_un copy;
  size_t bytes = size < sizeof copy ? size : sizeof copy;
  memset(&copy, 0, sizeof copy);
  if (pd_active() && address != NULL && pd_copy_in(&copy, (uint64_t)(uintptr_t)address, bytes)) {
    pd_note_connect(fd, &copy);
  }
  return (int)pd_result(PD_CALL(SYS_connect, fd, address, size, 0, 0, 0));
}

PD_EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  share_sent(message);
  return pd_result(PD_CALL(SYS_sendmsg, fd, message, flags, 0, 0, 0));
}

PD_EXPORT int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags) {
  for (unsigned i = 0; i < count; i++) {
    share_sent(&messages[i].msg_hdr);
  }
  return (int)pd_result(PD_CALL(SYS_sendmmsg, fd, messages, count, flags, 0, 0));
}

/* The child inherits every descriptor that is not close-on-exec, and no handler of fork is called for it. */
static void before_child(void) {
  if (pd_active()) {
    pd_share_files();
  }
}

typedef int (*spawn_fn)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const[],
                        char *const[]);

PD_EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                          const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]) {
  before_child();
  return ((spawn_fn)pd_next("posix_spawn"))(pid, path, actions, attributes, argv, envp);
}
PD_EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                           const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]) {
  before_child();
  return ((spawn_fn)pd_next("posix_spawnp"))(pid, file, actions, attributes, argv, envp);
}
PD_EXPORT int system(const char *command) {
  before_child();
  return ((int (*)(const char *))pd_next("system"))(command);
}
PD_EXPORT FILE *popen(const char *command, const char *mode) {
  before_child();
  return ((FILE * (*)(const char *, const char *)) pd_next("popen"))(command, mode);
}
/* A child that shares its parent's memory cannot be told apart from it; as a copy it can. POSIX lets it be one. */
PD_EXPORT pid_t vfork(void) {
  return fork();
}

PD_EXPORT off_t lseek(int fd, off_t offset, int whence) {
  long at = PD_CALL(SYS_lseek, fd, offset, whence, 0, 0, 0);
  return pd_result(at == -ESPIPE && pd_is_handed(fd) ? pd_handed_seek(fd, offset, whence) : at);
}
PD_EXPORT off64_t lseek64(int fd, off64_t offset, int whence) {
  return lseek(fd, offset, whence);
}

static long now_ms(void) {
  struct timespec time;
  PD_CALL(SYS_clock_gettime, CLOCK_MONOTONIC, &time, 0, 0, 0, 0);
  return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* What the daemon says of shared objects now; how many there are, and how many are ready, or -errno. */
static int ask_handed(struct pollfd *fds, const bool *handed, nfds_t count, int *ready) {
  int shared = 0;
  for (nfds_t i = 0; i < count; i++) {
    if (!handed[i]) {
      continue;
    }
    shared++;
    int events = pd_handed_poll(fds[i].fd, fds[i].events, 0);
    if (events < 0) {
      return events;
    }
    fds[i].revents = (short)events;
    *ready += events != 0;
  }
  return shared;
}

/* Kernel's descriptors with the others left out. */
static long ask_kernel(struct pollfd *fds, const bool *handed, nfds_t count, long timeout_ms) {
  struct pollfd copy[MOST_POLLED];
  for (nfds_t i = 0; i < count; i++) {
    copy[i] = fds[i];
    copy[i].fd = handed[i] ? -1 : fds[i].fd;
  }
  long result = PD_CALL(SYS_poll, copy, count, timeout_ms, 0, 0, 0);
  for (nfds_t i = 0; i < count && result >= 0; i++) {
    if (!handed[i]) {
      fds[i].revents = copy[i].revents;
    }
  }
  return result;
}

static long poll_with_handed(struct pollfd *fds, const bool *handed, nfds_t count, int timeout_ms) {
  long until = timeout_ms < 0 ? 0 : now_ms() + timeout_ms;
  for (;;) {
    int ready = 0;
    int shared = ask_handed(fds, handed, count, &ready);
    if (shared < 0) {
      return shared;
    }
    long left = timeout_ms < 0 ? POLL_SLICE_MS : until - now_ms();
    long slice = ready > 0 || left <= 0 ? 0 : left < POLL_SLICE_MS ? left : POLL_SLICE_MS;
    long others = ask_kernel(fds, handed, count, slice);
    if (others < 0) {
      return others;
    }
    if (ready + others > 0 || (timeout_ms >= 0 && left <= 0)) {
      return ready + others;
    }
  }
}

static int poll_any(struct pollfd *fds, nfds_t count, int timeout_ms) {
  bool handed[MOST_POLLED];
  bool any = false;
  if (pd_active() && count > 0 && count <= MOST_POLLED) {
    for (nfds_t i = 0; i < count; i++) {
      int fd;
      handed[i] = pd_copy_in(&fd, (uint64_t)(uintptr_t)&fds[i].fd, sizeof fd) && pd_is_handed(fd);
      any = any || handed[i];
    }
  }
  if (!any) {
    return (int)pd_result(PD_CALL(SYS_poll, fds, count, timeout_ms, 0, 0, 0));
  }
  if (count == 1) {
    int events = pd_handed_poll(fds[0].fd, fds[0].events, timeout_ms);
    fds[0].revents = (short)(events < 0 ? 0 : events);
    return (int)pd_result(events < 0 ? events : events != 0);
  }
  return (int)pd_result(poll_with_handed(fds, handed, count, timeout_ms));
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
