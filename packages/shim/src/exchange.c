/*
 * Requests and replies on one connection.
 *
 * Of the threads that wait, one reads for all: a thread in a wait that blocks holds up nobody else's call. After a fork two
 * processes have the socket; from then on each looks at the next frame before it takes it, and leaves the other's alone.
 * Must not know: what a request says.
 */
#include "shim.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SEQUENCE_BITS 24
#define PEEK_BYTES 16
#define FOREIGN_PAUSE_NS 50000
#define LONGEST_FRAME (64u << 20)

struct pd_waiter {
  struct pd_waiter *next;
  uint64_t id;
  /* 0 while waiting, 1 to look again, 2 when the reply is there. */
  _Atomic uint32_t word;
  uint8_t *body;
  size_t size;
};

static _Atomic uint32_t next_sequence;

/* Tells the process and the call: two processes on one socket never use the same. */
uint64_t pd_new_id(void) {
  uint64_t sequence = atomic_fetch_add(&next_sequence, 1) & ((1u << SEQUENCE_BITS) - 1);
  return (uint64_t)getpid() << SEQUENCE_BITS | sequence;
}

void pd_link_init(struct pd_link *link) {
  memset(link, 0, sizeof *link);
  pthread_mutex_init(&link->sending, NULL);
  pthread_mutex_init(&link->state, NULL);
}

void pd_link_free(struct pd_link *link) {
  free(link->bytes);
}

void pd_reply_free(struct pd_reply *reply) {
  free(reply->body);
}

static void pause_ns(long ns) {
  struct timespec time = {0, ns};
  PD_CALL(SYS_nanosleep, &time, NULL, 0, 0, 0, 0);
}

