/*
 * Requests and replies on one connection: one write, one read.
 *
 * Of the threads that wait, one reads for all, so that a thread in a wait that blocks holds up nobody else's call. Where several
 * processes have the socket (link.c says when), each looks at the next frame before it takes it, and leaves the others' alone.
 * Must not know: what a request says.
 */
#include "shim.h"
#include "tables.generated.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#define SEQUENCE_BITS 24
#define LONGEST_FRAME (64u << 20)
#define LONGEST_LOOK_MS 3600000

static _Atomic uint32_t next_sequence;

/* Tells the process and the call: two processes on one socket never use the same. */
static uint64_t new_id(void) {
  uint64_t sequence = atomic_fetch_add(&next_sequence, 1) & ((1u << SEQUENCE_BITS) - 1);
  return (uint64_t)pd_pid() << SEQUENCE_BITS | sequence;
}

static struct pd_writer *begin(struct pd_request *request, uint32_t elements, uint32_t code, bool interruptible) {
  request->id = new_id();
  request->interruptible = interruptible;
  request->interrupted = false;
  pd_begin(&request->writer);
  /* The last is added when it is sent. */
  pd_put_array(&request->writer, elements + 1);
  pd_put_number(&request->writer, request->id);
  pd_put_number(&request->writer, code);
  return &request->writer;
}

struct pd_writer *pd_begin_typed(struct pd_request *request, uint32_t code, uint32_t arguments) {
  struct pd_writer *writer = begin(request, 3, code, false);
  pd_put_array(writer, arguments);
  return writer;
}

struct pd_writer *pd_begin_raw(struct pd_request *request, uint32_t command, bool interruptible) {
  return begin(request, 4, command, interruptible);
}

void pd_reply_free(struct pd_reply *reply) {
  free(reply->body);
}

