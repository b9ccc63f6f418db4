/*
 * Descriptors that stand for a dma-buf or a sync file: ends of socket pairs the daemon made (docs/wire.md), so that they can be
 * passed on like any other. What a program asks of one is asked of the daemon on a file of the process, in whose table the
 * object gets a number for as long as that takes.
 * Must not know: what an ioctl of the driver means.
 */
#include "shim.h"
#include "tables.generated.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/sync_file.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#define NAME_ROOM 64

/* A file of this process on which objects are held, if it has no device open. */
static int carrier_fd = -1;
static pthread_mutex_t carrier_lock = PTHREAD_MUTEX_INITIALIZER;

bool pd_is_handed(int fd) {
  struct stat st;
  struct sockaddr_un address;
  struct ucred maker;
  socklen_t size = sizeof address, room = sizeof maker;
  if (fd < 0 || !pd_active() || pd_fstat(fd, &st) != 0 || !S_ISSOCK(st.st_mode)) {
    return false;
  }
  memset(&address, 0, sizeof address);
  return PD_CALL(SYS_getpeername, fd, &address, &size, 0, 0, 0) == 0 && address.sun_family == AF_UNIX &&
         address.sun_path[0] == '\0' &&
         PD_CALL(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &maker, &room, 0) == 0 && maker.pid == pd_daemon_pid();
}

int pd_receive(struct pd_file *file, int fd, int descriptor) {
  struct pd_request request;
  struct pd_writer *writer = pd_begin_typed(&request, PD_CODE_DMABUF_RECEIVE, 1);
  pd_put_signed(writer, descriptor);
  struct pd_reply reply;
  int result = pd_ask(&file->link, fd, &request, &reply);
  if (result == 0) {
    result = (int)pd_get_number(&reply.rest);
    pd_reply_free(&reply);
  }
  return result;
}

void pd_forget(struct pd_file *file, int fd, int number) {
  struct pd_request request;
  pd_put_number(pd_begin_typed(&request, PD_CODE_DMABUF_CLOSE, 1), (uint64_t)number);
  struct pd_reply reply;
  if (pd_ask(&file->link, fd, &request, &reply) == 0) {
    pd_reply_free(&reply);
  }
}

int pd_real_descriptor(struct pd_file *file, int fd, int number, bool close_on_exec) {
  struct pd_request request;
  pd_put_number(pd_begin_typed(&request, PD_CODE_DMABUF_SEND, 1), (uint64_t)number);
  struct pd_reply reply;
  int real = pd_ask(&file->link, fd, &request, &reply);
  if (real == 0) {
    real = pd_take_descriptor(file, (uint32_t)pd_get_number(&reply.rest), false);
    pd_reply_free(&reply);
  }
  pd_forget(file, fd, number);
  if (real < 0) {
    return real;
  }
  /* Where a program expects it: the lowest number there is. */
  int lowest = (int)PD_CALL(SYS_fcntl, real, close_on_exec ? F_DUPFD_CLOEXEC : F_DUPFD, 0, 0, 0, 0);
  pd_close(real);
  return lowest;
}

/* A file to ask on, and a descriptor of it. */
static struct pd_file *carrier(int *fd) {
  struct pd_file *file = pd_get_primary(fd);
  if (file != NULL) {
    return file;
  }
  pthread_mutex_lock(&carrier_lock);
  file = pd_get_file(carrier_fd);
  if (file == NULL) {
    struct pd_node node;
    pd_node_named("hli", &node);
    carrier_fd = pd_open_node(&node, O_CLOEXEC);
    if (carrier_fd >= 0) {
      carrier_fd = pd_out_of_the_way(carrier_fd);
      file = pd_get_file(carrier_fd);
    }
  }
  *fd = carrier_fd;
  pthread_mutex_unlock(&carrier_lock);
  return file;
}

struct held {
  struct pd_file *file;
  int fd, number;
};

/* 0, or -errno and nothing held. */
static int hold(int descriptor, struct held *held) {
  held->file = carrier(&held->fd);
  if (held->file == NULL) {
    return -ENODEV;
  }
  int known = pd_known(held->file, held->fd);
  held->number = known != 0 ? known : pd_receive(held->file, held->fd, descriptor);
  if (held->number < 0) {
    pd_put_file(held->file);
    return held->number;
  }
  return 0;
}

static void let_go(struct held *held) {
  pd_forget(held->file, held->fd, held->number);
  pd_put_file(held->file);
}

