/* Directories and FILE streams of virtual files. A directory's entries are fetched when it is opened. */
#include "shim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct directory {
  struct directory *next;
  struct dirent *entries;
  size_t count, at;
};

static struct directory *directories;
static pthread_mutex_t directories_lock = PTHREAD_MUTEX_INITIALIZER;

static struct directory *ours(DIR *stream) {
  if (__atomic_load_n(&directories, __ATOMIC_RELAXED) == NULL) {
    return NULL;
  }
  pthread_mutex_lock(&directories_lock);
  struct directory *found = directories;
  while (found != NULL && (DIR *)(void *)found != stream) {
    found = found->next;
  }
  pthread_mutex_unlock(&directories_lock);
  return found;
}

static void add(void *to, const char *name, enum pd_what what) {
  struct directory *directory = to;
  for (size_t i = 0; i < directory->count; i++) {
    if (strcmp(directory->entries[i].d_name, name) == 0) {
      return;
    }
  }
  struct dirent *entries = realloc(directory->entries, (directory->count + 1) * sizeof *entries);
  if (entries == NULL) {
    return;
  }
  directory->entries = entries;
  struct dirent *entry = &entries[directory->count++];
  memset(entry, 0, sizeof *entry);
  entry->d_ino = directory->count;
  entry->d_off = (off_t)directory->count;
  entry->d_reclen = sizeof *entry;
  entry->d_type = what == PD_FILE ? DT_REG : what == PD_DIRECTORY ? DT_DIR : DT_LNK;
  strncpy(entry->d_name, name, sizeof entry->d_name - 1);
}

typedef DIR *(*opendir_fn)(const char *);
typedef struct dirent *(*readdir_fn)(DIR *);
typedef int (*closedir_fn)(DIR *);

/* What the machine itself has there. */
static void add_real(struct directory *directory, const char *path) {
  DIR *real = ((opendir_fn)pd_next("opendir"))(path);
  if (real == NULL) {
    return;
  }
  struct dirent *entry;
  while ((entry = ((readdir_fn)pd_next("readdir"))(real)) != NULL) {
    add(directory, entry->d_name, entry->d_type == DT_REG ? PD_FILE : entry->d_type == DT_DIR ? PD_DIRECTORY : PD_LINK);
  }
  ((closedir_fn)pd_next("closedir"))(real);
}

PD_EXPORT DIR *opendir(const char *path) {
  char tidy[256];
  struct pd_node_info info;
  enum pd_what what = pd_virtual(path, true, tidy, &info);
  if (what == PD_NOTHING) {
    return ((opendir_fn)pd_next("opendir"))(path);
  }
  if (what != PD_DIRECTORY) {
    errno = ENOTDIR;
    return NULL;
  }
  struct directory *directory = calloc(1, sizeof *directory);
  if (directory == NULL) {
    return NULL;
  }
  add(directory, ".", PD_DIRECTORY);
  add(directory, "..", PD_DIRECTORY);
  if (pd_is_mixed(tidy)) {
    add_real(directory, path);
  }
  int result = pd_virtual_list(tidy, add, directory);
  if (result != 0) {
    free(directory->entries);
    free(directory);
    errno = -result;
    return NULL;
  }
  pthread_mutex_lock(&directories_lock);
  directory->next = directories;
  directories = directory;
  pthread_mutex_unlock(&directories_lock);
  return (DIR *)(void *)directory;
}

PD_EXPORT struct dirent *readdir(DIR *stream) {
  struct directory *directory = ours(stream);
  if (directory == NULL) {
    return ((readdir_fn)pd_next("readdir"))(stream);
  }
  return directory->at < directory->count ? &directory->entries[directory->at++] : NULL;
}

PD_EXPORT struct dirent64 *readdir64(DIR *stream) {
  /* On 64-bit machines the two structs are one. */
  return (struct dirent64 *)(void *)readdir(stream);
}

PD_EXPORT int closedir(DIR *stream) {
  struct directory *directory = ours(stream);
  if (directory == NULL) {
    return ((closedir_fn)pd_next("closedir"))(stream);
  }
  pthread_mutex_lock(&directories_lock);
  for (struct directory **at = &directories; *at != NULL; at = &(*at)->next) {
    if (*at == directory) {
      *at = directory->next;
      break;
    }
  }
  pthread_mutex_unlock(&directories_lock);
  free(directory->entries);
  free(directory);
  return 0;
}

PD_EXPORT void rewinddir(DIR *stream) {
  struct directory *directory = ours(stream);
  if (directory == NULL) {
    ((void (*)(DIR *))pd_next("rewinddir"))(stream);
  } else {
    directory->at = 0;
  }
}

PD_EXPORT int dirfd(DIR *stream) {
  if (ours(stream) == NULL) {
    return ((int (*)(DIR *))pd_next("dirfd"))(stream);
  }
  errno = ENOTSUP;
  return -1;
}

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

/* What is written goes to the daemon when the stream is flushed; what is read was fetched at the beginning. */
static FILE *stream_of(const char *path, const char *mode, const char *real) {
  char tidy[256];
  struct pd_node_info info;
  enum pd_what what = pd_virtual(path, true, tidy, &info);
  if (what == PD_NOTHING || (what == PD_DIRECTORY && pd_is_mixed(tidy))) {
    return ((fopen_fn)pd_next(real))(path, mode);
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
