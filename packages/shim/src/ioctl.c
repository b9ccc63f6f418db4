/*
 * One ioctl: what lies behind its pointers travels with the block, as the generated tables say, and what comes back is copied to
 * where it came from (uapi.md 2.2). A pointer into nowhere is EFAULT. Must not know: any particular ioctl.
 */
#include "shim.h"
#include "tables.generated.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_BLOCK 16384
/* A library that asks again and again does not burn the machine (device.md 11, 6). */
#define AGAIN_PAUSE_NS 100000
#define FILE_IOCTLS_LETTER 'T'

struct buffer {
  uint8_t *bytes;
  size_t size;
};

static uint64_t field(const uint8_t *block, uint16_t at, uint16_t size) {
  uint64_t value = 0;
  memcpy(&value, block + at, size < 8 ? size : 8);
  return value;
}

static bool holds(const struct pd_test *test, const uint8_t *block) {
  if (test->size == 0) {
    return true;
  }
  uint64_t bits = field(block, test->at, test->size);
  return (test->mask == 0 || (bits & test->mask) != 0) && (bits & test->without) == 0;
}

static const struct pd_call *find(uint32_t nr, const uint8_t *block) {
  for (size_t i = 0; i < sizeof pd_calls / sizeof *pd_calls; i++) {
    const struct pd_call *call = &pd_calls[i];
    if (call->nr == nr && field(block, call->op_at, call->op_size) == call->op && holds(&call->variant, block)) {
      return call;
    }
  }
  return NULL;
}

/* False: there is nothing to be read here, and the daemon knows. */
static bool wanted(const struct pd_input *input, const uint8_t *block, const struct buffer *before, uint64_t *pointer,
                   size_t *size) {
  if (!holds(&input->when, block)) {
    return false;
  }
  const uint8_t *from = block;
  if (input->kind == PD_NESTED) {
    if (before == NULL || before->bytes == NULL) {
      return false;
    }
    from = before->bytes;
  }
  uint64_t count = field(from, input->count_at, input->count_size);
  *pointer = field(from, input->pointer_at, 8);
  if (input->kind == PD_STRUCT) {
    *size = count < input->max ? count : input->max;
    return *size > 0 && *pointer != 0;
  }
  *size = count * input->element;
  return count > 0 && count <= input->max;
}

/* How many buffers there are; one without bytes could not be read. */
static int gather(const struct pd_call *call, const uint8_t *block, struct buffer buffers[PD_MOST_INPUTS]) {
  int count = 0;
  const struct buffer *before = NULL;
  for (int i = 0; i < call->inputs; i++) {
    const struct pd_input *input = &call->input[i];
    uint64_t pointer;
    size_t size;
    if (!wanted(input, block, before, &pointer, &size)) {
      before = input->kind == PD_NESTED ? before : NULL;
      continue;
    }
    struct buffer *buffer = &buffers[count++];
    buffer->size = size;
    buffer->bytes = malloc(size);
    if (buffer->bytes != NULL && !pd_copy_in(buffer->bytes, pointer, size)) {
      free(buffer->bytes);
      buffer->bytes = NULL;
    }
    if (input->kind == PD_ARRAY) {
      before = buffer;
    }
  }
  return count;
}

/* A result that numbers a descriptor of the open file: the program gets a real one in its place (architecture 4). */
static int real_descriptor(struct pd_file *file, int fd, const struct pd_call *call, uint8_t *block, uint64_t flags) {
  int32_t number;
  memcpy(&number, block + call->descriptor_at, sizeof number);
  int real = -EIO;
  for (int step = 0; step < 2; step++) {
    struct pd_writer request;
    uint64_t id = pd_new_id();
    pd_begin(&request);
    pd_put_array(&request, 3);
    pd_put_number(&request, id);
    pd_put_number(&request, step == 0 ? PD_CODE_DMABUF_SEND : PD_CODE_DMABUF_CLOSE);
    pd_put_array(&request, 1);
    pd_put_number(&request, (uint64_t)number);
    struct pd_reply reply;
    int result = pd_exchange(&file->link, fd, &request, id, false, &reply);
    pd_end(&request);
    if (result != 0) {
      return result;
    }
    if (step == 0 && reply.error != 0) {
      real = -reply.error;
    } else if (step == 0) {
      pd_get_array(&reply.rest);
      real = pd_take_descriptor(file, (uint32_t)pd_get_number(&reply.rest), false);
    }
    pd_reply_free(&reply);
  }
  if (real < 0) {
    return real;
  }
  /* Where a program expects it: the lowest number there is. */
  int lowest = (int)PD_CALL(SYS_fcntl, real, (flags & O_CLOEXEC) != 0 ? F_DUPFD_CLOEXEC : F_DUPFD, 0, 0, 0, 0);
  pd_close(real);
  if (lowest < 0) {
    return lowest;
  }
  memcpy(block + call->descriptor_at, &lowest, sizeof lowest);
  return 0;
}

