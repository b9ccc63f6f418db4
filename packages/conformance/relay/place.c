/*
 * Memory for one call that ends where a page ends, with nothing behind it: whoever touches a byte too many gets EFAULT.
 */
#include "relay.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t page(void) {
  return (size_t)sysconf(_SC_PAGESIZE);
}

int place(struct placed *placed, const uint8_t *bytes, size_t size) {
  size_t room = (size + page() - 1) / page() * page();
  placed->mapped = room + page();
  placed->pages = mmap(NULL, placed->mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (placed->pages == MAP_FAILED) {
    return errno;
  }
  if (room > 0 && mprotect(placed->pages, room, PROT_READ | PROT_WRITE) != 0) {
    int error = errno;
    munmap(placed->pages, placed->mapped);
    return error;
  }
  placed->at = placed->pages + room - size;
  placed->size = size;
  if (bytes != NULL) {
    memcpy(placed->at, bytes, size);
  }
  return 0;
}

void unplace(const struct placed *placed) {
  munmap(placed->pages, placed->mapped);
}
