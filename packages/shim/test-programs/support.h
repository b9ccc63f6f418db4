/* What the test programs share: a check that says where it failed, and the calls in one line each. No library of the project is used. */
#pragma once
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <misc/habanalabs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      printf("%s:%d: %s does not hold (errno %d, %s)\n", __FILE__, __LINE__, #condition, errno, strerror(errno)); \
      fflush(stdout);                                                                              \
      _exit(1);                                                                                    \
    }                                                                                              \
  } while (0)

static inline int open_device(void) {
  int fd = open("/dev/hl0", O_RDWR | O_CLOEXEC);
  CHECK(fd >= 0);
  return fd;
}

static inline int info(int fd, uint32_t op, void *answer, uint32_t size) {
  struct hl_info_args args = {.return_pointer = (uintptr_t)answer, .return_size = size, .op = op};
  return ioctl(fd, HL_IOCTL_INFO, &args);
}

static inline uint64_t create_buffer(int fd, uint32_t size) {
  union hl_cb_args args = {.in = {.op = HL_CB_OP_CREATE, .cb_size = size}};
  CHECK(ioctl(fd, HL_IOCTL_CB, &args) == 0);
  return args.out.cb_handle;
}

static inline void destroy_buffer(int fd, uint64_t handle) {
  union hl_cb_args args = {.in = {.op = HL_CB_OP_DESTROY, .cb_handle = handle}};
  CHECK(ioctl(fd, HL_IOCTL_CB, &args) == 0);
}

static inline uint64_t submit(int fd, uint32_t queue, uint64_t handle, uint32_t size) {
  struct hl_cs_chunk chunk = {.cb_handle = handle, .queue_index = queue, .cb_size = size};
  union hl_cs_args args = {.in = {.chunks_execute = (uintptr_t)&chunk, .num_chunks_execute = 1}};
  CHECK(ioctl(fd, HL_IOCTL_CS, &args) == 0);
  return args.out.seq;
}

static inline int wait_for(int fd, uint64_t seq, uint64_t timeout_us, uint32_t *status) {
  union hl_wait_cs_args args = {.in = {.seq = seq, .timeout_us = timeout_us}};
  int result = ioctl(fd, HL_IOCTL_WAIT_CS, &args);
  *status = args.out.status;
  return result;
}

static inline uint64_t map_host(int fd, void *memory, uint64_t size) {
  union hl_mem_args args = {
      .in = {.map_host = {.host_virt_addr = (uintptr_t)memory, .mem_size = size}, .op = HL_MEM_OP_MAP, .flags = HL_MEM_USERPTR}};
  return ioctl(fd, HL_IOCTL_MEMORY, &args) == 0 ? args.out.device_virt_addr : 0;
}

static inline void unmap(int fd, uint64_t address) {
  union hl_mem_args args = {.in = {.unmap = {.device_virt_addr = address}, .op = HL_MEM_OP_UNMAP}};
  CHECK(ioctl(fd, HL_IOCTL_MEMORY, &args) == 0);
}

/* A command buffer with these words, and its handle; it stays mapped. */
static inline uint64_t packets(int fd, const uint32_t *words, size_t size) {
  uint64_t handle = create_buffer(fd, 4096);
  void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)handle);
  CHECK(memory != MAP_FAILED);
  memcpy(memory, words, size);
  CHECK(munmap(memory, 4096) == 0);
  return handle;
}

/* A fence of DMA_0_0 that is closed. */
static const uint32_t CLOSED_FENCE[] = {1u | 1u << 16 | 1u << 30, 8u << 24};

/* A write to that fence's register from another stream lets the work that stands at it go; returns when it is done. */
static inline void open_fence_of(int fd, uint64_t seq) {
  static const uint32_t opener[] = {1, 3u << 24, 0xfc50831c, 0x7f};
  uint64_t handle = packets(fd, opener, sizeof opener);
  submit(fd, 1, handle, sizeof opener);
  uint32_t status;
  CHECK(wait_for(fd, seq, 30000000, &status) == 0 && status == HL_WAIT_CS_STATUS_COMPLETED);
  destroy_buffer(fd, handle);
}
