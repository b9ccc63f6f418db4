/*
 * What is measured on a device, as a C program uses one: by the driver's header alone, with memory from malloc.
 */
#include "program.h"

#if __has_include(<misc/habanalabs.h>)
#include <errno.h>
#include <fcntl.h>
#include <misc/habanalabs.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096u
#define QUEUE_TO_DEVICE 0u
#define QUEUE_TO_HOST 4u
/* All of the memory is walked through in one submission: caches do not help. */
#define MEMORY_BYTES (64u << 20)
#define MOST_PACKETS (MEMORY_BYTES / (64u << 10))
/* Submissions until all have to be complete. */
#define BURST 512u
#define MOST_THREADS 16u

struct packets {
  uint64_t handle;
  uint32_t size;
};

static int device;
static struct packets nop;
static uint8_t *memory;
static uint64_t memory_there, device_memory;

static void call(unsigned long command, void *block) {
  /* As the public library does. */
  while (ioctl(device, command, block) != 0) {
    MUST(errno == EINTR || errno == EAGAIN);
  }
}

static struct packets command_buffer(const uint32_t *words, uint32_t size) {
  union hl_cb_args args = {.in = {.op = HL_CB_OP_CREATE, .cb_size = size}};
  call(HL_IOCTL_CB, &args);
  struct packets made = {args.out.cb_handle, size};
  size_t length = (size + PAGE - 1) / PAGE * PAGE;
  void *at = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)made.handle);
  MUST(at != MAP_FAILED);
  memcpy(at, words, size);
  MUST(munmap(at, length) == 0);
  return made;
}

static uint64_t submit(const struct packets *packets, uint32_t queue) {
  struct hl_cs_chunk chunk = {.cb_handle = packets->handle, .queue_index = queue, .cb_size = packets->size};
  union hl_cs_args args = {.in = {.chunks_execute = (uintptr_t)&chunk, .num_chunks_execute = 1}};
  call(HL_IOCTL_CS, &args);
  return args.out.seq;
}

static void wait_for(uint64_t seq) {
  union hl_wait_cs_args args;
  do {
    memset(&args, 0, sizeof args);
    args.in.seq = seq;
    args.in.timeout_us = 1000000;
    call(HL_IOCTL_WAIT_CS, &args);
  } while (args.out.status == HL_WAIT_CS_STATUS_BUSY);
  MUST(args.out.status == HL_WAIT_CS_STATUS_COMPLETED);
}

static uint64_t allocate(uint64_t size) {
  union hl_mem_args args = {.in = {.alloc = {.mem_size = size}, .op = HL_MEM_OP_ALLOC}};
  call(HL_IOCTL_MEMORY, &args);
  uint64_t handle = args.out.handle;
  args = (union hl_mem_args){.in = {.map_device = {.handle = handle}, .op = HL_MEM_OP_MAP}};
  call(HL_IOCTL_MEMORY, &args);
  return args.out.device_virt_addr;
}

const char *device_open(void) {
  static const uint32_t words[] = {0, 10u << 24};
  device = open("/dev/hl0", O_RDWR | O_CLOEXEC);
  if (device < 0) {
    return "no /dev/hl0";
  }
  nop = command_buffer(words, sizeof words);
  return NULL;
}

static void ask(void *unused) {
  struct hl_info_device_status status;
  struct hl_info_args args = {.return_pointer = (uintptr_t)&status, .return_size = sizeof status, .op = HL_INFO_DEVICE_STATUS};
  (void)unused;
  call(HL_IOCTL_INFO, &args);
}

void device_round_trip(struct turn turn) {
  tell_latencies(turn, ask, NULL);
}

static void submit_and_wait(void *unused) {
  (void)unused;
  wait_for(submit(&nop, QUEUE_TO_DEVICE));
}

void device_nop(struct turn turn) {
  tell_latencies(turn, submit_and_wait, NULL);
}

struct crowd {
  unsigned unfinished, threads;
};

/* Its share of a burst, with never more than so many submissions that nobody has waited for. */
static void *share_of_burst(void *argument) {
  const struct crowd *crowd = argument;
  unsigned count = BURST / crowd->threads, window = crowd->unfinished / crowd->threads;
  uint64_t made[BURST];
  for (unsigned i = 0; i < count; i++) {
    if (i >= window) {
      wait_for(made[i - window]);
    }
    made[i] = submit(&nop, QUEUE_TO_DEVICE);
  }
  for (unsigned i = count < window ? 0 : count - window; i < count; i++) {
    wait_for(made[i]);
  }
  return NULL;
}

