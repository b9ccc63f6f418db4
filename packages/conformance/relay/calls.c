/*
 * What a frame asks for, done by libc's own functions as any program would: nothing here knows that a library is preloaded, or
 * what an ioctl means.
 */
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HUGE ((size_t)2 << 20)
#define MOST_BUFFERS 8
/* No program has memory there. */
#define NO_MEMORY 16
/* What a buffer that is written to holds before: bytes that stay show how much was written. */
#define UNTOUCHED 0xa5

/* One pointer: where it lies (in the block, or in an earlier buffer), and what is behind it. */
struct pointer {
  /* 0 for the block, n for the n-th buffer. */
  uint32_t in, at;
  enum { GIVEN = 1, EMPTY, NOWHERE } kind;
  uint32_t size;
};

static struct outcome failed(int error) {
  return (struct outcome){.error = error};
}

static struct outcome result(long value) {
  return value == -1 ? failed(errno) : (struct outcome){.value = (uint64_t)value};
}

static struct outcome open_path(int flags, const uint8_t *bytes, size_t size) {
  char path[256];
  if (size >= sizeof path) {
    return failed(ENAMETOOLONG);
  }
  memcpy(path, bytes, size);
  path[size] = '\0';
  return result(open(path, flags, 0600));
}

struct spread {
  struct placed part[1 + MOST_BUFFERS];
  struct pointer pointer[MOST_BUFFERS];
  /* What the teller of the call had in a pointer's place, and what is there for the call. */
  uint64_t told[MOST_BUFFERS], address[MOST_BUFFERS];
  int buffers;
};

static void gather_up(struct spread *spread, int parts) {
  for (int i = 0; i < parts; i++) {
    if (spread->part[i].pages != NULL) {
      unplace(&spread->part[i]);
    }
  }
}

/* The block and what its pointers lead to, each in pages of its own. 0 or an errno. */
static int lay_out(struct spread *spread, size_t block, const uint8_t *bytes, size_t size) {
  const uint8_t *end = bytes + size, *at = bytes + block;
  if (block > size) {
    return EPROTO;
  }
  memset(spread->part, 0, sizeof spread->part);
  int error = place(&spread->part[0], bytes, block);
  for (int i = 0; i < spread->buffers && error == 0; i++) {
    struct pointer *pointer = &spread->pointer[i];
    struct placed *part = &spread->part[i + 1];
    if ((size_t)(end - at) < sizeof *pointer) {
      return EPROTO;
    }
    memcpy(pointer, at, sizeof *pointer);
    at += sizeof *pointer;
    if (pointer->kind == GIVEN && (size_t)(end - at) < pointer->size) {
      return EPROTO;
    }
    uint64_t address = NO_MEMORY;
    if (pointer->kind != NOWHERE) {
      error = place(part, pointer->kind == GIVEN ? at : NULL, pointer->size);
      if (error != 0) {
        break;
      }
      address = (uintptr_t)part->at;
    }
    if (pointer->kind == GIVEN) {
      at += pointer->size;
    } else if (pointer->kind == EMPTY) {
      memset(part->at, UNTOUCHED, part->size);
    }
    const struct placed *holder = &spread->part[pointer->in];
    if (pointer->in > (uint32_t)i || holder->at == NULL || pointer->at + sizeof address > holder->size) {
      return EPROTO;
    }
    memcpy(&spread->told[i], holder->at + pointer->at, sizeof address);
    memcpy(holder->at + pointer->at, &address, sizeof address);
    spread->address[i] = address;
  }
  return error;
}

/* A pointer the call has left alone is again what it was told to be. */
static void restore_pointers(const struct spread *spread) {
  for (int i = 0; i < spread->buffers; i++) {
    const struct pointer *pointer = &spread->pointer[i];
    uint8_t *at = spread->part[pointer->in].at + pointer->at;
    if (memcmp(at, &spread->address[i], sizeof *spread->address) == 0) {
      memcpy(at, &spread->told[i], sizeof *spread->told);
    }
  }
}

