/* Parent and child ask on the one open file at the same time; the file lives until both have let go of it. */
#include "support.h"

#include <sys/wait.h>

#define ROUNDS 200

static void ask(int fd) {
  for (int i = 0; i < ROUNDS; i++) {
    struct hl_info_hw_ip_info hw;
    CHECK(info(fd, HL_INFO_HW_IP_INFO, &hw, sizeof hw) == 0 && hw.dram_enabled == 1);
    struct hl_info_device_status status;
    CHECK(info(fd, HL_INFO_DEVICE_STATUS, &status, sizeof status) == 0 && status.status == HL_DEVICE_STATUS_OPERATIONAL);
  }
}

int main(void) {
  int fd = open_device();
  ask(fd);
  pid_t child = fork();
  CHECK(child >= 0);
  ask(fd);
  if (child == 0) {
    CHECK(open("/dev/hl0", O_RDWR) == -1 && errno == EBUSY);
    CHECK(close(fd) == 0);
    _exit(0);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  ask(fd);
  CHECK(close(fd) == 0);
  puts("fork: good");
  return 0;
}
