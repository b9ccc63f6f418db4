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

int pd_unmap_object(struct pd_file *file, int fd, uint64_t offset) {
  struct pd_request request;
  pd_put_u64(pd_begin_typed(&request, PD_CODE_MUNMAP, 1), offset);
  struct pd_reply reply;
  int result = pd_ask(&file->link, fd, &request, &reply);
  if (result == 0) {
    pd_reply_free(&reply);
  }
  return result;
}

int pd_map_object(struct pd_file *file, int fd, uint64_t offset, size_t length, struct pd_place *place) {
  struct pd_request request;
  struct pd_writer *writer = pd_begin_typed(&request, PD_CODE_MMAP, 2);
  pd_put_u64(writer, offset);
  pd_put_number(writer, length);
  struct pd_reply reply;
  int result = pd_ask(&file->link, fd, &request, &reply);
  if (result == 0) {
    place->segment = (uint32_t)pd_get_number(&reply.rest);
    pd_get_number(&reply.rest);
    place->offset = pd_get_number(&reply.rest);
    result = reply.rest.bad ? -EIO : 0;
    pd_reply_free(&reply);
  }
  return result;
}

const uint32_t *pd_map_ring(struct pd_file *file, int fd) {
  if (__atomic_load_n(&file->ring_asked, __ATOMIC_ACQUIRE)) {
    return __atomic_load_n(&file->ring, __ATOMIC_ACQUIRE);
  }
  struct pd_place place = {0, 0};
  pthread_mutex_lock(&mappings_lock);
  if (!file->ring_asked) {
    int segment = pd_map_object(file, fd, PD_RING_OFFSET, PD_RING_BYTES, &place);
    segment = segment == 0 ? pd_take_descriptor(file, place.segment, true) : segment;
    long at = segment < 0 ? segment : PD_CALL(SYS_mmap, NULL, PD_RING_BYTES, PROT_READ, MAP_SHARED, segment, place.offset);
    if (at > 0 || at < -4096) {
      PD_CALL(SYS_madvise, at, PD_RING_BYTES, MADV_DONTFORK, 0, 0, 0);
      __atomic_store_n(&file->ring, (const uint32_t *)at, __ATOMIC_RELEASE);
    }
    __atomic_store_n(&file->ring_asked, true, __ATOMIC_RELEASE);
  }
  pthread_mutex_unlock(&mappings_lock);
  return file->ring;
}

static long map_device(struct pd_file *file, void *addr, size_t length, int prot, int flags, int fd, off_t offset) {
  int known = pd_known(file, fd);
  if (known != 0) {
    return known;
  }
  length = round_up(length, page());
  struct pd_place place = {0, 0};
  struct mapping *mapping = malloc(sizeof *mapping);
  if (mapping == NULL) {
    return -ENOMEM;
  }
  int result = pd_map_object(file, fd, (uint64_t)offset, length, &place);
  long at = result;
  if (result == 0) {
    int segment = pd_take_descriptor(file, place.segment, true);
    /* The driver maps its own pages, whether they are asked for as shared or not. */
    int shared = (flags & ~MAP_TYPE) | MAP_SHARED;
    at = segment < 0 ? segment : PD_CALL(SYS_mmap, addr, length, prot, shared, segment, place.offset);
    if (at < 0 && at > -4096) {
      pd_unmap_object(file, fd, (uint64_t)offset);
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
    long plain = PD_CALL(SYS_mmap, addr, length, prot, flags, fd, offset);
    /* Exporters of device memory let nobody map it (uapi.md 6.1). */
    return plain == -ENODEV && pd_is_handed(fd) ? -EINVAL : plain;
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
        pd_unmap_object(file, fd, mapping->offset);
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