static void wake(struct pd_waiter *waiter, uint32_t word) {
  atomic_store(&waiter->word, word);
  PD_CALL(SYS_futex, &waiter->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
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

/* With the lock. The conversation is over: everybody learns of it. */
static void die(struct pd_link *link) {
  link->dead = true;
  for (struct pd_waiter *waiter = link->waiters; waiter != NULL; waiter = waiter->next) {
    if (atomic_load(&waiter->word) != 2) {
      wake(waiter, 1);
    }
  }
}

static uint32_t body_size(const uint8_t *frame) {
  return frame[0] | frame[1] << 8 | frame[2] << 16 | (uint32_t)frame[3] << 24;
}

static uint64_t id_of(const uint8_t *body, size_t size, bool *bad) {
  struct pd_reader reader = {body, body + size, false};
  pd_get_array(&reader);
  uint64_t id = pd_get_number(&reader);
  *bad = reader.bad;
  return id;
}

/* With the lock. A reply nobody waits for any more belonged to a call that a signal ended. */
static void deliver(struct pd_link *link, const uint8_t *body, size_t size) {
  bool bad;
  uint64_t id = id_of(body, size, &bad);
  if (bad || id == 0) {
    die(link);
    return;
  }
  for (struct pd_waiter *waiter = link->waiters; waiter != NULL; waiter = waiter->next) {
    if (waiter->id != id) {
      continue;
    }
    waiter->body = malloc(size);
    if (waiter->body == NULL) {
      die(link);
      return;
    }
    memcpy(waiter->body, body, size);
    waiter->size = size;
    wake(waiter, 2);
    return;
  }
}

static bool make_room(struct pd_link *link, size_t room) {
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

/* With the lock. Reads what is there and delivers whole frames; `limit` bytes at most. */
static void receive(struct pd_link *link, int fd, size_t limit) {
  if (!make_room(link, link->length + (limit < 65536 ? limit : 65536))) {
    die(link);
    return;
  }
  size_t room = link->room - link->length;
  long got = PD_CALL(SYS_recvfrom, fd, link->bytes + link->length, room < limit ? room : limit, MSG_DONTWAIT, NULL, 0);
  if (got == -EAGAIN || got == -EINTR) {
    return;
  }
  if (got <= 0) {
    die(link);
    return;
  }
  link->length += (size_t)got;
  size_t at = 0;
  while (link->length - at >= 4) {
    size_t body = body_size(link->bytes + at);
    if (body > LONGEST_FRAME) {
      die(link);
      break;
    }
    if (link->length - at < 4 + body) {
      break;
    }
    deliver(link, link->bytes + at + 4, body);
    at += 4 + body;
  }
  link->length -= at;
  memmove(link->bytes, link->bytes + at, link->length);
}

static bool process_lives(uint64_t id) {
  return PD_CALL(SYS_kill, (pid_t)(id >> SEQUENCE_BITS), 0, 0, 0, 0, 0) != -ESRCH;
}

/* With the lock. As `receive`, but takes a frame only if it answers this process, or one that is no more. False: it is somebody else's. */
static bool receive_own(struct pd_link *link, int fd) {
  uint8_t head[PEEK_BYTES];
  long got = PD_CALL(SYS_recvfrom, fd, head, sizeof head, MSG_PEEK | MSG_DONTWAIT, NULL, 0);
  if (got == -EAGAIN || got == -EINTR) {
    return true;
  }
  if (got <= 0) {
    die(link);
    return true;
  }
  bool bad = true;
  uint64_t id = got > 4 ? id_of(head + 4, (size_t)got - 4, &bad) : 0;
  if (bad) {
    /* The rest of the head is still under way. */
    return false;
  }
  if (id >> SEQUENCE_BITS != (uint64_t)getpid() && process_lives(id)) {
    return false;
  }
  size_t left = 4 + (size_t)body_size(head);
  while (left > 0 && !link->dead) {
    size_t before = link->length;
    receive(link, fd, left);
    size_t now = link->length;
    if (now > before) {
      left -= now - before;
      struct pollfd wait = {fd, POLLIN, 0};
      PD_CALL(SYS_poll, &wait, 1, -1, 0, 0, 0);
    } else if (now < before || before == 0) {
      break;
    }
  }
  return true;
}

static void leave(struct pd_link *link, struct pd_waiter *gone) {
  for (struct pd_waiter **at = &link->waiters; *at != NULL; at = &(*at)->next) {
    if (*at == gone) {
      *at = gone->next;
      break;
    }
  }
  if (link->reading) {
    return;
  }
  /* Somebody else has to read now. */
  for (struct pd_waiter *waiter = link->waiters; waiter != NULL; waiter = waiter->next) {
    if (atomic_load(&waiter->word) != 2) {
      wake(waiter, 1);
      return;
    }
  }
}

/* With the lock, which is given up in between. -EINTR or 0. */
static int read_for_all(struct pd_link *link, int fd) {
  link->reading = true;
  pthread_mutex_unlock(&link->state);
  struct pollfd wait = {fd, POLLIN, 0};
  int ready = (int)PD_CALL(SYS_poll, &wait, 1, -1, 0, 0, 0);
  pthread_mutex_lock(&link->state);
  link->reading = false;
  if (ready == -EINTR) {
    return -EINTR;
  }
  if (ready < 0 || (wait.revents & POLLNVAL) != 0) {
    die(link);
  } else if (link->shared && link->length == 0) {
    if (!receive_own(link, fd)) {
      pthread_mutex_unlock(&link->state);
      pause_ns(FOREIGN_PAUSE_NS);
      pthread_mutex_lock(&link->state);
    }
  } else {
    receive(link, fd, SIZE_MAX);
  }
  return 0;
}

static int sleep_until_woken(struct pd_link *link, struct pd_waiter *waiter) {
  pthread_mutex_unlock(&link->state);
  /* With a time limit the kernel never restarts the call by itself: a signal is seen. */
  struct timespec hour = {3600, 0};
  int result = (int)PD_CALL(SYS_futex, &waiter->word, FUTEX_WAIT_PRIVATE, 0, &hour, NULL, 0);
  pthread_mutex_lock(&link->state);
  uint32_t looked = 1;
  atomic_compare_exchange_strong(&waiter->word, &looked, 0);
  return result == -EINTR ? -EINTR : 0;
}

int pd_exchange(struct pd_link *link, int fd, struct pd_writer *request, uint64_t id, bool interruptible,
                struct pd_reply *reply) {
  memset(reply, 0, sizeof *reply);
  struct pd_waiter waiter = {.id = id};
  pthread_mutex_lock(&link->state);
  if (link->dead) {
    pthread_mutex_unlock(&link->state);
    return -ENODEV;
  }
  waiter.next = link->waiters;
  link->waiters = &waiter;
  pthread_mutex_unlock(&link->state);
  size_t size;
  const uint8_t *frame = pd_frame(request, &size);
  pthread_mutex_lock(&link->sending);
  bool sent = send_all(fd, frame, size);
  pthread_mutex_unlock(&link->sending);
  pthread_mutex_lock(&link->state);
  int result = 0;
  if (!sent) {
    die(link);
  }
  while (atomic_load(&waiter.word) != 2) {
    if (link->dead) {
      result = -ENODEV;
      break;
    }
    int interrupted = link->reading ? sleep_until_woken(link, &waiter) : read_for_all(link, fd);
    if (interrupted != 0 && interruptible && atomic_load(&waiter.word) != 2) {
      result = -EINTR;
      break;
    }
  }
  leave(link, &waiter);
  pthread_mutex_unlock(&link->state);
  if (result != 0) {
    return result;
  }
  reply->body = waiter.body;
  reply->rest = (struct pd_reader){waiter.body, waiter.body + waiter.size, false};
  pd_get_array(&reply->rest);
  pd_get_number(&reply->rest);
  reply->error = (int)pd_get_number(&reply->rest);
  if (reply->rest.bad) {
    pd_reply_free(reply);
    return -EIO;
  }
  return 0;
}

/* Between frames, so that the child finds the beginning of one. */
void pd_before_fork(struct pd_link *link) {
  pthread_mutex_lock(&link->sending);
  pthread_mutex_lock(&link->state);
}

void pd_after_fork(struct pd_link *link, bool child) {
  link->shared = true;
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
