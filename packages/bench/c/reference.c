/*
 * What a device's figures are compared with: bytes there and back over a Unix socket, and copies between two processes by the one
 * system call that does that.
 */
#include "program.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define MEMORY_BYTES (64u << 20)
#define MOST_ECHO_BYTES 4096

static int echo;
static size_t echo_bytes;

void echo_connect(const char *path, size_t bytes) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  MUST(strlen(path) < sizeof address.sun_path && bytes > 0 && bytes <= MOST_ECHO_BYTES);
  strcpy(address.sun_path, path);
  echo = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  MUST(echo >= 0 && connect(echo, (struct sockaddr *)&address, sizeof address) == 0);
  echo_bytes = bytes;
}

static void there_and_back(void *unused) {
  static uint8_t bytes[MOST_ECHO_BYTES];
  (void)unused;
  MUST(write(echo, bytes, echo_bytes) == (ssize_t)echo_bytes);
  for (size_t have = 0; have < echo_bytes;) {
    ssize_t got = read(echo, bytes + have, echo_bytes - have);
    MUST(got > 0);
    have += (size_t)got;
  }
}

void echo_round_trip(struct turn turn) {
  tell_latencies(turn, there_and_back, NULL);
}

struct copy {
  pid_t other;
  uint8_t *here, *there;
  size_t size;
  enum direction direction;
};

static uint64_t copy_all(void *argument) {
  const struct copy *copy = argument;
  for (size_t offset = 0; offset + copy->size <= MEMORY_BYTES; offset += copy->size) {
    struct iovec here = {copy->here + offset, copy->size}, there = {copy->there + offset, copy->size};
    ssize_t moved = copy->direction == TO_DEVICE ? process_vm_readv(copy->other, &here, 1, &there, 1, 0)
                                                 : process_vm_writev(copy->other, &here, 1, &there, 1, 0);
    MUST(moved == (ssize_t)copy->size);
  }
  return MEMORY_BYTES;
}

/* A process with the same memory at the same address, its pages its own. */
static pid_t other_process(uint8_t *memory) {
  int said[2];
  MUST(pipe(said) == 0);
  pid_t parent = getpid(), child = fork();
  MUST(child >= 0);
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
      _exit(0);
    }
    memset(memory, 2, MEMORY_BYTES);
    MUST(write(said[1], "", 1) == 1);
    for (;;) {
      pause();
    }
  }
  char byte;
  MUST(read(said[0], &byte, 1) == 1);
  close(said[0]);
  close(said[1]);
  return child;
}

void process_copy(struct turn turn, enum direction direction, size_t size) {
  static struct copy copy;
  if (copy.other == 0) {
    copy.here = malloc(MEMORY_BYTES);
    copy.there = malloc(MEMORY_BYTES);
    MUST(copy.here != NULL && copy.there != NULL);
    memset(copy.here, 1, MEMORY_BYTES);
    copy.other = other_process(copy.there);
  }
  copy.size = size;
  copy.direction = direction;
  tell_rate(turn, copy_all, &copy);
}