static void explain(const char *name, int error, struct pd_reader *rest) {
  if (getenv("PEDRERA_SHIM_TRACE") == NULL) {
    return;
  }
  size_t size;
  const uint8_t *sentence = pd_get_bytes(rest, &size);
  char line[512];
  int length = snprintf(line, sizeof line, "pedrera: %s: %s (%.*s)\n", name, strerrorname_np(error),
                        sentence == NULL ? 0 : (int)size, sentence == NULL ? "" : (const char *)sentence);
  if (length > 0) {
    PD_CALL(SYS_write, 2, line, length < (int)sizeof line ? length : (int)sizeof line - 1, 0, 0, 0);
  }
}

struct outcome {
  struct pd_file *file;
  int fd;
  const struct pd_call *call;
  /* The caller's block, before and then after. */
  uint8_t *block;
  size_t size;
  uint64_t argument;
  bool readable;
};

/* Copies back what the daemon answered. 0 or -errno. */
static long finish(struct outcome *o, struct pd_reply *reply) {
  long result = -reply->error;
  const struct pd_call *call = o->call;
  uint64_t output = call == NULL || call->output_at < 0 ? 0 : field(o->block, (uint16_t)call->output_at, 8);
  uint64_t flags = call == NULL || call->flags_at < 0 ? 0 : field(o->block, (uint16_t)call->flags_at, 4);
  size_t size;
  const uint8_t *answer = pd_get_bytes(&reply->rest, &size);
  if (answer != NULL) {
    memcpy(o->block, answer, size < o->size ? size : o->size);
  }
  uint32_t buffers = pd_get_array(&reply->rest);
  bool faulted = false;
  for (uint32_t i = 0; i < buffers; i++) {
    size_t length;
    const uint8_t *bytes = pd_get_bytes(&reply->rest, &length);
    if (i == 0 && bytes != NULL && output != 0) {
      faulted = !pd_copy_out(output, bytes, length);
    }
  }
  if (reply->rest.bad) {
    return -EIO;
  }
  if (result != 0) {
    explain(call == NULL ? "ioctl" : call->name, reply->error, &reply->rest);
  } else if (call != NULL && call->descriptor_at >= 0 && o->size >= (size_t)call->descriptor_at + 4) {
    result = real_descriptor(o->file, o->fd, call, o->block, flags);
  }
  if (o->readable && o->size > 0 && !pd_copy_out(o->argument, o->block, o->size)) {
    return -EFAULT;
  }
  return faulted ? -EFAULT : result;
}

static bool is_files_own(uint32_t command) {
  return ((command >> 8) & 0xff) == FILE_IOCTLS_LETTER && (command >> 16) == 0;
}

long pd_ioctl(struct pd_file *file, int fd, uint32_t command, uint64_t argument) {
  if (is_files_own(command)) {
    /* FIOCLEX and its like concern the descriptor, whatever it is one of. */
    return PD_CALL(SYS_ioctl, fd, command, argument, 0, 0, 0);
  }
  uint8_t block[MAX_BLOCK];
  size_t size = (command >> 16) & 0x3fff;
  memset(block, 0, size < 256 ? 256 : size);
  bool readable = pd_copy_in(block, argument, size);
  if (!readable) {
    memset(block, 0, size);
  }
  const struct pd_call *call = find(command & 0xff, block);
  struct buffer buffers[PD_MOST_INPUTS];
  int count = call == NULL || !readable ? 0 : gather(call, block, buffers);
  struct pd_writer request;
  uint64_t id = pd_new_id();
  pd_begin(&request);
  pd_put_array(&request, 4);
  pd_put_number(&request, id);
  pd_put_number(&request, command);
  pd_put_bytes(&request, block, readable ? size : 0);
  pd_put_array(&request, (uint32_t)count);
  for (int i = 0; i < count; i++) {
    if (buffers[i].bytes == NULL) {
      pd_put_nil(&request);
    } else {
      pd_put_bytes(&request, buffers[i].bytes, buffers[i].size);
      free(buffers[i].bytes);
    }
  }
  struct pd_reply reply;
  long result = pd_exchange(&file->link, fd, &request, id, call != NULL && call->interruptible, &reply);
  pd_end(&request);
  if (result != 0) {
    return result;
  }
  struct outcome outcome = {file, fd, call, block, size, argument, readable};
  result = finish(&outcome, &reply);
  pd_reply_free(&reply);
  if (result == -EAGAIN) {
    struct timespec pause = {0, AGAIN_PAUSE_NS};
    PD_CALL(SYS_nanosleep, &pause, NULL, 0, 0, 0, 0);
  }
  return result;
}
