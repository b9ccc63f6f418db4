/*
 * A connection as such: its state, its socket's options, who takes turns on it.
 *
 * A descriptor can come to be in two processes by fork, by exec, or in a message. From the moment that may happen on, each
 * process looks before it takes a frame, and takes turns (record locks of fcntl, which end with their process).
 * Must not know: what a frame says.
 */
#include "shim.h"
#include "tables.generated.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#define PAUSE_NS 50000
/* With a time limit a read is not restarted after a signal, whatever the handler was installed with (signal(7)). */
#define READ_SECONDS 3600

void pd_link_init(struct pd_link *link) {
  memset(link, 0, sizeof *link);
  pthread_mutex_init(&link->sending, NULL);
  pthread_mutex_init(&link->state, NULL);
}

void pd_link_free(struct pd_link *link) {
  free(link->bytes);
}

void pd_link_socket(int fd) {
  struct timeval limit = {READ_SECONDS, 0};
  PD_CALL(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit, 0);
}

void pd_pause(void) {
  struct timespec time = {0, PAUSE_NS};
  PD_CALL(SYS_nanosleep, &time, NULL, 0, 0, 0, 0);
}

bool pd_link_room(struct pd_link *link, size_t room) {
  if (room <= link->room) {
    return true;
  }
  uint8_t *bytes = realloc(link->bytes, room);
  if (bytes == NULL) {
    return false;
  }
  link->bytes = bytes;
  link->room = room;
  return true;
}

static void turn(int fd, short type, int which) {
  struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = which, .l_len = 1};
  while (PD_CALL(SYS_fcntl, fd, F_SETLKW, &lock, 0, 0, 0) == -EINTR) {
  }
}

void pd_lock_socket(int fd, int which) {
  turn(fd, F_WRLCK, which);
}

void pd_unlock_socket(int fd, int which) {
  turn(fd, F_UNLCK, which);
}

static bool send_all(int fd, const uint8_t *bytes, size_t size) {
  while (size > 0) {
    long sent = PD_CALL(SYS_sendto, fd, bytes, size, MSG_NOSIGNAL, NULL, 0);
    if (sent == -EINTR) {
      continue;
    }
    if (sent == -EAGAIN) {
      struct pollfd wait = {fd, POLLOUT, 0};
      PD_CALL(SYS_poll, &wait, 1, -1, 0, 0, 0);
      continue;
    }
    if (sent < 0) {
      return false;
    }
    bytes += sent;
    size -= (size_t)sent;
  }
  return true;
}

bool pd_link_send(struct pd_link *link, int fd, struct pd_writer *frame) {
  size_t size;
  const uint8_t *bytes = pd_frame(frame, &size);
  pthread_mutex_lock(&link->sending);
  bool shared = link->shared;
  if (shared) {
    pd_lock_socket(fd, PD_WRITE_TURN);
  }
  bool sent = send_all(fd, bytes, size);
  if (shared) {
    pd_unlock_socket(fd, PD_WRITE_TURN);
  }
  pthread_mutex_unlock(&link->sending);
  return sent;
}

/* A call that does nothing, for the sake of its reply: who reads wakes up. */
static void nudge(struct pd_link *link, int fd) {
  struct pd_request request;
  struct pd_writer *writer = pd_begin_typed(&request, PD_CODE_NOTHING, 0);
  pd_put_number(writer, 0);
  pd_link_send(link, fd, writer);
  pd_end(writer);
}

void pd_link_share(struct pd_link *link, int fd) {
  pthread_mutex_lock(&link->state);
  link->shared = true;
  bool nudged = false;
  while (!link->dead && (link->length > 0 || (link->reading && !link->peeking))) {
    if (!link->reading) {
      /* The rest of a frame of which a part has been read. */
      pd_read_for_all(link, fd);
      continue;
    }
    uint32_t reads = link->reads;
    pthread_mutex_unlock(&link->state);
    if (!nudged) {
      nudge(link, fd);
      nudged = true;
    }
    pd_pause();
    pthread_mutex_lock(&link->state);
    nudged = nudged && reads == link->reads;
  }
  pthread_mutex_unlock(&link->state);
}

/* Between frames, so that the child finds the beginning of one. */
void pd_before_fork(struct pd_link *link) {
  pthread_mutex_lock(&link->sending);
  pthread_mutex_lock(&link->state);
}

void pd_after_fork(struct pd_link *link, bool child) {
  if (child) {
    /* Who waited did not come along. */
    link->waiters = NULL;
    link->reading = false;
    link->length = 0;
    pthread_mutex_init(&link->state, NULL);
    pthread_mutex_init(&link->sending, NULL);
    return;
  }
  pthread_mutex_unlock(&link->state);
  pthread_mutex_unlock(&link->sending);
}
