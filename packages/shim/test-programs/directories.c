/* Directories of sysfs by every way a program walks them. */
#include "support.h"

#include <dirent.h>
#include <glob.h>
#include <limits.h>
#include <sys/stat.h>

static int has(DIR *directory, const char *wanted) {
  struct dirent *entry;
  int found = 0;
  CHECK(directory != NULL);
  while ((entry = readdir(directory)) != NULL) {
    found += strcmp(entry->d_name, wanted) == 0;
  }
  return found;
}

static int not_hidden(const struct dirent *entry) {
  return entry->d_name[0] != '.';
}

static void scanned(const char *path, int wanted) {
  struct dirent **names;
  int count = scandir(path, &names, not_hidden, alphasort);
  CHECK(wanted < 0 ? count > 0 : count == wanted);
  for (int i = 0; i < count; i++) {
    free(names[i]);
  }
  free(names);
}

static void globbed(const char *pattern, size_t wanted) {
  glob_t found;
  memset(&found, 0, sizeof found);
  int result = glob(pattern, 0, NULL, &found);
  CHECK(wanted == 0 ? result == GLOB_NOMATCH : result == 0 && found.gl_pathc == wanted);
  globfree(&found);
}

int main(void) {
  int fd = open("/sys/class/habanalabs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct stat st;
  CHECK(fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode));
  CHECK(fstatat(fd, "hl0/pci_addr", &st, 0) == 0 && S_ISREG(st.st_mode));
  CHECK(faccessat(fd, "hl0", F_OK, 0) == 0 && faccessat(fd, "hl9", F_OK, 0) == -1);
  int file = openat(fd, "hl0/pci_addr", O_RDONLY);
  char address[32] = "";
  CHECK(file >= 0 && read(file, address, 12) == 12 && close(file) == 0);
  DIR *directory = fdopendir(fd);
  CHECK(directory != NULL && dirfd(directory) == fd && has(directory, "hl0") == 1);
  rewinddir(directory);
  CHECK(has(directory, "hl_controlD0") == 1 && closedir(directory) == 0);
  CHECK(fcntl(fd, F_GETFD) == -1 && errno == EBADF);
  directory = opendir("/sys/class/habanalabs/hl0");
  fd = dirfd(directory);
  CHECK(fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode));
  CHECK(has(directory, "pci_addr") == 1 && closedir(directory) == 0);
  CHECK(open("/sys/class/habanalabs/hl0/pci_addr", O_RDONLY | O_DIRECTORY) == -1 && errno == ENOTDIR);
  CHECK(open("/sys/class/habanalabs", O_RDWR) == -1 && errno == EISDIR);
  scanned("/sys/class/habanalabs", 2);
  scanned("/proc/self", -1);
  globbed("/sys/class/habanalabs/hl*/pci_addr", 1);
  globbed("/sys/class/habanalabs/nothing*", 0);
  globbed("/proc/self/stat", 1);
  char resolved[PATH_MAX], wanted[PATH_MAX];
  CHECK(realpath("/sys/class/habanalabs/../habanalabs/hl0", resolved) == resolved);
  CHECK(strcmp(resolved, "/sys/devices/virtual/habanalabs/hl0") == 0);
  snprintf(wanted, sizeof wanted, "/sys/bus/pci/devices/%s", address);
  char *allocated = realpath(wanted, NULL);
  CHECK(allocated != NULL && strncmp(allocated, "/sys/devices/pci0000:00", 23) == 0 && strstr(allocated, address) != NULL);
  free(allocated);
  CHECK(realpath("/sys/class/habanalabs/hl9", resolved) == NULL && errno == ENOENT);
  CHECK(realpath("/proc/self/..", resolved) == resolved && strcmp(resolved, "/proc") == 0);
  puts("directories: good");
  return 0;
}