/* The block, then every buffer in its order. */
static struct outcome collect(const struct spread *spread, int error) {
  struct outcome outcome = {.error = error};
  for (int i = 0; i <= spread->buffers; i++) {
    outcome.size += spread->part[i].size;
  }
  outcome.bytes = malloc(outcome.size + 1);
  uint8_t *to = outcome.bytes;
  for (int i = 0; to != NULL && i <= spread->buffers; i++) {
    if (spread->part[i].size > 0) {
      memcpy(to, spread->part[i].at, spread->part[i].size);
    }
    to += spread->part[i].size;
  }
  return outcome.bytes == NULL ? failed(ENOMEM) : outcome;
}

static struct outcome make_ioctl(const uint64_t argument[4], const uint8_t *bytes, size_t size) {
  struct spread spread;
  if (argument[3] > MOST_BUFFERS) {
    return failed(EPROTO);
  }
  spread.buffers = (int)argument[3];
  int error = lay_out(&spread, argument[2], bytes, size);
  if (error != 0) {
    gather_up(&spread, 1 + spread.buffers);
    return failed(error);
  }
  int status = ioctl((int)argument[0], (unsigned long)argument[1], spread.part[0].at);
  int error_of_call = errno;
  restore_pointers(&spread);
  struct outcome outcome = collect(&spread, status == 0 ? 0 : error_of_call);
  gather_up(&spread, 1 + spread.buffers);
  return outcome;
}

static struct outcome map(const uint64_t argument[4]) {
  void *at = mmap(NULL, argument[1], (int)argument[3], MAP_SHARED, (int)argument[0], (off_t)argument[2]);
  return at == MAP_FAILED ? failed(errno) : (struct outcome){.value = (uintptr_t)at};
}

/* Memory of the program's own, at a border of huge pages, that another process can look at through its descriptor. */
static struct outcome memory(size_t size) {
  int fd = memfd_create("relay", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0 || ftruncate(fd, (off_t)size) != 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) {
    return failed(errno);
  }
  uint8_t *room = mmap(NULL, size + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) {
    return failed(errno);
  }
  uint8_t *at = room + (HUGE - (uintptr_t)room % HUGE) % HUGE;
  if (mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
    return failed(errno);
  }
  munmap(room, (size_t)(at - room));
  munmap(at + size, (size_t)(room + HUGE - at));
  return (struct outcome){.value = (uintptr_t)at};
}

/* A descriptor of another process becomes one of this. */
static struct outcome take(pid_t process, int descriptor) {
  int holder = (int)syscall(SYS_pidfd_open, process, 0);
  if (holder < 0) {
    return failed(errno);
  }
  struct outcome outcome = result(syscall(SYS_pidfd_getfd, holder, descriptor, 0));
  close(holder);
  return outcome;
}

struct outcome relay_call(const struct question *question, const uint8_t *bytes, size_t size) {
  const uint64_t *argument = question->argument;
  switch ((enum operation)question->operation) {
    case RELAY_OPEN:
      return open_path((int)argument[0], bytes, size);
    case RELAY_CLOSE:
      return result(close((int)argument[0]));
    case RELAY_IOCTL:
      return make_ioctl(argument, bytes, size);
    case RELAY_MMAP:
      return map(argument);
    case RELAY_MUNMAP:
      return result(munmap((void *)(uintptr_t)argument[0], argument[1]));
    case RELAY_MEMORY:
      return memory(argument[0]);
    case RELAY_TAKE:
      return take((pid_t)argument[0], (int)argument[1]);
    case RELAY_SEEK:
      return result(lseek((int)argument[0], (off_t)argument[1], (int)argument[2]));
    case RELAY_NOTHING:
      return result(0);
    case RELAY_INTERRUPT:
      return result(relay_interrupt((uint32_t)argument[0]));
    case RELAY_READ_FILE:
      return relay_read_file(argument, bytes, size);
    case RELAY_WRITE_FILE:
      return relay_write_file(argument, bytes, size);
    case RELAY_STAT_FILE:
      return relay_stat_file(bytes, size);
    case RELAY_LIST_FILES:
      return relay_list_files(bytes, size);
  }
  return failed(EPROTO);
}
