/*
 * Open files. The descriptor a program has is the socket itself, so that dup, fork, close-on-exec and SCM_RIGHTS keep their
 * meaning; what else is known of the file is found by the socket's inode. A socket of the daemon's that is not known came from
 * another process, by exec or in a message, and is adopted when it is used.
 *
 * Must not know: ioctls.
 */
#include "shim.h"
#include "tables.generated.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* close(2) of a device returns when the device is free again (uapi.md 1.7). Somebody else may hold the file: then this long. */
#define RELEASE_MS 10000
#define SHARED_RELEASE_MS 20
#define FORK_BEFORE 0
#define FORK_PARENT 1
#define FORK_CHILD 2

static struct pd_file *files;
static pthread_mutex_t files_lock = PTHREAD_MUTEX_INITIALIZER;

bool pd_active(void) {
  const char *path = pd_socket_path();
  return path != NULL && *path != '\0';
}

static void forget_side(struct pd_file *file) {
  for (struct pd_segment *segment = file->segments; segment != NULL;) {
    struct pd_segment *next = segment->next;
    pd_close(segment->fd);
    free(segment);
    segment = next;
  }
  file->segments = NULL;
  if (file->side >= 0) {
    pd_close(file->side);
  }
  file->side = -1;
}

static void free_file(struct pd_file *file) {
  forget_side(file);
  if (file->ring != NULL) {
    PD_CALL(SYS_munmap, file->ring, PD_RING_BYTES, 0, 0, 0, 0);
  }
  pd_link_free(&file->link);
  free(file);
}

static bool hung_up(const struct pd_file *file, int timeout_ms) {
  struct pollfd wait = {file->side, 0, 0};
  return PD_CALL(SYS_poll, &wait, 1, timeout_ms, 0, 0, 0) > 0 && (wait.revents & (POLLHUP | POLLNVAL)) != 0;
}

/* Forgets files of which the daemon has seen the end. */
static void forget_closed(void) {
  pthread_mutex_lock(&files_lock);
  for (struct pd_file **at = &files; *at != NULL;) {
    struct pd_file *file = *at;
    if (file->users == 0 && hung_up(file, 0)) {
      *at = file->next;
      free_file(file);
    } else {
      at = &file->next;
    }
  }
  pthread_mutex_unlock(&files_lock);
}

static struct pd_file *new_file(ino_t ino, int fd) {
  struct pd_file *file = calloc(1, sizeof *file);
  if (file != NULL) {
    file->ino = ino;
    file->fd_hint = fd;
    file->side = -1;
    pthread_mutex_init(&file->side_lock, NULL);
    pd_link_init(&file->link);
  }
  return file;
}

int pd_open_node(const struct pd_node *node, int flags) {
  forget_closed();
  int fd = pd_connected();
  if (fd < 0) {
    /* Nobody there is no node there; want of descriptors or memory is the program's own. */
    return fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM ? fd : -ENOENT;
  }
  struct stat st;
  pd_fstat(fd, &st);
  struct pd_file *file = new_file(st.st_ino, fd);
  if (file == NULL) {
    pd_close(fd);
    return -ENOMEM;
  }
  file->node = *node;
  int result = pd_say_open(file, fd);
  if (result != 0) {
    free_file(file);
    pd_close(fd);
    return result;
  }
  if ((flags & O_CLOEXEC) == 0) {
    PD_CALL(SYS_fcntl, fd, F_SETFD, 0, 0, 0, 0);
  }
  pthread_mutex_lock(&files_lock);
  file->next = files;
  files = file;
  pthread_mutex_unlock(&files_lock);
  pd_mark(true);
  return fd;
}

struct pd_file *pd_get_file_by_ino(ino_t ino) {
  pthread_mutex_lock(&files_lock);
  struct pd_file *file = files;
  while (file != NULL && file->ino != ino) {
    file = file->next;
  }
  if (file != NULL) {
    file->users++;
  }
  pthread_mutex_unlock(&files_lock);
  return file;
}

