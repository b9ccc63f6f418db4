/* FILE streams of virtual files. What is written goes to the daemon when the stream is flushed; what is read is fetched at the beginning. */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ssize_t write_cookie(void *cookie, const char *from, size_t size) {
  long written = pd_virtual_write(cookie, from, size, 0);
  if (written < 0) {
    errno = (int)-written;
    return 0;
  }
  return written;
}

static ssize_t read_cookie(void *cookie, char *to, size_t size) {
  return 0;
}

static int close_cookie(void *cookie) {
  free(cookie);
  return 0;
}

typedef FILE *(*fopen_fn)(const char *, const char *);

static FILE *stream_of(const char *path, const char *mode, const char *real) {
  char tidy[256];
  struct pd_node_info info;
  enum pd_what what = pd_virtual(path, true, tidy, &info);
  if (what == PD_NOTHING || (what == PD_DIRECTORY && pd_is_mixed(tidy))) {
    long missing = pd_missing(AT_FDCWD, path);
    if (missing != 0) {
      errno = (int)-missing;
      return NULL;
    }
    return ((fopen_fn)pd_next(real))(path, mode);
  }
  if (what == PD_FILE && path[strlen(path) - 1] == '/') {
    errno = ENOTDIR;
    return NULL;
  }
  bool writes = strpbrk(mode, "wa+") != NULL;
  int fd = pd_virtual_open(tidy, &info, writes ? O_WRONLY : O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    errno = -fd;
    return NULL;
  }
  if (!writes) {
    return fdopen(fd, mode);
  }
  pd_close(fd);
  char *cookie = strdup(tidy);
  cookie_io_functions_t functions = {read_cookie, write_cookie, NULL, close_cookie};
  return cookie == NULL ? NULL : fopencookie(cookie, "w", functions);
}

PD_EXPORT FILE *fopen(const char *path, const char *mode) {
  return stream_of(path, mode, "fopen");
}

PD_EXPORT FILE *fopen64(const char *path, const char *mode) {
  return stream_of(path, mode, "fopen64");
}
