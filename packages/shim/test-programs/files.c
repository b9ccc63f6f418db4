/* sysfs as a program reads it, by every way; all else on the machine is as it was. */
#include "support.h"

#include <dirent.h>
#include <sys/stat.h>

static int entries(const char *path, const char *wanted) {
  DIR *directory = opendir(path);
  CHECK(directory != NULL);
  int found = 0;
  struct dirent *entry;
  while ((entry = readdir(directory)) != NULL) {
    found += strcmp(entry->d_name, wanted) == 0;
  }
  CHECK(closedir(directory) == 0);
  return found;
}

/* What lies below a file is in no directory; what a directory has not, is not there. */
static void nothing_there(void) {
  static const char *const below[] = {
      "/sys/class/habanalabs/hl0/pci_addr/x", "/sys/class/habanalabs/hl0/pci_addr/", "/sys/class/habanalabs/hl0/pci_addr/x/y",
      "/dev/hl0/x", "/dev/hl0/",
  };
  struct stat st;
  char target[64];
  for (size_t i = 0; i < sizeof below / sizeof *below; i++) {
    CHECK(open(below[i], O_RDONLY) == -1 && errno == ENOTDIR);
    CHECK(stat(below[i], &st) == -1 && errno == ENOTDIR);
    CHECK(lstat(below[i], &st) == -1 && errno == ENOTDIR);
    CHECK(access(below[i], F_OK) == -1 && errno == ENOTDIR);
    CHECK(fopen(below[i], "r") == NULL && errno == ENOTDIR);
    CHECK(opendir(below[i]) == NULL && errno == ENOTDIR);
    CHECK(readlink(below[i], target, sizeof target) == -1 && errno == ENOTDIR);
  }
  CHECK(open("/sys/class/habanalabs/hl0/nothing", O_RDONLY) == -1 && errno == ENOENT);
  CHECK(stat("/sys/class/habanalabs/hl9/pci_addr", &st) == -1 && errno == ENOENT);
  CHECK(open("/dev/hl9/x", O_RDONLY) == -1 && errno == ENOENT);
  CHECK(opendir("/dev/hl0") == NULL && errno == ENOTDIR);
  int directory = open("/sys/class/habanalabs/hl0", O_RDONLY | O_DIRECTORY);
  CHECK(directory >= 0 && openat(directory, "nothing", O_RDONLY) == -1 && errno == ENOENT);
  CHECK(fstatat(directory, "nothing", &st, 0) == -1 && errno == ENOENT);
  int file = openat(directory, "pci_addr", O_RDONLY);
  CHECK(file >= 0 && openat(file, "x", O_RDONLY) == -1 && errno == ENOTDIR);
  CHECK(close(file) == 0 && close(directory) == 0);
}

int main(void) {
  nothing_there();
  CHECK(entries("/sys/class/habanalabs", "hl0") == 1);
  CHECK(entries("/sys//class/habanalabs/", "hl_controlD0") == 1);
  CHECK(entries("/proc/self", "status") == 1);
  char address[64] = "", again[64] = "", path[256];
  int fd = open("/sys/class/habanalabs/hl0/pci_addr", O_RDONLY);
  CHECK(fd >= 0 && read(fd, address, 12) == 12);
  CHECK(read(fd, again, sizeof again) <= 1);
  CHECK(pread(fd, again, 12, 0) == 12 && memcmp(address, again, 12) == 0);
  CHECK(lseek(fd, 0, SEEK_SET) == 0 && read(fd, again, 12) == 12 && memcmp(address, again, 12) == 0);
  CHECK(close(fd) == 0);
  snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/vendor", address);
  FILE *stream = fopen(path, "r");
  unsigned vendor = 0;
  CHECK(stream != NULL && fscanf(stream, "%x", &vendor) == 1 && vendor == 0x1da3);
  CHECK(fclose(stream) == 0);
  CHECK(entries("/sys/bus/pci/devices", address) == 1);
  CHECK(access("/sys/dev/char/511:0/pci_addr", R_OK) == 0);
  CHECK(access("/sys/dev/char/511:99", F_OK) == -1 && errno == ENOENT);
  CHECK(access("/dev/hl0", R_OK | W_OK) == 0 && access("/dev/hl7", F_OK) == -1);
  struct stat st;
  CHECK(stat("/sys/class/habanalabs/hl0", &st) == 0 && S_ISDIR(st.st_mode));
  CHECK(lstat("/sys/class/habanalabs/hl0", &st) == 0 && S_ISLNK(st.st_mode));
  CHECK(readlink("/sys/class/habanalabs/hl0", path, sizeof path) > 0);
  CHECK(stat("/proc/self/status", &st) == 0 && S_ISREG(st.st_mode));
  CHECK(open("/sys/class/habanalabs/hl0/pci_addr", O_WRONLY) == -1 && errno == EACCES);
  fd = open("/sys/class/habanalabs/hl0/max_power", O_RDWR);
  CHECK(fd >= 0 && write(fd, "200000\n", 7) == 7);
  char power[32] = "";
  CHECK(pread(fd, power, sizeof power - 1, 0) > 0 && strtol(power, NULL, 10) == 200000);
  CHECK(write(fd, "nonsense", 8) == -1 && errno == EINVAL);
  CHECK(close(fd) == 0);
  CHECK(access("/sys/kernel/debug/habanalabs/hl0/data32", R_OK) == (getenv("PEDRERA_SHIM_DEBUGFS") != NULL ? 0 : -1));
  puts("files: good");
  return 0;
}