static void wake(struct pd_waiter *waiter, uint32_t word) {
  atomic_store(&waiter->word, word);
  PD_CALL(SYS_futex, &waiter->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
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

/* With the lock. What was read: whole frames are delivered, the rest stays. */
static void take(struct pd_link *link, size_t got) {
  link->length += got;
  size_t at = 0;
  while (link->length - at >= 4 && !link->dead) {
    size_t body = body_size(link->bytes + at);
    if (body > LONGEST_FRAME) {
      die(link);
    } else if (link->length - at < 4 + body) {
      break;
    } else {
      deliver(link, link->bytes + at + 4, body);
      at += 4 + body;
    }
  }
  link->length -= at;
  memmove(link->bytes, link->bytes + at, link->length);
}

static bool process_lives(uint64_t id) {
  return PD_CALL(SYS_kill, (pid_t)(id >> SEQUENCE_BITS), 0, 0, 0, 0, 0) != -ESRCH;
}

/* With the lock. Takes the next frame if it answers this process, or one that is no more. */
static void take_own(struct pd_link *link, int fd) {
  uint8_t head[PD_PEEK_BYTES];
  bool bad = true;
  pd_lock_socket(fd, PD_READ_TURN);
  long got = PD_CALL(SYS_recvfrom, fd, head, sizeof head, MSG_PEEK | MSG_DONTWAIT, NULL, 0);
  if (got == 0) {
    die(link);
  }
  uint64_t id = got > 4 ? id_of(head + 4, (size_t)got - 4, &bad) : 0;
  bool own = !bad && (id >> SEQUENCE_BITS == (uint64_t)pd_pid() || !process_lives(id));
  size_t left = own ? 4 + (size_t)body_size(head) : 0;
  if (own && (left > LONGEST_FRAME || !pd_link_room(link, left))) {
    die(link);
  }
  for (size_t at = 0; own && at < left && !link->dead; at += (size_t)got) {
    got = PD_CALL(SYS_recvfrom, fd, link->bytes + at, left - at, 0, NULL, 0);
    if (got == 0 || (got < 0 && got != -EINTR && got != -EAGAIN)) {
      die(link);
    }
    got = got < 0 ? 0 : got;
  }
  pd_unlock_socket(fd, PD_READ_TURN);
  if (own && !link->dead) {
    take(link, left);
  } else if (!own) {
    /* The other process is about to take it. */
    link->foreign = true;
  }
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

/* With the lock, which is given up in between: a read that blocks until something comes, or a signal. -EINTR or 0. */
int pd_read_for_all(struct pd_link *link, int fd) {
  bool peeks = link->shared && link->length == 0;
  if (!pd_link_room(link, link->length + PD_READ_BYTES)) {
    die(link);
    return 0;
  }
  link->reading = true;
  link->peeking = peeks;
  link->foreign = false;
  pthread_mutex_unlock(&link->state);
  uint8_t first;
  void *to = peeks ? &first : link->bytes + link->length;
  long got = PD_CALL(SYS_recvfrom, fd, to, peeks ? 1 : link->room - link->length, peeks ? MSG_PEEK : 0, NULL, 0);
  if (got == -EAGAIN) {
    /* The program has made its descriptor one that does not block. */
    struct pollfd something = {fd, POLLIN, 0};
    long came = PD_CALL(SYS_poll, &something, 1, LONGEST_LOOK_MS, 0, 0, 0);
    got = came == -EINTR ? -EINTR : got;
  }
  pthread_mutex_lock(&link->state);
  link->reading = false;
  link->reads++;
  if (got == -EINTR) {
    return -EINTR;
  }
  if (got == -EAGAIN) {
    return 0;
  }
  if (got <= 0) {
    die(link);
  } else if (peeks) {
    take_own(link, fd);
  } else {
    take(link, (size_t)got);
  }
  if (link->foreign) {
    pthread_mutex_unlock(&link->state);
    pd_pause();
    pthread_mutex_lock(&link->state);
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

/* Everything the reply needs but its errno. */
static int open_reply(struct pd_waiter *waiter, struct pd_reply *reply) {
  reply->body = waiter->body;
  reply->rest = (struct pd_reader){waiter->body, waiter->body + waiter->size, false};
  pd_get_array(&reply->rest);
  pd_get_number(&reply->rest);
  reply->error = (int)pd_get_number(&reply->rest);
  if (reply->rest.bad) {
    pd_reply_free(reply);
    return -EIO;
  }
  return 0;
}

/* The daemon ends the wait; its answer to that is nobody's. What the wait came to is told as ever, and nothing is lost. */
static void interrupt(struct pd_link *link, int fd, uint64_t id) {
  struct pd_request request;
  struct pd_writer *writer = pd_begin_typed(&request, PD_CODE_CALL_INTERRUPT, 1);
  pd_put_number(writer, id);
  pd_put_number(writer, link->process);
  pd_link_send(link, fd, writer);
  pd_end(writer);
}

int pd_exchange(struct pd_link *link, int fd, struct pd_request *request, struct pd_reply *reply) {
  memset(reply, 0, sizeof *reply);
  struct pd_waiter waiter = {.id = request->id};
  pthread_mutex_lock(&link->state);
  if (link->dead) {
    pthread_mutex_unlock(&link->state);
    pd_end(&request->writer);
    return -ENODEV;
  }
  waiter.next = link->waiters;
  link->waiters = &waiter;
  pd_put_number(&request->writer, link->process);
  pthread_mutex_unlock(&link->state);
  bool sent = pd_link_send(link, fd, &request->writer);
  pd_end(&request->writer);
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
    int interrupted = link->reading ? sleep_until_woken(link, &waiter) : pd_read_for_all(link, fd);
    if (interrupted != 0 && request->interruptible && !request->interrupted && atomic_load(&waiter.word) != 2) {
      request->interrupted = true;
      pthread_mutex_unlock(&link->state);
      interrupt(link, fd, request->id);
      pthread_mutex_lock(&link->state);
    }
  }
  leave(link, &waiter);
  pthread_mutex_unlock(&link->state);
  return result != 0 ? result : open_reply(&waiter, reply);
}

int pd_ask(struct pd_link *link, int fd, struct pd_request *request, struct pd_reply *reply) {
  int result = pd_exchange(link, fd, request, reply);
  if (result != 0) {
    return result;
  }
  if (reply->error != 0) {
    pd_reply_free(reply);
    return -reply->error;
  }
  pd_get_array(&reply->rest);
  return 0;
}
