/*
 * Memory for the device on machines where the daemon may not reach the program's (architecture 4): the pages themselves become
 * memory of the daemon's, with what is in them, so that nothing needs to be copied from then on. A range that shares some of
 * its pages, but not all, with one that was lent before cannot be had.
 *
 * Owns: which pages are lent. Must not know: ioctls.
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
#include <unistd.h>

struct lent {
  struct lent *next;
  ino_t ino;
  uintptr_t start, end;
  uint64_t handle, address;
  /* Of the daemon's memory. */
  ino_t segment;
};

static struct lent *all;
static pthread_mutex_t lent_lock = PTHREAD_MUTEX_INITIALIZER;

/* What is mapped in this process, as text; to be freed. */
static char *maps(void) {
  char *text = NULL;
  size_t length = 0, room = 0;
  int fd = pd_open("/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
  long got = fd < 0 ? -1 : 1;
  while (got > 0) {
    if (length + 4096 >= room) {
      room = 2 * room + 65536;
      char *more = realloc(text, room);
      if (more == NULL) {
        break;
      }
      text = more;
    }
    got = PD_CALL(SYS_read, fd, text + length, room - length - 1, 0, 0, 0);
    length += got > 0 ? (size_t)got : 0;
  }
  if (fd >= 0) {
    pd_close(fd);
  }
  if (text != NULL) {
    text[length] = '\0';
  }
  return text;
}

struct area {
  unsigned long from, to, offset, ino;
  char rights[8];
};

/* The next line that is one, and behind it. */
static const char *next_area(const char *line, struct area *area) {
  while (*line != '\0') {
    const char *end = strchrnul(line, '\n');
    int read = sscanf(line, "%lx-%lx %7s %lx %*s %lu", &area->from, &area->to, area->rights, &area->offset, &area->ino);
    line = *end == '\0' ? end : end + 1;
    if (read == 5) {
      return line;
    }
  }
  return NULL;
}

/* All of it private memory that can be read and written; what else there is has an owner who would miss it. */
static bool is_plain(uintptr_t start, uintptr_t end) {
  char *text = maps();
  struct area area;
  for (const char *at = text; at != NULL && start < end && (at = next_area(at, &area)) != NULL;) {
    if (area.from <= start && start < area.to) {
      if (strncmp(area.rights, "rw", 2) != 0 || area.rights[3] != 'p') {
        break;
      }
      start = area.to;
    }
  }
  free(text);
  return start >= end;
}

/* With the lock. The record that has all of the range; `clash` if one has part of it. */
static struct lent *find(const struct pd_file *file, uintptr_t start, uintptr_t end, bool *clash) {
  *clash = false;
  for (struct lent *lent = all; lent != NULL; lent = lent->next) {
    if (lent->ino == file->ino && lent->start <= start && end <= lent->end) {
      return lent;
    }
    *clash = *clash || (start < lent->end && lent->start < end);
  }
  return NULL;
}

static void give_up(struct pd_file *file, int fd, uint64_t handle) {
  pd_unmap_object(file, fd, handle);
  struct pd_request request;
  pd_put_u64(pd_begin_typed(&request, PD_CODE_HOST_FREE, 1), handle);
  struct pd_reply reply;
  if (pd_ask(&file->link, fd, &request, &reply) == 0) {
    pd_reply_free(&reply);
  }
}

static bool allocate(struct pd_file *file, int fd, size_t size, struct lent *lent) {
  struct pd_request request;
  pd_put_number(pd_begin_typed(&request, PD_CODE_HOST_ALLOC, 1), size);
  struct pd_reply reply;
  if (pd_ask(&file->link, fd, &request, &reply) != 0) {
    return false;
  }
  lent->handle = pd_get_number(&reply.rest);
  lent->address = pd_get_number(&reply.rest);
  bool good = !reply.rest.bad;
  pd_reply_free(&reply);
  return good;
}

/* The daemon's memory takes the place of the pages, in one step. What another thread writes meanwhile is lost. */
static bool exchange_pages(struct pd_file *file, int fd, struct lent *lent) {
  size_t size = lent->end - lent->start;
  struct pd_place place;
  if (pd_map_object(file, fd, lent->handle, size, &place) != 0) {
    return false;
  }
  int segment = pd_take_descriptor(file, place.segment, true);
  long at = segment < 0 ? segment
                        : PD_CALL(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, segment, place.offset);
  if (at < 0 && at > -4096) {
    return false;
  }
  struct stat st;
  lent->segment = pd_fstat(segment, &st) == 0 ? st.st_ino : 0;
  memcpy((void *)at, (void *)lent->start, size);
  long moved = PD_CALL(SYS_mremap, at, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, lent->start, 0);
  if (moved != (long)lent->start) {
    PD_CALL(SYS_munmap, at, size, 0, 0, 0, 0);
    return false;
  }
  return true;
}

bool pd_lend(struct pd_file *file, int fd, uint64_t address, uint64_t size, uint64_t *there) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  uintptr_t start = (uintptr_t)address & ~(page - 1), end = ((uintptr_t)address + size + page - 1) & ~(page - 1);
  if (size == 0 || end <= start) {
    return false;
  }
  pthread_mutex_lock(&lent_lock);
  bool clash;
  struct lent *lent = find(file, start, end, &clash);
  if (lent == NULL && !clash && is_plain(start, end)) {
    struct lent *made = calloc(1, sizeof *made);
    if (made != NULL) {
      *made = (struct lent){.next = all, .ino = file->ino, .start = start, .end = end};
    }
    if (made != NULL && allocate(file, fd, end - start, made) && exchange_pages(file, fd, made)) {
      all = lent = made;
    } else {
      free(made);
    }
  }
  if (lent != NULL) {
    *there = lent->address + (address - lent->start);
  }
  pthread_mutex_unlock(&lent_lock);
  return lent != NULL;
}

/* Memory of the program's own takes the place of the daemon's again. */
static void restore(uintptr_t from, uintptr_t to) {
  size_t size = to - from;
  long at = PD_CALL(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at < 0 && at > -4096) {
    return;
  }
  memcpy((void *)at, (void *)from, size);
  PD_CALL(SYS_mremap, at, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, from, 0);
}

/* Of the pages only those that the program has not given back to the system meanwhile. */
static void return_pages(const struct lent *lent) {
  char *text = maps();
  struct area area;
  for (const char *at = text; at != NULL && (at = next_area(at, &area)) != NULL;) {
    if (area.ino == lent->segment && area.from < lent->end && lent->start < area.to) {
      restore(area.from > lent->start ? area.from : lent->start, area.to < lent->end ? area.to : lent->end);
    }
  }
  free(text);
}

/* The program keeps the memory: the daemon's is gone with the file. */
void pd_take_back(struct pd_file *file, int fd) {
  pthread_mutex_lock(&lent_lock);
  for (struct lent **at = &all; *at != NULL;) {
    struct lent *lent = *at;
    if (lent->ino == file->ino) {
      *at = lent->next;
      return_pages(lent);
      give_up(file, fd, lent->handle);
      free(lent);
    } else {
      at = &lent->next;
    }
  }
  pthread_mutex_unlock(&lent_lock);
}

void pd_lend_fork(void) {
  for (struct lent *lent = all; lent != NULL;) {
    struct lent *next = lent->next;
    free(lent);
    lent = next;
  }
  all = NULL;
  pthread_mutex_init(&lent_lock, NULL);
}