static bool is_daemons_address(const struct sockaddr_un *address) {
  const char *path = pd_socket_path();
  return path != NULL && address->sun_family == AF_UNIX && strncmp(address->sun_path, path, sizeof address->sun_path) == 0;
}

/* A connection to the daemon, whoever made it. */
static bool is_daemons(int fd) {
  struct sockaddr_un address;
  socklen_t size = sizeof address;
  memset(&address, 0, sizeof address);
  return PD_CALL(SYS_getpeername, fd, &address, &size, 0, 0, 0) == 0 && is_daemons_address(&address);
}

/* Connections to the daemon that the program made without the library, such as Node's: whoever made them speaks for itself. */
static struct {
  ino_t *inos;
  size_t count, room;
} outside;

void pd_note_connect(int fd, const struct sockaddr_un *address) {
  struct stat st;
  if (!is_daemons_address(address) || pd_fstat(fd, &st) != 0) {
    return;
  }
  pthread_mutex_lock(&files_lock);
  if (outside.count == outside.room) {
    size_t room = outside.room == 0 ? 16 : 2 * outside.room;
    ino_t *inos = realloc(outside.inos, room * sizeof *inos);
    if (inos != NULL) {
      outside.inos = inos;
      outside.room = room;
    }
  }
  if (outside.count < outside.room) {
    outside.inos[outside.count++] = st.st_ino;
  }
  pthread_mutex_unlock(&files_lock);
}

/* With the lock. */
static bool is_outside(ino_t ino) {
  for (size_t i = 0; i < outside.count; i++) {
    if (outside.inos[i] == ino) {
      return true;
    }
  }
  return false;
}

/* With the lock. A side connection, on which nothing may be said. */
static bool is_side(ino_t ino) {
  struct stat st;
  for (struct pd_file *file = files; file != NULL; file = file->next) {
    if (file->side >= 0 && pd_fstat(file->side, &st) == 0 && st.st_ino == ino) {
      return true;
    }
  }
  return false;
}

/* An open file that came from another process. */
static struct pd_file *adopt(int fd, ino_t ino) {
  if (!is_daemons(fd) || pd_is_files_connection(ino)) {
    return NULL;
  }
  pthread_mutex_lock(&files_lock);
  bool spoken_for = is_side(ino) || is_outside(ino);
  pthread_mutex_unlock(&files_lock);
  struct pd_file *file = spoken_for ? NULL : new_file(ino, fd);
  if (file == NULL) {
    return NULL;
  }
  file->link.shared = true;
  file->stranger = true;
  pd_link_socket(fd);
  if (pd_join(file, fd) != 0) {
    free_file(file);
    return NULL;
  }
  pthread_mutex_lock(&files_lock);
  file->next = files;
  files = file;
  file->users++;
  pthread_mutex_unlock(&files_lock);
  return file;
}

struct pd_file *pd_get_file(int fd) {
  struct stat st;
  if (fd < 0 || !pd_active() || pd_fstat(fd, &st) != 0 || !S_ISSOCK(st.st_mode)) {
    return NULL;
  }
  struct pd_file *file = pd_get_file_by_ino(st.st_ino);
  return file != NULL ? file : adopt(fd, st.st_ino);
}

struct pd_file *pd_get_primary(int *fd) {
  pthread_mutex_lock(&files_lock);
  struct pd_file *found = NULL;
  for (struct pd_file *file = files; file != NULL && found == NULL; file = file->next) {
    bool primary = strchr(file->node.name, '_') == NULL && strncmp(file->node.name, "hli", 3) != 0;
    *fd = primary ? pd_any_descriptor(file, -1) : -1;
    found = *fd >= 0 ? file : NULL;
  }
  if (found != NULL) {
    found->users++;
  }
  pthread_mutex_unlock(&files_lock);
  return found;
}

int pd_known(struct pd_file *file, int fd) {
  if (!__atomic_load_n(&file->stranger, __ATOMIC_ACQUIRE)) {
    return 0;
  }
  pthread_mutex_lock(&file->side_lock);
  int result = file->stranger ? pd_join(file, fd) : 0;
  pthread_mutex_unlock(&file->side_lock);
  return result;
}

