/* INFO, who may open what, what a descriptor looks like, pointers into nowhere. */
#include "support.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

static void looks_like_a_device(int fd, unsigned minor_number) {
  struct stat st;
  CHECK(fstat(fd, &st) == 0);
  CHECK(S_ISCHR(st.st_mode));
  CHECK(major(st.st_rdev) == 511 && minor(st.st_rdev) == minor_number);
}

static void bad_pointers(int fd) {
  void *nowhere = (void *)16;
  CHECK(ioctl(fd, HL_IOCTL_INFO, nowhere) == -1 && errno == EFAULT);
  CHECK(ioctl(fd, HL_IOCTL_CS, NULL) == -1 && errno == EFAULT);
  CHECK(info(fd, HL_INFO_HW_IP_INFO, nowhere, sizeof(struct hl_info_hw_ip_info)) == -1 && errno == EFAULT);
  union hl_cs_args cs = {.in = {.chunks_execute = 16, .num_chunks_execute = 2}};
  CHECK(ioctl(fd, HL_IOCTL_CS, &cs) == -1 && errno == EFAULT);
  union hl_cs_args many = {.in = {.chunks_execute = 16, .num_chunks_execute = 513}};
  CHECK(ioctl(fd, HL_IOCTL_CS, &many) == -1 && errno == EINVAL);
  struct hl_cs_chunk chunk = {.signal_seq_arr = 16, .num_signal_seq_arr = 1};
  union hl_cs_args wait = {
      .in = {.chunks_execute = (uintptr_t)&chunk, .num_chunks_execute = 1, .cs_flags = HL_CS_FLAGS_WAIT}};
  CHECK(ioctl(fd, HL_IOCTL_CS, &wait) == -1 && errno == EFAULT);
  /* Half of it is there. */
  char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(munmap(pages + 4096, 4096) == 0);
  CHECK(ioctl(fd, HL_IOCTL_INFO, pages + 4096 - 8) == -1 && errno == EFAULT);
  CHECK(map_host(fd, pages, 8192) == 0 && errno == EFAULT);
  CHECK(munmap(pages, 4096) == 0);
}

int main(void) {
  int fd = open_device();
  CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
  looks_like_a_device(fd, 0);
  struct hl_info_hw_ip_info hw;
  CHECK(info(fd, HL_INFO_HW_IP_INFO, &hw, sizeof hw) == 0);
  CHECK(hw.dram_enabled == 1 && hw.sram_size > 0);
  CHECK(open("/dev/hl0", O_RDWR) == -1 && errno == EBUSY);
  CHECK(open("/dev/hl1", O_RDWR) == -1 && errno == ENOENT);
  int control = open("//dev//hl_controlD0", O_RDWR);
  CHECK(control >= 0 && fcntl(control, F_GETFD) == 0);
  looks_like_a_device(control, 1);
  union hl_cb_args cb = {.in = {.op = HL_CB_OP_CREATE, .cb_size = 4096}};
  CHECK(ioctl(control, HL_IOCTL_CB, &cb) == -1 && errno == ENOTTY);
  CHECK(ioctl(fd, _IOWR('H', 9, struct hl_info_args), &cb) == -1 && errno == ENOTTY);
  CHECK(close(control) == 0);
  bad_pointers(fd);
  /* The file lives with its last descriptor, and close returns when the device is free. */
  int twin = dup(fd);
  CHECK(close(fd) == 0);
  CHECK(info(twin, HL_INFO_HW_IP_INFO, &hw, sizeof hw) == 0);
  for (int i = 0; i < 20; i++) {
    CHECK(close(twin) == 0);
    twin = open_device();
  }
  puts("calls: good");
  return 0;
}
