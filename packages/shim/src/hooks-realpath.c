/* realpath through links of virtual files, which libc would follow past this library. */
#include "shim.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_LINKS 40

/* Takes the last part off. */
static void up(char *path) {
  char *slash = strrchr(path, '/');
  if (slash != NULL) {
    *slash = '\0';
  }
}

/* One more part of a path that is resolved so far; what is to follow is in `rest`. -errno. */
static int step(char *done, char *rest, const char *part, int *links) {
  char tidy[256];
  struct pd_node_info info;
  if (strcmp(part, ".") == 0 || *part == '\0') {
    return 0;
  }
  if (strcmp(part, "..") == 0) {
    up(done);
    return 0;
  }
  size_t length = strlen(done);
  if (snprintf(done + length, PATH_MAX - length, "/%s", part) >= (int)(PATH_MAX - length)) {
    return -ENAMETOOLONG;
  }
  struct stat st;
  if (lstat(done, &st) != 0) {
    return -errno;
  }
  if (!S_ISLNK(st.st_mode)) {
    return 0;
  }
  char target[PATH_MAX], after[PATH_MAX];
  ssize_t size = pd_virtual(done, false, tidy, &info) == PD_LINK ? (ssize_t)strlen(strcpy(target, info.target))
                                                                 : readlink(done, target, sizeof target - 1);
  if (size < 0 || ++*links > MOST_LINKS) {
    return size < 0 ? -errno : -ELOOP;
  }
  target[size] = '\0';
  snprintf(after, sizeof after, "%s", rest);
  if (snprintf(rest, PATH_MAX, "%s/%s", target, after) >= PATH_MAX) {
    return -ENAMETOOLONG;
  }
  if (*target == '/') {
    *done = '\0';
  } else {
    up(done);
  }
  return 0;
}

static int resolve(const char *path, char done[PATH_MAX]) {
  char rest[PATH_MAX], part[PATH_MAX];
  int links = 0, result = 0;
  snprintf(rest, sizeof rest, "%s", path);
  *done = '\0';
  while (result == 0 && *rest != '\0') {
    size_t length = strcspn(rest, "/");
    memcpy(part, rest, length);
    part[length] = '\0';
    memmove(rest, rest + length + (rest[length] == '/'), strlen(rest + length) + (rest[length] != '/'));
    result = step(done, rest, part, &links);
  }
  if (result == 0 && *done == '\0') {
    strcpy(done, "/");
  }
  return result;
}

typedef char *(*realpath_fn)(const char *, char *);

static char *realpath_any(const char *path, char *to) {
  char tidy[256], done[PATH_MAX];
  struct pd_node_info info;
  if (pd_virtual(path, false, tidy, &info) == PD_NOTHING) {
    return ((realpath_fn)pd_next("realpath"))(path, to);
  }
  int result = resolve(path, done);
  if (result != 0) {
    errno = -result;
    return NULL;
  }
  return to == NULL ? strdup(done) : strcpy(to, done);
}

PD_EXPORT char *realpath(const char *path, char *to) {
  return realpath_any(path, to);
}
PD_EXPORT char *__realpath_chk(const char *path, char *to, size_t room) {
  return realpath_any(path, to);
}
PD_EXPORT char *canonicalize_file_name(const char *path) {
  return realpath_any(path, NULL);
}