static uint64_t burst(void *argument) {
  struct crowd *crowd = argument;
  pthread_t others[MOST_THREADS];
  for (unsigned i = 1; i < crowd->threads; i++) {
    MUST(pthread_create(&others[i], NULL, share_of_burst, crowd) == 0);
  }
  share_of_burst(crowd);
  for (unsigned i = 1; i < crowd->threads; i++) {
    MUST(pthread_join(others[i], NULL) == 0);
  }
  return BURST / crowd->threads * crowd->threads;
}

void device_rate(struct turn turn, unsigned unfinished, unsigned threads) {
  struct crowd crowd = {unfinished, threads};
  MUST(threads > 0 && threads <= MOST_THREADS && unfinished >= threads);
  tell_rate(turn, burst, &crowd);
}

struct walk {
  struct packets packets;
  uint32_t queue;
};

static struct walk walk(enum direction direction, uint32_t size) {
  static uint32_t words[6 * MOST_PACKETS];
  uint32_t *word = words;
  for (uint64_t offset = 0; offset + size <= MEMORY_BYTES; offset += size) {
    uint64_t host = memory_there + offset, hbm = device_memory + offset;
    uint64_t from = direction == TO_DEVICE ? host : hbm, to = direction == TO_DEVICE ? hbm : host;
    *word++ = size;
    *word++ = 9u << 24 | 1u << 3;
    *word++ = (uint32_t)from;
    *word++ = (uint32_t)(from >> 32);
    *word++ = (uint32_t)to;
    *word++ = (uint32_t)(to >> 32);
  }
  uint32_t queue = direction == TO_DEVICE ? QUEUE_TO_DEVICE : QUEUE_TO_HOST;
  return (struct walk){command_buffer(words, (uint32_t)((word - words) * 4)), queue};
}

static uint64_t copy_all(void *argument) {
  const struct walk *of = argument;
  wait_for(submit(&of->packets, of->queue));
  return MEMORY_BYTES;
}

/* Touches all memory, and proves that the bytes travel. */
static void prepare_memory(void) {
  memory = malloc(MEMORY_BYTES);
  MUST(memory != NULL);
  for (uint32_t i = 0; i < MEMORY_BYTES; i++) {
    memory[i] = (uint8_t)(i * 2654435761u >> 24);
  }
  union hl_mem_args args = {.in = {.map_host = {.host_virt_addr = (uintptr_t)memory, .mem_size = MEMORY_BYTES},
                                   .op = HL_MEM_OP_MAP,
                                   .flags = HL_MEM_USERPTR}};
  call(HL_IOCTL_MEMORY, &args);
  memory_there = args.out.device_virt_addr;
  device_memory = allocate(MEMORY_BYTES);
  struct walk there = walk(TO_DEVICE, 1u << 20), back = walk(TO_HOST, 1u << 20);
  copy_all(&there);
  memset(memory, 0, MEMORY_BYTES);
  copy_all(&back);
  for (uint32_t i = 0; i < MEMORY_BYTES; i++) {
    MUST(memory[i] == (uint8_t)(i * 2654435761u >> 24));
  }
}

void device_copy(struct turn turn, enum direction direction, uint32_t size) {
  if (memory == NULL) {
    prepare_memory();
  }
  MUST(size > 0 && MEMORY_BYTES / size <= MOST_PACKETS);
  struct walk of = walk(direction, size);
  tell_rate(turn, copy_all, &of);
  union hl_cb_args args = {.in = {.op = HL_CB_OP_DESTROY, .cb_handle = of.packets.handle}};
  call(HL_IOCTL_CB, &args);
}

#else

const char *device_open(void) {
  return "the program was compiled without <misc/habanalabs.h> (linux-libc-dev)";
}

void device_round_trip(struct turn turn) {
  (void)turn;
}

void device_nop(struct turn turn) {
  (void)turn;
}

void device_rate(struct turn turn, unsigned unfinished, unsigned threads) {
  (void)turn;
  (void)unfinished;
  (void)threads;
}

void device_copy(struct turn turn, enum direction direction, uint32_t size) {
  (void)turn;
  (void)direction;
  (void)size;
}

#endif
