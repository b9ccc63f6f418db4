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
#define WATCH_NS 80000
#define SHORT_WAIT_US 1000
#define MOST_LUCK 8
#define WATCH_AGAIN 64

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

/* The number in the table. DRM's are the driver's own, shifted; the importer's are a family of their own. */
static uint32_t number_of(const struct pd_file *file, uint32_t command) {
  uint32_t nr = command & 0xff;
  if (strncmp(file->node.name, "hli", 3) == 0) {
    return nr + PD_IMPORTER_FAMILY;
  }
  bool drm = ((command >> 8) & 0xff) == PD_DRM_LETTER && strncmp(file->node.name, "accel", 5) == 0;
  return drm ? nr - PD_DRM_FIRST + 1 : nr;
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

/* For people, on request: what the daemon says of a refused call. */
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
    int32_t number;
    memcpy(&number, o->block + call->descriptor_at, sizeof number);
    int32_t real = pd_real_descriptor(o->file, o->fd, number, (flags & O_CLOEXEC) != 0);
    result = real < 0 ? real : 0;
    memcpy(o->block + call->descriptor_at, real < 0 ? &number : &real, sizeof real);
  }
  if (o->readable && o->size > 0 && !pd_copy_out(o->argument, o->block, o->size)) {
    return -EFAULT;
  }
  return faulted ? -EFAULT : result;
}

static bool is_files_own(uint32_t command) {
  return ((command >> 8) & 0xff) == FILE_IOCTLS_LETTER && (command >> 16) == 0;
}

static bool has(const uint32_t *slot, uint32_t seq) {
  return __atomic_load_n(slot, __ATOMIC_ACQUIRE) == seq;
}

static int64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000ll + time.tv_nsec;
}

/*
 * Short work is done before a question about it would be answered, and the question costs the daemon more than the answer is
 * worth: the ring is watched for a moment. Where that was in vain several times, it is left for a while.
 */
