/*
 * A first program in C: plain malloc'ed memory is copied to HBM of a device and back by its DMA engines.
 * It knows the kernel's header and nothing of Pedrera, and would run on a real Gaudi as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <misc/habanalabs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

enum { SIZE = 1 << 20, BUFFER_SIZE = 4096 };
static int device;

static void fail(const char *what) {
  printf("FAILED  %s: %s\n", what, strerror(errno));
  exit(1);
}

static void call(unsigned long code, void *args, const char *what) {
  if (ioctl(device, code, args) != 0) fail(what);
}

/* Returns the address at which the device sees the memory. */
static uint64_t map_host(void *memory) {
  union hl_mem_args args = {.in = {.op = HL_MEM_OP_MAP, .flags = HL_MEM_USERPTR}};
  args.in.map_host.host_virt_addr = (uintptr_t)memory;
  args.in.map_host.mem_size = SIZE;
  call(HL_IOCTL_MEMORY, &args, "mapping host memory");
  return args.out.device_virt_addr;
}

static void unmap(uint64_t address) {
  union hl_mem_args args = {.in = {.op = HL_MEM_OP_UNMAP, .unmap.device_virt_addr = address}};
  call(HL_IOCTL_MEMORY, &args, "unmapping host memory");
}

/* One LIN_DMA packet, in a command buffer of its own; returns when it is done. */
static void copy(uint32_t queue, uint64_t from, uint64_t to) {
  union hl_cb_args cb = {.in = {.op = HL_CB_OP_CREATE, .cb_size = BUFFER_SIZE}};
  call(HL_IOCTL_CB, &cb, "creating a command buffer");
  uint64_t handle = cb.out.cb_handle;
  uint32_t *packet = mmap(NULL, BUFFER_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)handle);
  if (packet == MAP_FAILED) fail("mapping a command buffer");
  const uint32_t words[] = {SIZE, 9u << 24 | 1u << 3 /* LIN_DMA, linear */, (uint32_t)from, (uint32_t)(from >> 32),
                            (uint32_t)to, (uint32_t)(to >> 32)};
  memcpy(packet, words, sizeof words);
  struct hl_cs_chunk job = {.cb_handle = handle, .queue_index = queue, .cb_size = sizeof words};
  union hl_cs_args cs = {.in = {.chunks_execute = (uintptr_t)&job, .num_chunks_execute = 1}};
  call(HL_IOCTL_CS, &cs, "submitting");
  union hl_wait_cs_args wait = {.in = {.seq = cs.out.seq, .timeout_us = 10000000}};
  call(HL_IOCTL_WAIT_CS, &wait, "waiting");
  if (wait.out.status != HL_WAIT_CS_STATUS_COMPLETED) fail("waiting, which ended too early");
  munmap(packet, BUFFER_SIZE);
  cb = (union hl_cb_args){.in = {.op = HL_CB_OP_DESTROY, .cb_handle = handle}};
  call(HL_IOCTL_CB, &cb, "destroying a command buffer");
}

int main(void) {
  device = open("/dev/hl0", O_RDWR | O_CLOEXEC);
  if (device < 0) fail("/dev/hl0");
  struct hl_info_hw_ip_info ip;
  struct hl_info_args info = {.op = HL_INFO_HW_IP_INFO, .return_pointer = (uintptr_t)&ip, .return_size = sizeof ip};
  call(HL_IOCTL_INFO, &info, "asking what the device is");
  printf("ok      device 0x%x has %llu MiB of HBM for us\n", ip.device_id, (unsigned long long)(ip.dram_size >> 20));
  unsigned char *there = malloc(SIZE), *back = calloc(1, SIZE);
  for (uint32_t i = 0; i < SIZE; i++) there[i] = (unsigned char)(i % 251);
  uint64_t from = map_host(there), to = map_host(back);
  copy(GAUDI_QUEUE_ID_DMA_0_0, from, ip.dram_base_address);
  copy(GAUDI_QUEUE_ID_DMA_1_0, ip.dram_base_address, to);
  unmap(from);
  unmap(to);
  int same = memcmp(there, back, SIZE) == 0;
  printf("%s  %u bytes went to the device and came back\n", same ? "ok    " : "FAILED", SIZE);
  return same ? 0 : 1;
}
