/* A process is killed with its work in every state; the device is free for the next one. */
#include "support.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#define SIZE (8u << 20)
#define HBM 0x20000000ull

static int device;

/* Says that the state is reached, and stays in it. */
static void stay(int ready) {
  CHECK(write(ready, "", 1) == 1);
  for (;;) {
    pause();
  }
}

static void idle(int ready) {
  stay(ready);
}

static void mapped(int ready) {
  uint64_t handle = create_buffer(device, 1u << 20);
  CHECK(mmap(NULL, 1u << 20, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)handle) != MAP_FAILED);
  void *memory = malloc(SIZE);
  CHECK(map_host(device, memory, SIZE) != 0);
  stay(ready);
}

static void exported(int ready) {
  union hl_mem_args args = {
      .in = {.export_dmabuf_fd = {.handle = HBM, .mem_size = SIZE}, .op = HL_MEM_OP_EXPORT_DMABUF_FD, .flags = O_RDWR}};
  CHECK(ioctl(device, HL_IOCTL_MEMORY, &args) == 0);
  stay(ready);
}

/* A submission of moves that takes some time. */
static uint64_t start_moving(void) {
  static uint32_t words[6 * 4096];
  void *memory = malloc(SIZE);
  memset(memory, 1, SIZE);
  uint64_t va = map_host(device, memory, SIZE);
  for (size_t i = 0; i < sizeof words / sizeof *words; i += 6) {
    uint32_t packet[6] = {1u << 20, 9u << 24 | 1u << 3, (uint32_t)va, (uint32_t)(va >> 32), (uint32_t)HBM, (uint32_t)(HBM >> 32)};
    memcpy(words + i, packet, sizeof packet);
  }
  uint64_t handle = create_buffer(device, sizeof words);
  void *buffer = mmap(NULL, sizeof words, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)handle);
  CHECK(buffer != MAP_FAILED);
  memcpy(buffer, words, sizeof words);
  return submit(device, 0, handle, sizeof words);
}

/* The memory that is moved goes away with the process. */
static void moving(int ready) {
  start_moving();
  stay(ready);
}

static uint64_t under_way;

static void *waiting(void *unused) {
  uint32_t status;
  wait_for(device, under_way, INT64_MAX, &status);
  return NULL;
}

static void blocked(int ready) {
  pthread_t thread;
  under_way = start_moving();
  pthread_create(&thread, NULL, waiting, NULL);
  stay(ready);
}

static void debugged(int ready) {
  struct hl_debug_args args = {.op = HL_DEBUG_OP_SET_MODE, .enable = 1};
  CHECK(ioctl(device, HL_IOCTL_DEBUG, &args) == 0);
  stay(ready);
}

/* In the middle of its calls. */
static void busy(int ready) {
  CHECK(write(ready, "", 1) == 1);
  for (;;) {
    struct hl_info_hw_ip_info hw;
    CHECK(info(device, HL_INFO_HW_IP_INFO, &hw, sizeof hw) == 0);
    destroy_buffer(device, create_buffer(device, 4096));
  }
}

/* Until the work that was left has ended, opens are put off (uapi.md 1.7). */
static void open_again(void) {
  int fd = -1;
  for (int i = 0; i < 30000 && fd < 0; i++) {
    fd = open("/dev/hl0", O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0 || errno == EAGAIN || errno == EBUSY);
    if (fd < 0) {
      usleep(1000);
    }
  }
  CHECK(fd >= 0);
  struct hl_info_device_status status;
  CHECK(info(fd, HL_INFO_DEVICE_STATUS, &status, sizeof status) == 0 && status.status == HL_DEVICE_STATUS_OPERATIONAL);
  CHECK(close(fd) == 0);
}

int main(void) {
  static void (*const states[])(int) = {idle, mapped, exported, moving, blocked, debugged, busy};
  for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
    int ready[2];
    CHECK(pipe(ready) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
      device = open_device();
      states[i](ready[1]);
    }
    char byte;
    CHECK(close(ready[1]) == 0 && read(ready[0], &byte, 1) == 1 && close(ready[0]) == 0);
    int status;
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status));
    open_again();
  }
  puts("killed: good");
  return 0;
}
