/* Every call of the table with contents, sizes and pointers that no program of good will would pass. None may crash anybody. */
#include "support.h"

#include "tables.generated.h"

#define GUARD 0xc7

static uint64_t seed = 1;

static uint32_t any(void) {
  seed = seed * 6364136223846793005ull + 1442695040888963407ull;
  return (uint32_t)(seed >> 33);
}

static void check_alive(int fd) {
  struct hl_info_hw_ip_info hw;
  CHECK(info(fd, HL_INFO_HW_IP_INFO, &hw, sizeof hw) == 0 && hw.dram_enabled == 1);
}

/* A wait may last; what is tried here has no time for it. */
static void no_waiting(const struct pd_call *call, uint8_t *block, size_t size) {
  union hl_wait_cs_args *wait = (void *)block;
  if (call->nr == 4 && size >= sizeof wait->in) {
    wait->in.timeout_us %= 1000;
  }
}

static void set_op(const struct pd_call *call, uint8_t *block) {
  if (call->op_size == 4) {
    memcpy(block + call->op_at, &call->op, 4);
  }
}

static int command(const struct pd_call *call, size_t size) {
  return (int)_IOC(_IOC_READ | _IOC_WRITE, 'H', call->nr, size);
}

/* Only `size` bytes are touched, whatever the kernel's own struct has. */
static void sized(int fd, const struct pd_call *call) {
  static uint8_t block[8192];
  for (size_t size = 0; size <= 2u * call->size && size < sizeof block; size += size < 64 ? 4 : 16) {
    memset(block, 0, sizeof block);
    set_op(call, block);
    memset(block + size, GUARD, sizeof block - size);
    ioctl(fd, (unsigned)command(call, size), block);
    for (size_t i = size; i < sizeof block; i++) {
      CHECK(block[i] == GUARD);
    }
  }
}

static void bent(int fd, const struct pd_call *call) {
  static const uint64_t values[] = {0, 1, 16, 4096, UINT32_MAX, INT64_MAX, UINT64_MAX, 0x8000000000000000ull, 0x7fffffffffff0000ull};
  uint8_t block[256];
  for (int round = 0; round < 200; round++) {
    for (size_t i = 0; i < sizeof block; i += 8) {
      uint64_t value = any() % 3 == 0 ? (uint64_t)any() << 32 | any() : values[any() % (sizeof values / sizeof *values)];
      memcpy(block + i, &value, 8);
    }
    if (any() % 4 != 0) {
      set_op(call, block);
    }
    no_waiting(call, block, call->size);
    ioctl(fd, (unsigned)command(call, call->size), block);
  }
}

/* Each pointer in turn leads nowhere, or to the end of memory; its count says that something is there. */
static void pointed(int fd, const struct pd_call *call, uint8_t *edge) {
  const uint64_t places[] = {16, UINT64_MAX, (uintptr_t)edge - 4, 0xffff800000000000ull};
  for (int i = 0; i < call->inputs; i++) {
    for (size_t place = 0; place < sizeof places / sizeof *places; place++) {
      uint8_t block[256] = {0};
      set_op(call, block);
      if (call->input[i].kind == PD_NESTED) {
        continue;
      }
      uint64_t count = call->input[i].kind == PD_STRUCT ? call->input[i].max : 1;
      memcpy(block + call->input[i].pointer_at, &places[place], 8);
      memcpy(block + call->input[i].count_at, &count, call->input[i].count_size);
      if (call->input[i].when.size == 4) {
        memcpy(block + call->input[i].when.at, &call->input[i].when.mask, 4);
      }
      CHECK(ioctl(fd, (unsigned)command(call, call->size), block) == -1);
    }
  }
  /* The block itself. */
  CHECK(ioctl(fd, (unsigned)command(call, call->size), edge - call->size + 4) == -1 && errno == EFAULT);
  CHECK(ioctl(fd, (unsigned)command(call, call->size), NULL) == -1 && errno == EFAULT);
  CHECK(ioctl(fd, (unsigned)command(call, call->size), (void *)-4096) == -1 && errno == EFAULT);
}

/* An answer that has nowhere to go. */
static void answered(int fd, const struct pd_call *call) {
  if (call->output_at < 0 || call->nr != 1) {
    return;
  }
  struct hl_info_args args = {.return_pointer = 16, .return_size = 1024, .op = call->op};
  int result = ioctl(fd, HL_IOCTL_INFO, &args);
  CHECK(result == -1);
}

static void attack(int fd, uint8_t *edge) {
  for (size_t i = 0; i < sizeof pd_calls / sizeof *pd_calls; i++) {
    const struct pd_call *call = &pd_calls[i];
    if (call->nr >= PD_IMPORTER_FAMILY) {
      continue;
    }
    sized(fd, call);
    bent(fd, call);
    pointed(fd, call, edge);
    answered(fd, call);
    check_alive(fd);
  }
}

int main(void) {
  uint8_t *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(pages != MAP_FAILED && munmap(pages + 4096, 4096) == 0);
  int fd = open_device();
  attack(fd, pages + 4096);
  /* Letters and numbers that are none. */
  for (unsigned nr = 0; nr < 256; nr++) {
    uint8_t block[64] = {0};
    if (nr < 1 || nr > 6) {
      CHECK(ioctl(fd, (unsigned)_IOC(3, 'H', nr, 64), block) == -1 && errno == ENOTTY);
    }
  }
  check_alive(fd);
  CHECK(close(fd) == 0);
  fd = open_device();
  check_alive(fd);
  CHECK(close(fd) == 0);
  puts("hostile: good");
  return 0;
}
