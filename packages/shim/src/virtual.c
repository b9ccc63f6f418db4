/*
 * sysfs and debugfs out of the daemon's virtual files. A descriptor of one is a memfd that is named after its path, so that it
 * needs no bookkeeping; what is read and written through it goes to the daemon each time, as the driver's own files do.
 * Must not know: what any file says.
 */
#include "shim.h"
#include "tables.generated.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define NAME_PREFIX "pedrera:"
#define LINK_PREFIX "/memfd:" NAME_PREFIX
#define LINK_SUFFIX " (deleted)"
/* memfd_create(2) takes 249 bytes. */
#define MAX_NAMED_PATH (249 - sizeof NAME_PREFIX)
/* Where libraries look for the accel subsystem's nodes, and what lists them. */
#define ACCEL_NODES "/dev/accel"
#define ACCEL_CLASS "/sys/class/accel"
#define DEBUG_ROOT "/sys/kernel/debug"

/* Directories of which part may be the daemon's; all else is none of this library's business. */
static const char *const ours[] = {
    "/sys/class/habanalabs", "/sys/class/accel", "/sys/bus/pci/drivers/habanalabs", "/sys/devices/virtual/habanalabs",
};
static const char *const mixed[] = {"/sys/dev/char", "/sys/bus/pci/devices", "/sys/devices/pci0000:00"};

static struct pd_link files_link;
static int files_fd = -1;
static ino_t files_ino;
static pthread_mutex_t files_lock = PTHREAD_MUTEX_INITIALIZER;
static bool any_opened;
static dev_t memfd_device;

