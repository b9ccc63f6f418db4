/*
 * The conversation up to the first call: greeting, opening a node, joining a file that another process opened, and the side
 * connection on which descriptors come (docs/wire.md).
 *
 * Must not know: ioctls; which descriptors there are.
 */
#include "shim.h"
#include "tables.generated.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#define SIDE_REPLY_MAX 4096

const char *pd_socket_path(void) {
  return getenv("PEDRERA_SOCKET");
}

static _Atomic pid_t daemon_pid;

/* Who listens: the kernel knows. */
static void note_daemon(int fd) {
  struct ucred listener;
  socklen_t size = sizeof listener;
  if (PD_CALL(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &listener, &size, 0) == 0) {
    daemon_pid = listener.pid;
  }
}

pid_t pd_daemon_pid(void) {
  if (daemon_pid == 0) {
    int fd = pd_connected();
    if (fd >= 0) {
      pd_close(fd);
    }
  }
  return daemon_pid;
}

/* A socket that has not said anything yet, or -errno. */
int pd_connected(void) {
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
  pd_link_socket(fd);
  note_daemon(fd);
  return fd;
}

static int hello(struct pd_link *link, int fd) {
  char program[17] = "";
  prctl(PR_GET_NAME, program, 0, 0, 0);
  struct pd_request request;
  struct pd_writer *writer = pd_begin_typed(&request, PD_CODE_HELLO, 2);
  pd_put_number(writer, PD_PROTOCOL_VERSION);
  pd_put_text(writer, program);
  struct pd_reply reply;
  int result = pd_ask(link, fd, &request, &reply);
  if (result == 0) {
    pd_reply_free(&reply);
  }
  return result;
}

int pd_connect(void) {
  int fd = pd_connected();
  if (fd < 0) {
    return fd;
  }
  struct pd_link link;
  pd_link_init(&link);
  int result = hello(&link, fd);
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
    if (got == -EINTR || got == -EAGAIN) {
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

/* The second connection. Read to the end of the answer and no further: what comes behind it comes with a descriptor each. */
static int open_side(const uint8_t *token, size_t size) {
  int fd = pd_connected();
  if (fd < 0) {
    return fd;
  }
  struct pd_request request;
  struct pd_writer *writer = pd_begin_typed(&request, PD_CODE_SIDE_CHANNEL, 1);
  pd_put_bytes(writer, token, size);
  pd_put_number(writer, 0);
  size_t length;
  const uint8_t *frame = pd_frame(writer, &length);
  uint8_t head[4] = {0}, body[SIDE_REPLY_MAX];
  bool good = PD_CALL(SYS_sendto, fd, frame, length, MSG_NOSIGNAL, NULL, 0) == (long)length && read_exactly(fd, head, 4);
  pd_end(writer);
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

static int take_side(struct pd_file *file, struct pd_reader *reader) {
  size_t size;
  const uint8_t *token = pd_get_bytes(reader, &size);
  file->side = token == NULL ? -EIO : open_side(token, size);
  return file->side < 0 ? file->side : 0;
}

int pd_say_open(struct pd_file *file, int fd) {
  int result = hello(&file->link, fd);
  if (result != 0) {
    return result;
  }
  /* Memory the program maps for the device is reached from there. */
  prctl(PR_SET_PTRACER, (unsigned long)pd_daemon_pid(), 0, 0, 0);
  struct pd_request request;
  pd_put_text(pd_begin_typed(&request, PD_CODE_OPEN, 1), file->node.name);
  struct pd_reply reply;
  result = pd_ask(&file->link, fd, &request, &reply);
  if (result == 0) {
    pd_get_number(&reply.rest);
    pd_get_number(&reply.rest);
    result = take_side(file, &reply.rest);
    pd_reply_free(&reply);
  }
  return result;
}

int pd_join(struct pd_file *file, int fd) {
  struct pd_request request;
  pd_begin_typed(&request, PD_CODE_JOIN, 0);
  struct pd_reply reply;
  int result = pd_ask(&file->link, fd, &request, &reply);
  if (result != 0) {
    return result;
  }
  char name[64] = "";
  size_t size;
  const uint8_t *node = pd_get_bytes(&reply.rest, &size);
  if (node != NULL && size < sizeof name) {
    memcpy(name, node, size);
  }
  uint32_t process = (uint32_t)pd_get_number(&reply.rest);
  pid_t pid = (pid_t)pd_get_number(&reply.rest);
  result = pd_node_named(name, &file->node) ? take_side(file, &reply.rest) : -ENODEV;
  if (result == 0) {
    prctl(PR_SET_PTRACER, (unsigned long)pid, 0, 0, 0);
    file->link.process = process;
    file->stranger = false;
  }
  pd_reply_free(&reply);
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
  } while (got == -EINTR || got == -EAGAIN);
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
