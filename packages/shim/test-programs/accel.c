/* The accel subsystem's names and numbers for the same devices; and a program that takes indices for commands. */
#include "support.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define DRM(nr, type) _IOWR('d', 0x40 + (nr), type)

int main(void) {
  struct stat st;
  CHECK(stat("/dev/accel", &st) == 0 && S_ISDIR(st.st_mode));
  CHECK(stat("/dev/accel/accel0", &st) == 0 && S_ISCHR(st.st_mode));
  CHECK(access("/dev/accel/accel_controlD0", F_OK) == 0);
  CHECK(open("/dev/accel/accel1", O_RDWR) == -1 && errno == ENOENT);
  CHECK(open("/dev/accel/hl0", O_RDWR) == -1 && open("/dev/accel0", O_RDWR) == -1);
  DIR *class = opendir("/sys/class/accel");
  CHECK(class != NULL && closedir(class) == 0);
  int control = open("/dev/accel/accel_controlD0", O_RDWR | O_CLOEXEC);
  CHECK(control >= 0 && fstat(control, &st) == 0 && minor(st.st_rdev) % 2 == 1);
  int fd = open("/dev/accel/accel0", O_RDWR | O_CLOEXEC);
  CHECK(fd >= 0);
  CHECK(open("/dev/hl0", O_RDWR) == -1 && errno == EBUSY);
  struct hl_info_hw_ip_info hw;
  struct hl_info_args args = {.return_pointer = (uintptr_t)&hw, .return_size = sizeof hw, .op = HL_INFO_HW_IP_INFO};
  CHECK(ioctl(fd, DRM(0, struct hl_info_args), &args) == 0 && hw.dram_enabled == 1);
  CHECK(ioctl(fd, HL_IOCTL_INFO, &args) == 0);
  CHECK(ioctl(control, DRM(0, struct hl_info_args), &args) == 0);
  union hl_cb_args cb = {.in = {.op = HL_CB_OP_CREATE, .cb_size = 4096}};
  CHECK(ioctl(control, DRM(1, union hl_cb_args), &cb) == -1 && errno == ENOTTY);
  static const uint32_t nop[] = {0, 0x0a000000};
  uint64_t handle = packets(fd, nop, sizeof nop);
  struct hl_cs_chunk chunk = {.cb_handle = handle, .queue_index = 0, .cb_size = sizeof nop};
  union hl_cs_args cs = {.in = {.chunks_execute = (uintptr_t)&chunk, .num_chunks_execute = 1}};
  CHECK(ioctl(fd, DRM(2, union hl_cs_args), &cs) == 0);
  union hl_wait_cs_args wait = {.in = {.seq = cs.out.seq, .timeout_us = 30000000}};
  CHECK(ioctl(fd, DRM(3, union hl_wait_cs_args), &wait) == 0 && wait.out.status == HL_WAIT_CS_STATUS_COMPLETED);
  destroy_buffer(fd, handle);
  /* What DRM itself answers is no call here, nor is a number behind the last. */
  CHECK(ioctl(fd, _IOWR('d', 1, struct hl_info_args), &args) == -1 && errno == ENOTTY);
  CHECK(ioctl(fd, DRM(6, struct hl_info_args), &args) == -1 && errno == ENOTTY);
  /* HL_IOCTL_INFO of a newer header. */
  CHECK(ioctl(fd, 0, &args) == -1 && errno == ENOTTY);
  CHECK(close(fd) == 0 && close(control) == 0);
  /* The older nodes know no such numbers. */
  fd = open_device();
  CHECK(ioctl(fd, DRM(0, struct hl_info_args), &args) == -1 && errno == ENOTTY);
  CHECK(close(fd) == 0);
  puts("accel: good");
  return 0;
}
