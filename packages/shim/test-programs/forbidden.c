/* A program the daemon may not look into: work with plain memory, pages lent once and again, and a range that is none. */
#include "support.h"

#include <sys/prctl.h>

#define SIZE (2u << 20)
#define HBM 0x20000000ull

static void move(int fd, uint32_t queue, uint64_t from, uint64_t to, uint32_t size) {
  uint32_t words[6] = {size, 9u << 24 | 1u << 3, (uint32_t)from, (uint32_t)(from >> 32), (uint32_t)to, (uint32_t)(to >> 32)};
  uint64_t handle = packets(fd, words, sizeof words);
  uint32_t status;
  CHECK(wait_for(fd, submit(fd, queue, handle, sizeof words), 30000000, &status) == 0 && status == HL_WAIT_CS_STATUS_COMPLETED);
  destroy_buffer(fd, handle);
}

int main(void) {
  CHECK(prctl(PR_SET_DUMPABLE, 0) == 0);
  int fd = open_device();
  unsigned char *there = malloc(SIZE), *back = malloc(SIZE), *fence = malloc(100);
  CHECK(there != NULL && back != NULL && fence != NULL);
  for (int round = 0; round < 3; round++) {
    for (uint32_t i = 0; i < SIZE; i++) {
      there[i] = (unsigned char)((i + (unsigned)round) * 2654435761u >> 24);
    }
    memset(back, 0, SIZE);
    uint64_t there_va = map_host(fd, there + 64, SIZE - 64), back_va = map_host(fd, back, SIZE);
    CHECK(there_va != 0 && back_va != 0 && there_va % 4096 == ((uintptr_t)there + 64) % 4096);
    move(fd, 0, there_va, HBM, SIZE - 64);
    move(fd, 4, HBM, back_va, SIZE - 64);
    CHECK(memcmp(there + 64, back, SIZE - 64) == 0);
    /* Written after the mapping, as before it. */
    there[64] ^= 0xff;
    move(fd, 0, there_va, HBM, 4096);
    move(fd, 4, HBM, back_va, 4096);
    CHECK(back[0] == there[64]);
    unmap(fd, there_va);
    unmap(fd, back_va);
  }
  CHECK(map_host(fd, (void *)4096, 4096) == 0 && errno == EFAULT);
  CHECK(close(fd) == 0);
  /* It stays the program's. */
  memset(there, 1, SIZE);
  free(there);
  free(back);
  free(fence);
  puts("forbidden: good");
  return 0;
}
