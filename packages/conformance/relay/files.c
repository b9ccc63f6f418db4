/*
 * Files by their paths, with the calls that programs use for sysfs and debugfs.
 */
#include "relay.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_ROOM 512
#define LIST_ROOM 65536

static struct outcome failed(int error) {
  return (struct outcome){.error = error};
}

/* -1 and errno for a path that is too long, too. */
static int open_at(const uint8_t *path, size_t size, int flags) {
  char text[PATH_ROOM];
  if (size >= sizeof text) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(text, path, size);
  text[size] = '\0';
  return open(text, flags | O_CLOEXEC);
}

struct outcome relay_read_file(const uint64_t argument[4], const uint8_t *path, size_t size) {
  int fd = open_at(path, size, O_RDONLY);
  uint8_t *bytes = malloc(argument[0] + 1);
  if (fd < 0 || bytes == NULL) {
    int error = fd < 0 ? errno : ENOMEM;
    free(bytes);
    return failed(error);
  }
  ssize_t got = pread(fd, bytes, argument[0], (off_t)argument[1]);
  int error = errno;
  close(fd);
  if (got < 0) {
    free(bytes);
    return failed(error);
  }
  return (struct outcome){.value = (uint64_t)got, .bytes = bytes, .size = (size_t)got};
}

/* The bytes are behind the path. */
struct outcome relay_write_file(const uint64_t argument[4], const uint8_t *path, size_t size) {
  if (argument[0] > size) {
    return failed(EPROTO);
  }
  int fd = open_at(path, argument[0], O_WRONLY);
  if (fd < 0) {
    return failed(errno);
  }
  ssize_t put = pwrite(fd, path + argument[0], size - argument[0], (off_t)argument[1]);
  int error = errno;
  close(fd);
  return put < 0 ? failed(error) : (struct outcome){.value = (uint64_t)put};
}

static int describe(char *to, size_t room, const char *directory, const char *name) {
  char path[PATH_ROOM], target[PATH_ROOM] = "";
  struct stat st;
  int length = snprintf(path, sizeof path, "%s%s%s", directory, *name == '\0' ? "" : "/", name);
  if (length < 0 || length >= (int)sizeof path || lstat(path, &st) != 0) {
    return -1;
  }
  ssize_t size = S_ISLNK(st.st_mode) ? readlink(path, target, sizeof target - 1) : 0;
  target[size < 0 ? 0 : size] = '\0';
  int written = snprintf(to, room, "%o %llu %s\t%s\n", st.st_mode, (unsigned long long)st.st_size, name, target);
  return written < (int)room ? written : -1;
}

/* A line for what is at the path: mode, size, name (none), target of a link. */
struct outcome relay_stat_file(const uint8_t *path, size_t size) {
  char text[PATH_ROOM], *line = malloc(2 * PATH_ROOM);
  int length = -1;
  errno = ENAMETOOLONG;
  if (line != NULL && size < sizeof text) {
    memcpy(text, path, size);
    text[size] = '\0';
    length = describe(line, 2 * PATH_ROOM, text, "");
  }
  if (length < 0) {
    int error = errno;
    free(line);
    return failed(error);
  }
  return (struct outcome){.bytes = (uint8_t *)line, .size = (size_t)length};
}

/* Such a line for everything in a directory. */
struct outcome relay_list_files(const uint8_t *path, size_t size) {
  char text[PATH_ROOM];
  if (size >= sizeof text) {
    return failed(ENAMETOOLONG);
  }
  memcpy(text, path, size);
  text[size] = '\0';
  DIR *directory = opendir(text);
  if (directory == NULL) {
    return failed(errno);
  }
  char *lines = malloc(LIST_ROOM);
  size_t length = 0;
  for (struct dirent *entry = readdir(directory); lines != NULL && entry != NULL; entry = readdir(directory)) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
      continue;
    }
    int added = describe(lines + length, LIST_ROOM - length, text, entry->d_name);
    length += added < 0 ? 0 : (size_t)added;
  }
  closedir(directory);
  return (struct outcome){.error = lines == NULL ? ENOMEM : 0, .bytes = (uint8_t *)lines, .size = length};
}
