/*
 * Open files. The descriptor a program has is the socket itself, so that dup, fork, close-on-exec and SCM_RIGHTS keep their
 * meaning; what else is known of the file is found by the socket's inode.
 *
 * Must not know: ioctls.
 */
#include "shim.h"
#include "tables.generated.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* close(2) of a device returns when the device is free again (uapi.md 1.7). Somebody else may hold the file: then this long. */
#define RELEASE_MS 10000
#define SHARED_RELEASE_MS 20
#define SIDE_REPLY_MAX 4096
#define FORK_BEFORE 0
#define FORK_PARENT 1
#define FORK_CHILD 2

static struct pd_file *files;
static pthread_mutex_t files_lock = PTHREAD_MUTEX_INITIALIZER;

const char *pd_socket_path(void) {
  return getenv("PEDRERA_SOCKET");
}

bool pd_active(void) {
  const char *path = pd_socket_path();
  return path != NULL && *path != '\0';
}

static int number_after(const char *text) {
  int value = 0;
  if (*text == '\0' || (*text == '0' && text[1] != '\0')) {
    return -1;
  }
  for (; *text != '\0'; text++) {
    if (*text < '0' || *text > '9' || value > 127) {
      return -1;
    }
    value = 10 * value + (*text - '0');
  }
  return value;
}

int pd_node_of(const char *path, char node[64]) {
  while (path[0] == '/' && path[1] == '/') {
    path++;
  }
  if (strncmp(path, "/dev/", 5) != 0) {
    return -1;
  }
  for (path += 5; *path == '/'; path++) {
  }
  bool control = strncmp(path, "hl_controlD", 11) == 0;
  int index = strncmp(path, "hl", 2) == 0 ? number_after(path + (control ? 11 : 2)) : -1;
  if (index < 0) {
    return -1;
  }
  snprintf(node, 64, "%s%d", control ? "hl_controlD" : "hl", index);
  return 2 * index + (control ? 1 : 0);
}

/* A socket that has not said anything yet, or -errno. */
static int connected(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const char *path = pd_socket_path();
  if (path == NULL || strlen(path) >= sizeof address.sun_path) {
    return -ENOENT;
  }
  strcpy(address.sun_path, path);
  int fd = (int)PD_CALL(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, 0, 0, 0);
  if (fd < 0) {
    return fd;
  }
  int result = (int)PD_CALL(SYS_connect, fd, &address, sizeof address, 0, 0, 0);
  if (result < 0) {
    pd_close(fd);
    return result;
  }
  return fd;
}

static int hello(struct pd_link *link, int fd, int *daemon_pid) {
  char program[17] = "";
  prctl(PR_GET_NAME, program, 0, 0, 0);
  struct pd_writer request;
  uint64_t id = pd_new_id();
  pd_begin(&request);
  pd_put_array(&request, 3);
  pd_put_number(&request, id);
  pd_put_number(&request, PD_CODE_HELLO);
  pd_put_array(&request, 2);
  pd_put_number(&request, PD_PROTOCOL_VERSION);
  pd_put_text(&request, program);
  struct pd_reply reply;
  int result = pd_exchange(link, fd, &request, id, false, &reply);
  pd_end(&request);
  if (result != 0) {
    return result;
  }
  result = -reply.error;
  if (result == 0) {
    pd_get_array(&reply.rest);
    pd_get_number(&reply.rest);
    *daemon_pid = (int)pd_get_number(&reply.rest);
  }
  pd_reply_free(&reply);
  return result;
}

/* A connection that has greeted and opened nothing, for virtual files. */
int pd_connect(void) {
  int fd = connected();
  if (fd < 0) {
    return fd;
  }
  struct pd_link link;
  int pid;
  pd_link_init(&link);
  int result = hello(&link, fd, &pid);
  pd_link_free(&link);
  if (result != 0) {
    pd_close(fd);
    return result;
  }
  return pd_out_of_the_way(fd);
}

static bool read_exactly(int fd, uint8_t *to, size_t size) {
  while (size > 0) {
    long got = PD_CALL(SYS_recvfrom, fd, to, size, 0, NULL, 0);
    if (got == -EINTR) {
      continue;
    }
    if (got <= 0) {
      return false;
    }
    to += got;
    size -= (size_t)got;
  }
  return true;
}

/* The second connection, on which descriptors come. Read to the end of the answer and no further. */
static int open_side(const uint8_t *token, size_t size) {
  int fd = connected();
  if (fd < 0) {
    return fd;
  }
  struct pd_writer request;
  pd_begin(&request);
  pd_put_array(&request, 3);
  pd_put_number(&request, 1);
  pd_put_number(&request, PD_CODE_SIDE_CHANNEL);
  pd_put_array(&request, 1);
  pd_put_bytes(&request, token, size);
  size_t length;
  const uint8_t *frame = pd_frame(&request, &length);
  uint8_t head[4], body[SIDE_REPLY_MAX];
  bool good = PD_CALL(SYS_sendto, fd, frame, length, MSG_NOSIGNAL, NULL, 0) == (long)length && read_exactly(fd, head, 4);
  pd_end(&request);
  size_t body_size = (size_t)head[0] | (size_t)head[1] << 8;
  good = good && body_size <= sizeof body && read_exactly(fd, body, body_size);
  struct pd_reader reader = {body, body + body_size, !good};
  if (good) {
    pd_get_array(&reader);
    pd_get_number(&reader);
    good = pd_get_number(&reader) == 0 && !reader.bad;
  }
  if (!good) {
    pd_close(fd);
    return -EIO;
  }
  return pd_out_of_the_way(fd);
}

