/*
 * Mappings: what a handle names, out of the daemon's memory, and huge pages where there are none.
 *
 * Owns: which parts of the address space are mapped objects, so that the daemon learns when one is unmapped (uapi.md 3.3).
 */
#include "shim.h"
#include "tables.generated.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif
#define HUGE_BITS (0x3fu << MAP_HUGE_SHIFT)
#define DEFAULT_HUGE_SHIFT 21

struct mapping {
  struct mapping *next;
  uintptr_t start, end;
  /* Bytes still mapped: the object is let go of with the last. */
  size_t left;
  ino_t ino;
  uint64_t offset;
};

static struct mapping *mappings;
static pthread_mutex_t mappings_lock = PTHREAD_MUTEX_INITIALIZER;

static size_t page(void) {
  return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t round_up(size_t size, size_t unit) {
  return (size + unit - 1) / unit * unit;
}

static int unmap_object(struct pd_file *file, int fd, uint64_t offset) {
  struct pd_writer request;
  uint64_t id = pd_new_id();
  pd_begin(&request);
  pd_put_array(&request, 3);
  pd_put_number(&request, id);
  pd_put_number(&request, PD_CODE_MUNMAP);
  pd_put_array(&request, 1);
  pd_put_u64(&request, offset);
  struct pd_reply reply;
  int result = pd_exchange(&file->link, fd, &request, id, false, &reply);
  pd_end(&request);
  if (result == 0) {
    pd_reply_free(&reply);
  }
  return result;
}

struct place {
  uint32_t segment;
  uint64_t offset;
};

static int map_object(struct pd_file *file, int fd, uint64_t offset, size_t length, struct place *place) {
  struct pd_writer request;
  uint64_t id = pd_new_id();
  pd_begin(&request);
  pd_put_array(&request, 3);
  pd_put_number(&request, id);
  pd_put_number(&request, PD_CODE_MMAP);
  pd_put_array(&request, 2);
  pd_put_u64(&request, offset);
  pd_put_number(&request, length);
  struct pd_reply reply;
  int result = pd_exchange(&file->link, fd, &request, id, false, &reply);
  pd_end(&request);
  if (result != 0) {
    return result;
  }
  result = -reply.error;
  if (result == 0) {
    pd_get_array(&reply.rest);
    place->segment = (uint32_t)pd_get_number(&reply.rest);
    pd_get_number(&reply.rest);
    place->offset = pd_get_number(&reply.rest);
    result = reply.rest.bad ? -EIO : 0;
  }
  pd_reply_free(&reply);
  return result;
}

static long map_device(struct pd_file *file, void *addr, size_t length, int prot, int flags, int fd, off_t offset) {
  length = round_up(length, page());
  struct place place = {0, 0};
  struct mapping *mapping = malloc(sizeof *mapping);
  if (mapping == NULL) {
    return -ENOMEM;
  }
  int result = map_object(file, fd, (uint64_t)offset, length, &place);
  long at = result;
  if (result == 0) {
    int segment = pd_take_descriptor(file, place.segment, true);
    /* The driver maps its own pages, whether they are asked for as shared or not. */
    int shared = (flags & ~MAP_TYPE) | MAP_SHARED;
    at = segment < 0 ? segment : PD_CALL(SYS_mmap, addr, length, prot, shared, segment, place.offset);
    if (at < 0 && at > -4096) {
      unmap_object(file, fd, (uint64_t)offset);
    }
  }
  if (at < 0 && at > -4096) {
    free(mapping);
    return at;
  }
  PD_CALL(SYS_madvise, at, length, MADV_DONTFORK, 0, 0, 0);
  PD_CALL(SYS_madvise, at, length, MADV_DONTDUMP, 0, 0, 0);
  *mapping = (struct mapping){NULL, (uintptr_t)at, (uintptr_t)at + length, length, file->ino, (uint64_t)offset};
  pthread_mutex_lock(&mappings_lock);
  mapping->next = mappings;
  mappings = mapping;
  pthread_mutex_unlock(&mappings_lock);
  return at;
}

/* Ordinary pages, where huge ones would begin (device.md 11, 7). */
static long map_huge(void *addr, size_t length, int prot, int flags, off_t offset) {
  long real = PD_CALL(SYS_mmap, addr, length, prot, flags, -1, offset);
  if (real >= 0 || real <= -4096 || real == -EINVAL) {
    return real;
  }
  unsigned shift = ((unsigned)flags & HUGE_BITS) >> MAP_HUGE_SHIFT;
  size_t unit = (size_t)1 << (shift == 0 ? DEFAULT_HUGE_SHIFT : shift);
  flags &= (int)~(HUGE_BITS | MAP_HUGETLB);
  length = round_up(length, unit);
  if ((flags & MAP_FIXED) != 0) {
    return PD_CALL(SYS_mmap, addr, length, prot, flags, -1, offset);
  }
  long at = PD_CALL(SYS_mmap, NULL, length + unit, prot, flags, -1, offset);
  if (at < 0 && at > -4096) {
    return at;
  }
  uintptr_t start = (uintptr_t)at, aligned = round_up(start, unit);
  if (aligned > start) {
    PD_CALL(SYS_munmap, start, aligned - start, 0, 0, 0, 0);
  }
  if (aligned + length < start + length + unit) {
    PD_CALL(SYS_munmap, aligned + length, start + unit - aligned, 0, 0, 0, 0);
  }
  return (long)aligned;
}

long pd_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset) {
  if ((flags & MAP_ANONYMOUS) != 0) {
    bool huge = (flags & MAP_HUGETLB) != 0 && pd_active();
    return huge ? map_huge(addr, length, prot, flags, offset) : PD_CALL(SYS_mmap, addr, length, prot, flags, fd, offset);
  }
  struct pd_file *file = pd_get_file(fd);
  if (file == NULL) {
    return PD_CALL(SYS_mmap, addr, length, prot, flags, fd, offset);
  }
  long at = map_device(file, addr, length, prot, flags, fd, offset);
  pd_put_file(file);
  return at;
}