void pd_put_file(struct pd_file *file) {
  pthread_mutex_lock(&files_lock);
  file->users--;
  pthread_mutex_unlock(&files_lock);
}

static bool is_of(struct pd_file *file, int fd) {
  struct stat st;
  return pd_fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_ino == file->ino;
}

struct dirent_64 {
  uint64_t ino;
  int64_t off;
  unsigned short reclen;
  unsigned char type;
  char name[];
};

int pd_any_descriptor(struct pd_file *file, int except) {
  if (file->fd_hint != except && is_of(file, file->fd_hint)) {
    return file->fd_hint;
  }
  int found = -1;
  int directory = pd_open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  char buffer[4096] __attribute__((aligned(8)));
  long got;
  while (directory >= 0 && found < 0 && (got = PD_CALL(SYS_getdents64, directory, buffer, sizeof buffer, 0, 0, 0)) > 0) {
    for (long at = 0; at < got && found < 0;) {
      struct dirent_64 *entry = (struct dirent_64 *)(buffer + at);
      at += entry->reclen;
      int fd = atoi(entry->name);
      if (entry->name[0] != '.' && fd != except && fd != directory && is_of(file, fd)) {
        found = fd;
      }
    }
  }
  if (directory >= 0) {
    pd_close(directory);
  }
  return found;
}

/* A process that never made itself known is not told of the end. */
static void forget(struct pd_file *gone) {
  pthread_mutex_lock(&files_lock);
  for (struct pd_file **at = &files; *at != NULL; at = &(*at)->next) {
    if (*at == gone && gone->users == 0) {
      *at = gone->next;
      free_file(gone);
      break;
    }
  }
  pthread_mutex_unlock(&files_lock);
}

/* The last close of a device returns when the daemon has let go of everything. */
int pd_close_file(struct pd_file *file, int fd) {
  bool last = pd_any_descriptor(file, fd) < 0;
  if (last) {
    pd_take_back(file, fd);
  }
  int result = pd_close(fd);
  if (last && file->side >= 0) {
    hung_up(file, file->link.shared || file->users > 1 ? SHARED_RELEASE_MS : RELEASE_MS);
  }
  bool unseen = last && file->side < 0;
  pd_put_file(file);
  if (unseen) {
    forget(file);
  } else if (last) {
    forget_closed();
  }
  return result;
}

void pd_share_files(void) {
  pthread_mutex_lock(&files_lock);
  for (struct pd_file *file = files; file != NULL; file = file->next) {
    int fd = file->link.shared ? -1 : pd_any_descriptor(file, -1);
    if (fd >= 0) {
      pd_link_share(&file->link, fd);
    }
  }
  pthread_mutex_unlock(&files_lock);
}

void pd_share_descriptor(int fd) {
  struct pd_file *file = pd_get_file(fd);
  if (file != NULL) {
    pd_link_share(&file->link, fd);
    pd_put_file(file);
  }
}

/* The child says who it is when it first uses the file, and has descriptors sent on a connection of its own. */
static void in_child(struct pd_file *file) {
  file->users = 0;
  file->stranger = true;
  pthread_mutex_init(&file->side_lock, NULL);
  forget_side(file);
  file->ring = NULL;
  file->ring_asked = false;
}

void pd_files_fork(int phase) {
  if (phase == FORK_BEFORE) {
    pd_share_files();
    pthread_mutex_lock(&files_lock);
  }
  for (struct pd_file *file = files; file != NULL; file = file->next) {
    if (phase == FORK_BEFORE) {
      pd_before_fork(&file->link);
    } else {
      pd_after_fork(&file->link, phase == FORK_CHILD);
    }
    if (phase == FORK_CHILD) {
      in_child(file);
    }
  }
  if (phase == FORK_CHILD) {
    pthread_mutex_init(&files_lock, NULL);
  } else if (phase == FORK_PARENT) {
    pthread_mutex_unlock(&files_lock);
  }
}