/* The reply of a typed call about the object; the caller frees it if this is 0. */
static int ask(struct held *held, struct pd_request *request, struct pd_reply *reply) {
  return pd_ask(&held->file->link, held->fd, request, reply);
}

static int done(int result, struct pd_reply *reply) {
  if (result == 0) {
    pd_reply_free(reply);
  }
  return result;
}

static struct pd_writer *about(struct held *held, struct pd_request *request, uint32_t code, uint32_t arguments) {
  struct pd_writer *writer = pd_begin_typed(request, code, arguments);
  pd_put_number(writer, (uint64_t)held->number);
  return writer;
}

long pd_handed_seek(int fd, off_t offset, int whence) {
  struct held held;
  struct pd_request request;
  struct pd_reply reply;
  long result = hold(fd, &held);
  if (result != 0) {
    return result;
  }
  struct pd_writer *writer = about(&held, &request, PD_CODE_DMABUF_SEEK, 3);
  pd_put_number(writer, offset < 0 ? 1 : (uint64_t)offset);
  pd_put_number(writer, (uint64_t)(whence < 0 ? 0xff : whence));
  result = ask(&held, &request, &reply);
  if (result == 0) {
    result = (long)pd_get_number(&reply.rest);
    pd_reply_free(&reply);
  }
  let_go(&held);
  return result;
}

int pd_handed_poll(int fd, int events, int timeout_ms) {
  struct held held;
  struct pd_request request;
  struct pd_reply reply;
  int result = hold(fd, &held);
  if (result != 0) {
    return result;
  }
  struct pd_writer *writer = about(&held, &request, PD_CODE_DESCRIPTOR_POLL, 3);
  pd_put_number(writer, (uint64_t)(events & (POLLIN | POLLOUT)));
  pd_put_signed(writer, timeout_ms);
  request.interruptible = true;
  result = ask(&held, &request, &reply);
  if (result == 0) {
    result = (int)pd_get_number(&reply.rest);
    pd_reply_free(&reply);
  }
  let_go(&held);
  return result == 0 && request.interrupted ? -EINTR : result;
}

static long sync_access(struct held *held, uint64_t argument) {
  struct dma_buf_sync args;
  struct pd_request request;
  struct pd_reply reply;
  if (!pd_copy_in(&args, argument, sizeof args)) {
    return -EFAULT;
  }
  pd_put_number(about(held, &request, PD_CODE_DMABUF_SYNC, 2), args.flags);
  request.interruptible = true;
  return done(ask(held, &request, &reply), &reply);
}

/* Byte by byte, as far as the name goes: what lies behind it may be no memory. */
static long set_name(struct held *held, uint64_t argument) {
  char name[NAME_ROOM] = "";
  for (size_t i = 0; i < sizeof name - 1; i++) {
    if (!pd_copy_in(&name[i], argument + i, 1)) {
      return -EFAULT;
    }
    if (name[i] == '\0') {
      break;
    }
  }
  struct pd_request request;
  struct pd_reply reply;
  pd_put_text(about(held, &request, PD_CODE_DMABUF_SET_NAME, 2), name);
  return done(ask(held, &request, &reply), &reply);
}

/* A call that returns a sync file; its descriptor goes to `to`. */
static long new_sync_file(struct held *held, struct pd_request *request, uint64_t to) {
  struct pd_reply reply;
  int result = ask(held, request, &reply);
  if (result != 0) {
    return result;
  }
  int number = (int)pd_get_number(&reply.rest);
  pd_reply_free(&reply);
  int32_t real = pd_real_descriptor(held->file, held->fd, number, true);
  if (real >= 0 && !pd_copy_out(to, &real, sizeof real)) {
    pd_close(real);
    return -EFAULT;
  }
  return real < 0 ? real : 0;
}

static long export_sync_file(struct held *held, uint64_t argument) {
  struct dma_buf_export_sync_file args;
  struct pd_request request;
  if (!pd_copy_in(&args, argument, sizeof args)) {
    return -EFAULT;
  }
  pd_put_number(about(held, &request, PD_CODE_DMABUF_EXPORT_SYNC_FILE, 2), args.flags);
  return new_sync_file(held, &request, argument + offsetof(struct dma_buf_export_sync_file, fd));
}