static bool appears(const uint32_t *slot, uint32_t seq, uint64_t timeout_us) {
  static _Atomic int luck = MOST_LUCK, resting;
  if (timeout_us < SHORT_WAIT_US || (luck == 0 && resting++ % WATCH_AGAIN != 0)) {
    return false;
  }
  int64_t until = now_ns() + WATCH_NS;
  while (!has(slot, seq)) {
    if (now_ns() > until) {
      luck -= luck > 0;
      return false;
    }
    PD_CALL(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
  }
  luck += luck < MOST_LUCK;
  return true;
}

/* The completion ring has the number: the work is done, without error, and what the daemon would answer is known. */
static bool finished(struct pd_file *file, int fd, const struct pd_call *call, uint8_t *block) {
  if (call->ring_at < 0 || field(block, (uint16_t)call->plain_at, 4) != 0) {
    return false;
  }
  uint64_t seq = field(block, (uint16_t)call->ring_at, 8);
  const uint32_t *ring = pd_map_ring(file, fd);
  if (ring == NULL || seq == 0 || seq > UINT32_MAX) {
    return false;
  }
  const uint32_t *slot = &ring[seq % PD_RING_SLOTS];
  if (!has(slot, (uint32_t)seq) && !appears(slot, (uint32_t)seq, field(block, (uint16_t)call->timeout_at, 8))) {
    return false;
  }
  memset(block, 0, call->size);
  return true;
}

/* A descriptor of the program's becomes one of the file's own for as long as the call takes. -errno if it is none. */
static int lend(struct outcome *o, int32_t *given) {
  memcpy(given, o->block + o->call->descriptor_in_at, sizeof *given);
  int32_t number = pd_receive(o->file, o->fd, *given);
  if (number >= 0) {
    memcpy(o->block + o->call->descriptor_in_at, &number, sizeof number);
  }
  return number;
}

/* By the signal, and the driver says so with an errno and nothing else; of other calls the answer is already what it says. */
static bool ended_early(const struct outcome *o, const struct pd_reply *reply) {
  struct pd_reader rest = reply->rest;
  size_t size;
  const uint8_t *answer = pd_get_bytes(&rest, &size);
  uint32_t said;
  if (reply->error != 0 || o->call->interrupted_at < 0 || holds(&o->call->interrupted_when, o->block) || answer == NULL ||
      size < (size_t)o->call->interrupted_at + sizeof said) {
    return false;
  }
  memcpy(&said, answer + o->call->interrupted_at, sizeof said);
  return said == o->call->interrupted_as;
}

static long ask_daemon(struct outcome *o, uint32_t command, struct buffer *buffers, int count) {
  struct pd_request request;
  struct pd_writer *writer = pd_begin_raw(&request, command, o->call != NULL && o->call->interruptible);
  pd_put_bytes(writer, o->block, o->readable ? o->size : 0);
  pd_put_array(writer, (uint32_t)count);
  for (int i = 0; i < count; i++) {
    if (buffers[i].bytes == NULL) {
      pd_put_nil(writer);
    } else {
      pd_put_bytes(writer, buffers[i].bytes, buffers[i].size);
    }
  }
  struct pd_reply reply;
  long result = pd_exchange(&o->file->link, o->fd, &request, &reply);
  if (result == 0) {
    result = request.interrupted && ended_early(o, &reply) ? -EINTR : finish(o, &reply);
    pd_reply_free(&reply);
  }
  return result;
}

/* Where the daemon may not look into this process, it is given the pages. -EFAULT for what is no memory in truth. */
static long call_with_lent_memory(struct outcome *o, uint32_t command) {
  uint64_t given = field(o->block, (uint16_t)o->call->memory_at, 8), there;
  if (!pd_lend(o->file, o->fd, given, field(o->block, (uint16_t)o->call->memory_size_at, 8), &there)) {
    return -EFAULT;
  }
  memcpy(o->block + o->call->memory_at, &there, sizeof there);
  return ask_daemon(o, command, NULL, 0);
}

static long call_with_descriptor(struct outcome *o, uint32_t command) {
  int32_t given;
  int number = lend(o, &given);
  if (number < 0) {
    return number;
  }
  long result = ask_daemon(o, command, NULL, 0);
  pd_forget(o->file, o->fd, number);
  return result;
}

long pd_ioctl(struct pd_file *file, int fd, uint32_t command, uint64_t argument) {
  if (is_files_own(command)) {
    /* FIOCLEX and its like concern the descriptor, whatever it is one of. */
    return PD_CALL(SYS_ioctl, fd, command, argument, 0, 0, 0);
  }
  int known = pd_known(file, fd);
  if (known != 0) {
    return known;
  }
  uint8_t block[MAX_BLOCK];
  size_t size = (command >> 16) & 0x3fff;
  memset(block, 0, size < 256 ? 256 : size);
  bool readable = pd_copy_in(block, argument, size);
  if (!readable) {
    memset(block, 0, size);
  }
  const struct pd_call *call = find(number_of(file, command), block);
  struct outcome outcome = {file, fd, call, block, size, argument, readable};
  if (call != NULL && readable && finished(file, fd, call, block)) {
    return pd_copy_out(argument, block, size) ? 0 : -EFAULT;
  }
  if (call != NULL && readable && call->descriptor_in_at >= 0) {
    return call_with_descriptor(&outcome, command);
  }
  uint8_t original[256];
  memcpy(original, block, sizeof original);
  struct buffer buffers[PD_MOST_INPUTS];
  int count = call == NULL || !readable ? 0 : gather(call, block, buffers);
  long result = ask_daemon(&outcome, command, buffers, count);
  for (int i = 0; i < count; i++) {
    free(buffers[i].bytes);
  }
  if (result == -EFAULT && readable && call != NULL && call->memory_at >= 0) {
    memcpy(block, original, sizeof original);
    result = call_with_lent_memory(&outcome, command);
  }
  if (result == -EAGAIN) {
    struct timespec pause = {0, AGAIN_PAUSE_NS};
    PD_CALL(SYS_nanosleep, &pause, NULL, 0, 0, 0, 0);
  }
  return result;
}