static void free_file(struct pd_file *file) {
  for (struct pd_segment *segment = file->segments; segment != NULL;) {
    struct pd_segment *next = segment->next;
    pd_close(segment->fd);
    free(segment);
    segment = next;
  }
  if (file->side >= 0) {
    pd_close(file->side);
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

static int say_open(struct pd_file *file, int fd, const char *node) {
  int pid = 0;
  int result = hello(&file->link, fd, &pid);
  if (result != 0) {
    return result;
  }
  /* Memory the program maps for the device is reached from there. */
  prctl(PR_SET_PTRACER, (unsigned long)pid, 0, 0, 0);
  struct pd_writer request;
  uint64_t id = pd_new_id();
  pd_begin(&request);
  pd_put_array(&request, 3);
  pd_put_number(&request, id);
  pd_put_number(&request, PD_CODE_OPEN);
  pd_put_array(&request, 1);
  pd_put_text(&request, node);
  struct pd_reply reply;
  result = pd_exchange(&file->link, fd, &request, id, false, &reply);
  pd_end(&request);
  if (result != 0) {
    return result;
  }
  if (reply.error == 0) {
    size_t size;
    pd_get_array(&reply.rest);
    pd_get_number(&reply.rest);
    pd_get_number(&reply.rest);
    const uint8_t *token = pd_get_bytes(&reply.rest, &size);
    file->side = token == NULL ? -EIO : open_side(token, size);
    result = file->side < 0 ? file->side : 0;
  } else {
    result = -reply.error;
  }
  pd_reply_free(&reply);
  return result;
}

int pd_open_node(const char *node, int minor, int flags) {
  forget_closed();
  int fd = connected();
  if (fd < 0) {
    return -ENOENT;
  }
  struct pd_file *file = calloc(1, sizeof *file);
  if (file == NULL) {
    pd_close(fd);
    return -ENOMEM;
  }
  struct stat st;
  pd_fstat(fd, &st);
  file->ino = st.st_ino;
  file->fd_hint = fd;
  file->minor = minor;
  file->side = -1;
  pthread_mutex_init(&file->side_lock, NULL);
  pd_link_init(&file->link);
  int result = say_open(file, fd, node);
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

struct pd_file *pd_get_file(int fd) {
  struct stat st;
  if (__atomic_load_n(&files, __ATOMIC_RELAXED) == NULL || fd < 0 || pd_fstat(fd, &st) != 0 || !S_ISSOCK(st.st_mode)) {
    return NULL;
  }
  return pd_get_file_by_ino(st.st_ino);
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

/* The last close of a device returns when the daemon has let go of everything. */
int pd_close_file(struct pd_file *file, int fd) {
  bool last = pd_any_descriptor(file, fd) < 0;
  int result = pd_close(fd);
  if (last && file->side >= 0) {
    hung_up(file, file->link.shared || file->users > 1 ? SHARED_RELEASE_MS : RELEASE_MS);
  }
  pd_put_file(file);
  if (last) {
    forget_closed();
  }
  return result;
}

static int receive_descriptor(int side, uint32_t *tag) {
  uint8_t number[4];
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control;
  struct iovec vector = {number, sizeof number};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  long got;
  do {
    got = PD_CALL(SYS_recvmsg, side, &message, MSG_CMSG_CLOEXEC, 0, 0, 0);
  } while (got == -EINTR);
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (got != sizeof number || header == NULL || header->cmsg_type != SCM_RIGHTS) {
    return -EIO;
  }
  int fd;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  memcpy(tag, number, sizeof number);
  return fd;
}

int pd_take_descriptor(struct pd_file *file, uint32_t tag, bool keep) {
  int result = -EIO;
  pthread_mutex_lock(&file->side_lock);
  for (;;) {
    struct pd_segment **at = &file->segments;
    while (*at != NULL && (*at)->tag != tag) {
      at = &(*at)->next;
    }
    if (*at != NULL) {
      struct pd_segment *found = *at;
      result = found->fd;
      if (!keep) {
        *at = found->next;
        free(found);
      }
      break;
    }
    struct pd_segment *segment = malloc(sizeof *segment);
    if (segment == NULL) {
      result = -ENOMEM;
      break;
    }
    int fd = receive_descriptor(file->side, &segment->tag);
    if (fd < 0) {
      free(segment);
      result = fd;
      break;
    }
    segment->fd = pd_out_of_the_way(fd);
    segment->next = file->segments;
    file->segments = segment;
  }
  pthread_mutex_unlock(&file->side_lock);
  return result;
}

void pd_files_fork(int phase) {
  if (phase == FORK_BEFORE) {
    pthread_mutex_lock(&files_lock);
  }
  for (struct pd_file *file = files; file != NULL; file = file->next) {
    if (phase == FORK_BEFORE) {
      pd_before_fork(&file->link);
    } else {
      pd_after_fork(&file->link, phase == FORK_CHILD);
    }
    if (phase == FORK_CHILD) {
      file->users = 0;
      pthread_mutex_init(&file->side_lock, NULL);
    }
  }
  if (phase == FORK_CHILD) {
    pthread_mutex_init(&files_lock, NULL);
  } else if (phase == FORK_PARENT) {
    pthread_mutex_unlock(&files_lock);
  }
}
