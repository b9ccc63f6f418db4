/* A wait that blocks in one thread holds up no other, a signal ends it, and many threads at once get their own answers. */
#include "support.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#define THREADS 16
#define ROUNDS 50

static int device;
static uint64_t blocked;
static atomic_int interrupted;

static void ignore(int signal) {}

static void *wait_for_ever(void *unused) {
  uint32_t status;
  /* The signal shows as a wait that ended before its time, and not as an error (uapi.md 4.14). */
  CHECK(wait_for(device, blocked, INT64_MAX, &status) == 0 && status == HL_WAIT_CS_STATUS_BUSY);
  atomic_store(&interrupted, 1);
  return NULL;
}

static void *work(void *number) {
  static const uint32_t nop[] = {0, 0x0a000000};
  for (int i = 0; i < ROUNDS; i++) {
    uint64_t handle = packets(device, nop, sizeof nop);
    uint32_t status;
    uint64_t seq = submit(device, 4, handle, sizeof nop);
    CHECK(wait_for(device, seq, 30000000, &status) == 0 && status == HL_WAIT_CS_STATUS_COMPLETED);
    destroy_buffer(device, handle);
  }
  return NULL;
}

/* Waits that signals end are over for the daemon, too: of those for several submissions there may be two at once on a device (uapi.md 4.15). */
static void *wait_for_several(void *unused) {
  for (int i = 0; i < 5; i++) {
    uint64_t list[] = {blocked};
    union hl_wait_cs_args args = {
        .in = {.seq = (uintptr_t)list, .timeout_us = INT64_MAX, .flags = HL_WAIT_CS_FLAGS_MULTI_CS, .seq_arr_len = 1}};
    CHECK(ioctl(device, HL_IOCTL_WAIT_CS, &args) == -1 && errno == EINTR);
    CHECK(args.in.seq == (uintptr_t)list && args.in.flags == HL_WAIT_CS_FLAGS_MULTI_CS);
  }
  atomic_store(&interrupted, 2);
  return NULL;
}

static void interrupt_until(pthread_t waiter, int done) {
  while (atomic_load(&interrupted) != done) {
    pthread_kill(waiter, SIGUSR1);
    usleep(1000);
  }
  pthread_join(waiter, NULL);
}

int main(void) {
  device = open_device();
  struct sigaction action = {.sa_handler = ignore, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &action, NULL);
  uint64_t fence = packets(device, CLOSED_FENCE, sizeof CLOSED_FENCE);
  blocked = submit(device, 0, fence, sizeof CLOSED_FENCE);
  pthread_t waiter, others[THREADS];
  pthread_create(&waiter, NULL, wait_for_ever, NULL);
  for (long i = 0; i < THREADS; i++) {
    pthread_create(&others[i], NULL, work, (void *)i);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(others[i], NULL);
  }
  CHECK(atomic_load(&interrupted) == 0);
  uint32_t status;
  CHECK(wait_for(device, blocked, 1000, &status) == 0 && status == HL_WAIT_CS_STATUS_BUSY);
  /* Until one of them meets it inside the call. */
  interrupt_until(waiter, 1);
  pthread_create(&waiter, NULL, wait_for_several, NULL);
  interrupt_until(waiter, 2);
  open_fence_of(device, blocked);
  destroy_buffer(device, fence);
  CHECK(close(device) == 0);
  puts("threads: good");
  return 0;
}
