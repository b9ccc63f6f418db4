/* Bytes of malloc'ed memory to HBM and back; command buffers mapped, unmapped and mapped again; huge pages. */
#include "support.h"

#define SIZE (3u << 20)
#define HBM 0x20000000ull

static void move(int fd, uint32_t queue, uint64_t from, uint64_t to, uint32_t size) {
  uint32_t words[6] = {size, 9u << 24 | 1u << 3, (uint32_t)from, (uint32_t)(from >> 32), (uint32_t)to, (uint32_t)(to >> 32)};
  uint64_t handle = packets(fd, words, sizeof words);
  uint64_t seq = submit(fd, queue, handle, sizeof words);
  uint32_t status;
  CHECK(wait_for(fd, seq, 30000000, &status) == 0 && status == HL_WAIT_CS_STATUS_COMPLETED);
  destroy_buffer(fd, handle);
}

static void buffers(int fd) {
  uint64_t handle = create_buffer(fd, 5000);
  char *memory = mmap(NULL, 5000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)handle);
  CHECK(memory != MAP_FAILED);
  CHECK(mmap(NULL, 5000, PROT_READ, MAP_SHARED, fd, (off_t)handle) == MAP_FAILED && errno == EINVAL);
  memory[8191] = 42;
  CHECK(munmap(memory, 4096) == 0);
  CHECK(mmap(NULL, 5000, PROT_READ, MAP_SHARED, fd, (off_t)handle) == MAP_FAILED && errno == EINVAL);
  CHECK(memory[8191] == 42);
  CHECK(munmap(memory + 4096, 4096) == 0);
  CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, (off_t)handle) == MAP_FAILED && errno == EINVAL);
  memory = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, (off_t)handle);
  CHECK(memory != MAP_FAILED && memory[8191] == 42);
  CHECK(munmap(memory, 8192) == 0);
  destroy_buffer(fd, handle);
  CHECK(mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, (off_t)handle) == MAP_FAILED && errno == EINVAL);
}

int main(void) {
  int fd = open_device();
  buffers(fd);
  unsigned char *there = malloc(SIZE), *back = malloc(SIZE);
  CHECK(there != NULL && back != NULL);
  for (uint32_t i = 0; i < SIZE; i++) {
    there[i] = (unsigned char)(i * 2654435761u >> 24);
  }
  memset(back, 0, SIZE);
  uint64_t there_va = map_host(fd, there, SIZE), back_va = map_host(fd, back, SIZE);
  CHECK(there_va != 0 && back_va != 0);
  move(fd, 0, there_va, HBM, SIZE);
  move(fd, 4, HBM, back_va, SIZE);
  CHECK(memcmp(there, back, SIZE) == 0);
  unmap(fd, there_va);
  unmap(fd, back_va);
  size_t huge = 4u << 20;
  char *pages = mmap(NULL, huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
  CHECK(pages != MAP_FAILED && (uintptr_t)pages % (2u << 20) == 0);
  pages[huge - 1] = 1;
  uint64_t va = map_host(fd, pages, huge);
  CHECK(va != 0);
  unmap(fd, va);
  CHECK(munmap(pages, huge) == 0);
  CHECK(close(fd) == 0);
  puts("transfer: good");
  return 0;
}