static bool below(const char *path, const char *directory) {
  size_t size = strlen(directory);
  return strncmp(path, directory, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

static bool shows_debugfs(void) {
  const char *value = getenv("PEDRERA_SHIM_DEBUGFS");
  return value != NULL && strcmp(value, "1") == 0;
}

bool pd_is_mixed(const char *tidy) {
  for (size_t i = 0; i < sizeof mixed / sizeof *mixed; i++) {
    if (strcmp(tidy, mixed[i]) == 0) {
      return true;
    }
  }
  return strcmp(tidy, DEBUG_ROOT) == 0;
}

static bool concerns(const char *path) {
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
    if (below(path, ours[i])) {
      return true;
    }
  }
  for (size_t i = 0; i < sizeof mixed / sizeof *mixed; i++) {
    if (below(path, mixed[i])) {
      return true;
    }
  }
  return below(path, DEBUG_ROOT) && shows_debugfs();
}

/* What begins like a device node. */
static bool below_nodes(const char *path) {
  return strncmp(path, "/dev/hl", 7) == 0 || strncmp(path, "/dev/accel/", 11) == 0;
}

/* One slash where there are several, none at the end. */
static bool tidied(const char *path, char tidy[256]) {
  size_t length = 0;
  if (path == NULL || *path != '/') {
    return false;
  }
  for (; *path != '\0'; path++) {
    if (*path == '/' && (path[1] == '/' || path[1] == '\0')) {
      continue;
    }
    if (length == 255) {
      return false;
    }
    tidy[length++] = *path;
  }
  tidy[length] = '\0';
  return true;
}

const char *pd_absolute(int directory, const char *path, char joined[512]) {
  char start[256], first;
  if (!pd_active() || path == NULL || !pd_copy_in(&first, (uint64_t)(uintptr_t)path, 1)) {
    return NULL;
  }
  if (first == '/') {
    return path;
  }
  if (directory < 0 || !pd_virtual_path(directory, start)) {
    return NULL;
  }
  return snprintf(joined, 512, "%s/%s", start, path) < 512 ? joined : NULL;
}

/* As for a user without rights to it: who looks whether debugfs can be read is told no. */
bool pd_hidden(const char *path) {
  char tidy[256];
  return pd_active() && !shows_debugfs() && tidied(path, tidy) && strcmp(tidy, DEBUG_ROOT) == 0;
}

/* The connection for files, which a program may have closed with all it did not know. */
static int files_connection(void) {
  struct stat st;
  pthread_mutex_lock(&files_lock);
  bool stands = files_fd >= 0 && pd_fstat(files_fd, &st) == 0 && st.st_ino == files_ino && !files_link.dead;
  if (!stands) {
    files_fd = pd_connect();
    if (files_fd >= 0 && pd_fstat(files_fd, &st) == 0) {
      files_ino = st.st_ino;
      pd_link_init(&files_link);
    }
  }
  int fd = files_fd;
  pthread_mutex_unlock(&files_lock);
  return fd;
}

/* The child asks on a connection of its own. */
void pd_virtual_fork(void) {
  if (files_fd >= 0) {
    pd_close(files_fd);
    files_fd = -1;
  }
  pthread_mutex_init(&files_lock, NULL);
}

bool pd_is_files_connection(ino_t ino) {
  return __atomic_load_n(&files_fd, __ATOMIC_RELAXED) >= 0 && files_ino == ino;
}

/* Sends the request; 0 with the reply at its result, or -errno without one. */
static int ask(struct pd_request *request, struct pd_reply *reply) {
  int fd = files_connection();
  if (fd < 0) {
    pd_end(&request->writer);
    return fd;
  }
  return pd_ask(&files_link, fd, request, reply);
}

static enum pd_what kind_of(struct pd_reader *r) {
  size_t size;
  const uint8_t *word = pd_get_bytes(r, &size);
  if (word == NULL || size == 0) {
    return PD_NOTHING;
  }
  return *word == 'f' ? PD_FILE : *word == 'd' ? PD_DIRECTORY : PD_LINK;
}

static int stat_of(const char *path, struct pd_node_info *info) {
  struct pd_request request;
  struct pd_reply reply;
  struct pd_writer *writer = pd_begin_typed(&request, PD_CODE_FILE_STAT, 1);
  pd_put_text(writer, path);
  int result = ask(&request, &reply);
  if (result != 0) {
    return result;
  }
  memset(info, 0, sizeof *info);
  info->what = kind_of(&reply.rest);
  info->mode = (uint32_t)pd_get_number(&reply.rest);
  info->size = pd_get_number(&reply.rest);
  if (info->what == PD_LINK) {
    size_t size;
    const uint8_t *target = pd_get_bytes(&reply.rest, &size);
    if (target != NULL && size < sizeof info->target) {
      memcpy(info->target, target, size);
    }
  }
  pd_reply_free(&reply);
  return 0;
}

enum pd_what pd_virtual(const char *path, bool follow, char tidy[256], struct pd_node_info *info) {
  if (!pd_active() || !tidied(path, tidy)) {
    return PD_NOTHING;
  }
  if (strcmp(tidy, ACCEL_NODES) == 0) {
    strcpy(tidy, ACCEL_CLASS);
  }
  if (!concerns(tidy)) {
    return PD_NOTHING;
  }
  int saved = errno;
  int result = stat_of(tidy, info);
  if (result == 0 && info->what == PD_LINK && follow) {
    /* A slash at the end follows. */
    char followed[258];
    snprintf(followed, sizeof followed, "%s/", tidy);
    result = stat_of(followed, info);
  }
  errno = saved;
  return result == 0 ? info->what : PD_NOTHING;
}

long pd_missing(int directory, const char *path) {
  char joined[512], tidy[256];
  struct pd_node node;
  struct pd_node_info info;
  const char *absolute = pd_absolute(directory, path, joined);
  if (absolute == NULL || !tidied(absolute, tidy) || !(concerns(tidy) || below_nodes(tidy))) {
    return 0;
  }
  bool relative = absolute == joined;
  bool slash = absolute[strlen(absolute) - 1] == '/';
  for (char *cut = slash ? tidy + strlen(tidy) : strrchr(tidy, '/'); cut != NULL && cut != tidy; cut = strrchr(tidy, '/')) {
    char parent[256];
    *cut = '\0';
    if (pd_node_of(tidy, &node) && pd_node_exists(&node)) {
      return -ENOTDIR;
    }
    enum pd_what what = pd_virtual(tidy, true, parent, &info);
    if (what != PD_NOTHING) {
      return what == PD_FILE ? -ENOTDIR : relative ? -ENOENT : 0;
    }
  }
  return relative ? -ENOENT : 0;
}

void pd_virtual_stat(const struct pd_node_info *info, struct stat *st) {
  memset(st, 0, sizeof *st);
  mode_t kind = info->what == PD_FILE ? S_IFREG : info->what == PD_DIRECTORY ? S_IFDIR : S_IFLNK;
  st->st_mode = kind | (info->mode & 07777);
  st->st_nlink = info->what == PD_DIRECTORY ? 2 : 1;
  st->st_size = (off_t)info->size;
  st->st_blksize = 4096;
}

long pd_virtual_read(const char *path, void *to, size_t size, uint64_t offset) {
  struct pd_request request;
  struct pd_reply reply;
  struct pd_writer *writer = pd_begin_typed(&request, PD_CODE_FILE_READ, 3);
  pd_put_text(writer, path);
  pd_put_number(writer, offset);
  pd_put_number(writer, size < PD_MAX_FILE_BYTES ? size : PD_MAX_FILE_BYTES);
  int result = ask(&request, &reply);
  if (result != 0) {
    return result;
  }
  size_t got;
  const uint8_t *bytes = pd_get_bytes(&reply.rest, &got);
  long taken = reply.rest.bad ? -EIO : (long)(got < size ? got : size);
  if (taken > 0 && !pd_copy_out((uint64_t)(uintptr_t)to, bytes, (size_t)taken)) {
    taken = -EFAULT;
  }
  pd_reply_free(&reply);
  return taken;
}

long pd_virtual_write(const char *path, const void *from, size_t size, uint64_t offset) {
  if (size > PD_MAX_FILE_BYTES) {
    size = PD_MAX_FILE_BYTES;
  }
  uint8_t *copy = malloc(size + 1);
  if (copy == NULL) {
    return -ENOMEM;
  }
  if (!pd_copy_in(copy, (uint64_t)(uintptr_t)from, size)) {
    free(copy);
    return -EFAULT;
  }
  struct pd_request request;
  struct pd_reply reply;
  struct pd_writer *writer = pd_begin_typed(&request, PD_CODE_FILE_WRITE, 3);
  pd_put_text(writer, path);
  pd_put_number(writer, offset);
  pd_put_bytes(writer, copy, size);
  free(copy);
  int result = ask(&request, &reply);
  if (result != 0) {
    return result;
  }
  long written = (long)pd_get_number(&reply.rest);
  pd_reply_free(&reply);
  return written;
}

int pd_virtual_list(const char *path, void (*each)(void *to, const char *name, enum pd_what what), void *to) {
  struct pd_request request;
  struct pd_reply reply;
  struct pd_writer *writer = pd_begin_typed(&request, PD_CODE_FILE_LIST, 1);
  pd_put_text(writer, path);
  int result = ask(&request, &reply);
  if (result != 0) {
    return result;
  }
  uint32_t count = pd_get_array(&reply.rest);
  for (uint32_t i = 0; i < count && !reply.rest.bad; i++) {
    char name[256] = "";
    size_t size;
    pd_get_array(&reply.rest);
    const uint8_t *text = pd_get_bytes(&reply.rest, &size);
    if (text != NULL && size < sizeof name) {
      memcpy(name, text, size);
    }
    enum pd_what what = kind_of(&reply.rest);
    pd_get_number(&reply.rest);
    each(to, name, what);
  }
  result = reply.rest.bad ? -EIO : 0;
  pd_reply_free(&reply);
  return result;
}

/* For whoever reads the descriptor past this library: stdio, a program that inherits it. */
static void fill(int fd, const char *path) {
  uint8_t *bytes = malloc(PD_MAX_FILE_BYTES);
  if (bytes == NULL) {
    return;
  }
  uint64_t at = 0;
  long got;
  while ((got = pd_virtual_read(path, bytes, PD_MAX_FILE_BYTES, at)) > 0 && at < 16 * PD_MAX_FILE_BYTES) {
    if (PD_CALL(SYS_pwrite64, fd, bytes, got, at, 0, 0) != got) {
      break;
    }
    at += (uint64_t)got;
  }
  free(bytes);
}

int pd_virtual_open(const char *tidy, const struct pd_node_info *info, int flags) {
  int way = flags & O_ACCMODE;
  bool debug = below(tidy, DEBUG_ROOT);
  if (info->what == PD_DIRECTORY) {
    if (way != O_RDONLY || (flags & O_CREAT) != 0) {
      return -EISDIR;
    }
  } else if ((flags & O_DIRECTORY) != 0) {
    return -ENOTDIR;
  }
  /* sysfs looks at the mode whoever asks; debugfs lets root open anything (uapi.md 9). */
  if (!debug && ((way != O_WRONLY && (info->mode & 0444) == 0) || (way != O_RDONLY && (info->mode & 0222) == 0))) {
    return -EACCES;
  }
  char name[256];
  if (strlen(tidy) > MAX_NAMED_PATH) {
    return -ENAMETOOLONG;
  }
  snprintf(name, sizeof name, NAME_PREFIX "%.240s", tidy);
  int fd = (int)PD_CALL(SYS_memfd_create, name, (flags & O_CLOEXEC) != 0 ? MFD_CLOEXEC : 0, 0, 0, 0, 0);
  if (fd < 0) {
    return fd;
  }
  struct stat st;
  if (pd_fstat(fd, &st) == 0) {
    memfd_device = st.st_dev;
    __atomic_store_n(&any_opened, true, __ATOMIC_RELEASE);
  }
  if (way == O_RDONLY && !debug && info->what == PD_FILE) {
    fill(fd, tidy);
  }
  return fd;
}

bool pd_virtual_path(int fd, char path[256]) {
  struct stat st;
  if (!__atomic_load_n(&any_opened, __ATOMIC_ACQUIRE) || pd_fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
      st.st_dev != memfd_device) {
    return false;
  }
  char link[32], target[512];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  long size = PD_CALL(SYS_readlinkat, AT_FDCWD, link, target, sizeof target - 1, 0, 0);
  size_t head = sizeof LINK_PREFIX - 1, tail = sizeof LINK_SUFFIX - 1;
  if (size <= (long)(head + tail) || strncmp(target, LINK_PREFIX, head) != 0) {
    return false;
  }
  size_t length = (size_t)size - head - tail;
  if (length > 255) {
    return false;
  }
  memcpy(path, target + head, length);
  path[length] = '\0';
  return true;
}