static long import_sync_file(struct held *held, uint64_t argument) {
  struct dma_buf_import_sync_file args;
  struct pd_request request;
  struct pd_reply reply;
  if (!pd_copy_in(&args, argument, sizeof args)) {
    return -EFAULT;
  }
  int other = pd_receive(held->file, held->fd, args.fd);
  if (other < 0) {
    return -EINVAL;
  }
  struct pd_writer *writer = about(held, &request, PD_CODE_DMABUF_IMPORT_SYNC_FILE, 3);
  pd_put_number(writer, args.flags);
  pd_put_number(writer, (uint64_t)other);
  long result = done(ask(held, &request, &reply), &reply);
  pd_forget(held->file, held->fd, other);
  return result;
}

static long merge(struct held *held, uint64_t argument) {
  struct sync_merge_data args;
  struct pd_request request;
  if (!pd_copy_in(&args, argument, sizeof args)) {
    return -EFAULT;
  }
  args.name[sizeof args.name - 1] = '\0';
  int other = args.flags != 0 || args.pad != 0 ? held->number : pd_receive(held->file, held->fd, args.fd2);
  if (other < 0) {
    return -ENOENT;
  }
  struct pd_writer *writer = about(held, &request, PD_CODE_SYNC_FILE_MERGE, 5);
  pd_put_text(writer, args.name);
  pd_put_number(writer, (uint64_t)other);
  pd_put_number(writer, args.flags);
  pd_put_number(writer, args.pad);
  long result = new_sync_file(held, &request, argument + offsetof(struct sync_merge_data, fence));
  if (other != held->number) {
    pd_forget(held->file, held->fd, other);
  }
  return result;
}

static void text_into(char to[32], struct pd_reader *reader) {
  size_t size;
  const uint8_t *text = pd_get_bytes(reader, &size);
  memset(to, 0, 32);
  if (text != NULL) {
    memcpy(to, text, size < 31 ? size : 31);
  }
}

static bool fences_out(struct pd_reader *reader, uint64_t to) {
  uint32_t count = pd_get_array(reader);
  for (uint32_t i = 0; i < count; i++) {
    struct sync_fence_info info;
    pd_get_array(reader);
    text_into(info.obj_name, reader);
    text_into(info.driver_name, reader);
    info.status = (int32_t)pd_get_number(reader);
    info.flags = (uint32_t)pd_get_number(reader);
    info.timestamp_ns = pd_get_number(reader);
    if (!pd_copy_out(to + i * sizeof info, &info, sizeof info)) {
      return false;
    }
  }
  return true;
}

static long file_info(struct held *held, uint64_t argument) {
  struct sync_file_info args;
  struct pd_request request;
  struct pd_reply reply;
  if (!pd_copy_in(&args, argument, sizeof args)) {
    return -EFAULT;
  }
  struct pd_writer *writer = about(held, &request, PD_CODE_SYNC_FILE_INFO, 4);
  pd_put_number(writer, args.flags);
  pd_put_number(writer, args.pad);
  pd_put_number(writer, args.num_fences);
  long result = ask(held, &request, &reply);
  if (result != 0) {
    return result;
  }
  text_into(args.name, &reply.rest);
  args.status = (int32_t)pd_get_number(&reply.rest);
  args.flags = (uint32_t)pd_get_number(&reply.rest);
  args.num_fences = (uint32_t)pd_get_number(&reply.rest);
  bool good = fences_out(&reply.rest, args.sync_fence_info) && pd_copy_out(argument, &args, sizeof args);
  pd_reply_free(&reply);
  return good ? 0 : -EFAULT;
}

long pd_handed_ioctl(int fd, uint32_t command, uint64_t argument) {
  static const struct {
    uint32_t command;
    long (*call)(struct held *held, uint64_t argument);
  } calls[] = {
      {DMA_BUF_IOCTL_SYNC, sync_access},           {DMA_BUF_SET_NAME_A, set_name},
      {DMA_BUF_SET_NAME_B, set_name},              {DMA_BUF_IOCTL_EXPORT_SYNC_FILE, export_sync_file},
      {DMA_BUF_IOCTL_IMPORT_SYNC_FILE, import_sync_file}, {SYNC_IOC_MERGE, merge},
      {SYNC_IOC_FILE_INFO, file_info},
  };
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    struct held held;
    if (calls[i].command != command) {
      continue;
    }
    long result = hold(fd, &held);
    if (result == 0) {
      result = calls[i].call(&held, argument);
      let_go(&held);
    }
    return result;
  }
  return -ENOTTY;
}

void pd_handed_fork(void) {
  pthread_mutex_init(&carrier_lock, NULL);
}