/* Takes one object off the list of which nothing in [start, end) remains. */
static struct mapping *gone(uintptr_t start, uintptr_t end) {
  for (struct mapping **at = &mappings; *at != NULL; at = &(*at)->next) {
    struct mapping *mapping = *at;
    uintptr_t from = mapping->start > start ? mapping->start : start;
    uintptr_t to = mapping->end < end ? mapping->end : end;
    if (from >= to) {
      continue;
    }
    size_t part = to - from;
    mapping->left = part < mapping->left ? mapping->left - part : 0;
    if (from == mapping->start) {
      mapping->start = to;
    } else if (to == mapping->end) {
      mapping->end = from;
    }
    if (mapping->left == 0) {
      *at = mapping->next;
      return mapping;
    }
  }
  return NULL;
}

long pd_munmap(void *addr, size_t length) {
  long result = PD_CALL(SYS_munmap, addr, length, 0, 0, 0, 0);
  if (result != 0 || __atomic_load_n(&mappings, __ATOMIC_RELAXED) == NULL) {
    return result;
  }
  uintptr_t start = (uintptr_t)addr, end = start + round_up(length, page());
  for (;;) {
    pthread_mutex_lock(&mappings_lock);
    struct mapping *mapping = gone(start, end);
    pthread_mutex_unlock(&mappings_lock);
    if (mapping == NULL) {
      return 0;
    }
    struct pd_file *file = pd_get_file_by_ino(mapping->ino);
    if (file != NULL) {
      int fd = pd_any_descriptor(file, -1);
      if (fd >= 0) {
        unmap_object(file, fd, mapping->offset);
      }
      pd_put_file(file);
    }
    free(mapping);
  }
}

/* What the parent has mapped the child does not inherit. */
void pd_memory_fork(void) {
  for (struct mapping *mapping = mappings; mapping != NULL;) {
    struct mapping *next = mapping->next;
    free(mapping);
    mapping = next;
  }
  mappings = NULL;
  pthread_mutex_init(&mappings_lock, NULL);
}
