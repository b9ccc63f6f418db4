/*
 * Directories of virtual files. Their entries are fetched when they are opened; what of libc walks directories by itself
 * (scandir, glob) is led here.
 */
#include "shim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct directory {
  struct directory *next;
  struct dirent *entries;
  size_t count, at;
  /* The descriptor it was opened through, or one that was asked for; -1. */
  int fd;
  char path[256];
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

static void free_directory(struct directory *directory) {
  if (directory->fd >= 0) {
    pd_close(directory->fd);
  }
  free(directory->entries);
  free(directory);
}

/* `tidy` is a virtual directory. Takes the descriptor over, if there is one; -errno. */
static int read_directory(const char *tidy, int fd, struct directory **made) {
  struct directory *directory = calloc(1, sizeof *directory);
  if (directory == NULL) {
    return -ENOMEM;
  }
  directory->fd = -1;
  snprintf(directory->path, sizeof directory->path, "%s", tidy);
  add(directory, ".", PD_DIRECTORY);
  add(directory, "..", PD_DIRECTORY);
  if (pd_is_mixed(tidy)) {
    add_real(directory, tidy);
  }
  int result = pd_virtual_list(tidy, add, directory);
  if (result != 0) {
    free_directory(directory);
    return result;
  }
  directory->fd = fd;
  pthread_mutex_lock(&directories_lock);
  directory->next = directories;
  directories = directory;
  pthread_mutex_unlock(&directories_lock);
  *made = directory;
  return 0;
}

static DIR *as_stream(const char *tidy, int fd) {
  struct directory *directory = NULL;
  int result = read_directory(tidy, fd, &directory);
  if (result != 0) {
    errno = -result;
    return NULL;
  }
  return (DIR *)(void *)directory;
}

PD_EXPORT DIR *opendir(const char *path) {
  char tidy[256];
  struct pd_node_info info;
  enum pd_what what = pd_virtual(path, true, tidy, &info);
  struct pd_node node;
  bool file = what == PD_FILE || (what == PD_NOTHING && path != NULL && pd_node_of(path, &node) && pd_node_exists(&node));
  if (what == PD_NOTHING && !file) {
    long missing = pd_missing(AT_FDCWD, path);
    if (missing == 0) {
      return ((opendir_fn)pd_next("opendir"))(path);
    }
    errno = (int)-missing;
    return NULL;
  }
  if (what != PD_DIRECTORY) {
    errno = ENOTDIR;
    return NULL;
  }
  return as_stream(tidy, -1);
}

PD_EXPORT DIR *fdopendir(int fd) {
  char path[256], tidy[256];
  struct pd_node_info info;
  if (!pd_virtual_path(fd, path)) {
    return ((DIR * (*)(int)) pd_next("fdopendir"))(fd);
  }
  if (pd_virtual(path, true, tidy, &info) != PD_DIRECTORY) {
    errno = ENOTDIR;
    return NULL;
  }
  return as_stream(tidy, fd);
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
  free_directory(directory);
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

PD_EXPORT long telldir(DIR *stream) {
  struct directory *directory = ours(stream);
  return directory == NULL ? ((long (*)(DIR *))pd_next("telldir"))(stream) : (long)directory->at;
}

PD_EXPORT void seekdir(DIR *stream, long at) {
  struct directory *directory = ours(stream);
  if (directory == NULL) {
    ((void (*)(DIR *, long))pd_next("seekdir"))(stream, at);
  } else {
    directory->at = at < 0 ? 0 : (size_t)at;
  }
}

PD_EXPORT int dirfd(DIR *stream) {
  struct directory *directory = ours(stream);
  if (directory == NULL) {
    return ((int (*)(DIR *))pd_next("dirfd"))(stream);
  }
  if (directory->fd < 0) {
    char tidy[256];
    struct pd_node_info info;
    enum pd_what what = pd_virtual(directory->path, true, tidy, &info);
    int fd = what == PD_DIRECTORY ? pd_virtual_open(tidy, &info, O_RDONLY | O_CLOEXEC) : -ENOENT;
    if (fd < 0) {
      errno = -fd;
      return -1;
    }
    directory->fd = fd;
  }
  return directory->fd;
}

typedef int (*filter_fn)(const struct dirent *);
typedef int (*order_fn)(const struct dirent **, const struct dirent **);
typedef int (*scandir_fn)(const char *, struct dirent ***, filter_fn, order_fn);

static int scan(const char *tidy, struct dirent ***names, filter_fn filter, order_fn order) {
  struct directory *directory = NULL;
  int result = read_directory(tidy, -1, &directory);
  if (result != 0) {
    return result;
  }
  struct dirent **list = calloc(directory->count, sizeof *list);
  int count = 0;
  for (size_t i = 0; list != NULL && i < directory->count; i++) {
    struct dirent *entry = &directory->entries[i];
    if (filter == NULL || filter(entry) != 0) {
      list[count] = malloc(sizeof *entry);
      if (list[count] == NULL) {
        break;
      }
      memcpy(list[count++], entry, sizeof *entry);
    }
  }
  if (list != NULL && order != NULL) {
    qsort(list, (size_t)count, sizeof *list, (int (*)(const void *, const void *))(void (*)(void))order);
  }
  *names = list;
  closedir((DIR *)(void *)directory);
  return list == NULL ? -ENOMEM : count;
}

static int scan_any(const char *path, struct dirent ***names, filter_fn filter, order_fn order, const char *real) {
  char tidy[256];
  struct pd_node_info info;
  enum pd_what what = pd_virtual(path, true, tidy, &info);
  if (what == PD_NOTHING) {
    return ((scandir_fn)pd_next(real))(path, names, filter, order);
  }
  return (int)pd_result(what == PD_DIRECTORY ? scan(tidy, names, filter, order) : -ENOTDIR);
}

PD_EXPORT int scandir(const char *path, struct dirent ***names, filter_fn filter, order_fn order) {
  return scan_any(path, names, filter, order, "scandir");
}

/* On 64-bit machines the structs are one. */
PD_EXPORT int scandir64(const char *path, struct dirent64 ***names, int (*filter)(const struct dirent64 *),
                        int (*order)(const struct dirent64 **, const struct dirent64 **)) {
  return scan_any(path, (struct dirent ***)(void *)names, (filter_fn)(void *)filter, (order_fn)(void *)order, "scandir64");
}

static void close_stream(void *stream) {
  closedir(stream);
}

typedef int (*glob_fn)(const char *, int, int (*)(const char *, int), glob_t *);

/* libc's own, with other eyes. */
static int glob_any(const char *pattern, int flags, int (*failed)(const char *, int), glob_t *result, const char *real) {
  if (pd_active() && (flags & GLOB_ALTDIRFUNC) == 0) {
    flags |= GLOB_ALTDIRFUNC;
    result->gl_opendir = (void *(*)(const char *))opendir;
    result->gl_readdir = (struct dirent * (*)(void *)) readdir;
    result->gl_closedir = close_stream;
    result->gl_stat = stat;
    result->gl_lstat = lstat;
  }
  return ((glob_fn)pd_next(real))(pattern, flags, failed, result);
}

PD_EXPORT int glob(const char *pattern, int flags, int (*failed)(const char *, int), glob_t *result) {
  return glob_any(pattern, flags, failed, result, "glob");
}
PD_EXPORT int glob64(const char *pattern, int flags, int (*failed)(const char *, int), glob64_t *result) {
  return glob_any(pattern, flags, failed, (glob_t *)(void *)result, "glob64");
}
