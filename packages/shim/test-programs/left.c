/* Ends without letting go of what it made. */
#include "support.h"

int main(void) {
  int fd = open_device();
  create_buffer(fd, 4096);
  create_buffer(fd, 4096);
  CHECK(map_host(fd, malloc(1u << 20), 1u << 20) != 0);
  puts("left: good");
  return 0;
}
