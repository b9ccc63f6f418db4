/*
 * What the parts of the preload library know of each other.
 *
 * calls.c      system calls that meet no hook of this library, copies that fail instead of crashing
 * message.c    msgpack, as far as the protocol uses it
 * exchange.c   requests and replies on one connection, from many threads and after fork
 * file.c       open files: a connected socket is one
 * ioctl.c      the raw spelling of a call, by the generated tables
 * memory.c     mmap and munmap of what a handle names, requests for huge pages
 * virtual.c    sysfs and debugfs out of the daemon
 * hooks-*.c    the functions of libc that programs call
 */
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define PD_EXPORT __attribute__((visibility("default")))
#define PD_MAJOR 511

/* calls.c: as the kernel answers, -errno on failure. */
long pd_call(long number, long a, long b, long c, long d, long e, long f);
#define PD_CALL(number, a, b, c, d, e, f) \
  pd_call((number), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
int pd_open(const char *path, int flags, int mode);
int pd_close(int fd);
int pd_fstat(int fd, struct stat *st);
long pd_result(long result);
bool pd_copy_in(void *to, uint64_t from, size_t size);
bool pd_copy_out(uint64_t to, const void *from, size_t size);
/* A number for a descriptor of the library's own, out of the program's way. */
int pd_out_of_the_way(int fd);

/* message.c */
struct pd_writer {
  uint8_t *bytes;
  size_t length, room;
  uint8_t small[1024];
};
void pd_begin(struct pd_writer *w);
void pd_end(struct pd_writer *w);
void pd_put_array(struct pd_writer *w, uint32_t count);
void pd_put_number(struct pd_writer *w, uint64_t value);
void pd_put_u64(struct pd_writer *w, uint64_t value);
void pd_put_nil(struct pd_writer *w);
void pd_put_text(struct pd_writer *w, const char *text);
void pd_put_bytes(struct pd_writer *w, const void *bytes, size_t size);
/* Writes the length of the body, and returns the frame. */
const uint8_t *pd_frame(struct pd_writer *w, size_t *size);

struct pd_reader {
  const uint8_t *at, *end;
  bool bad;
};
uint32_t pd_get_array(struct pd_reader *r);
uint64_t pd_get_number(struct pd_reader *r);
/* A str or bin, or nothing for nil. */
const uint8_t *pd_get_bytes(struct pd_reader *r, size_t *size);
bool pd_at_nil(const struct pd_reader *r);

/* exchange.c */
struct pd_waiter;
struct pd_link {
  pthread_mutex_t sending, state;
  struct pd_waiter *waiters;
  bool reading, dead;
  /* Several processes read from the socket: each takes its own replies only. */
  bool shared;
  uint8_t *bytes;
  size_t length, room;
};
struct pd_reply {
  uint8_t *body;
  int error;
  /* Behind id and errno. */
  struct pd_reader rest;
};
void pd_link_init(struct pd_link *link);
void pd_link_free(struct pd_link *link);
uint64_t pd_new_id(void);
/* 0, or -errno of the conversation itself: -ENODEV when it is over, -EINTR. The errno of the call is in the reply. */
int pd_exchange(struct pd_link *link, int fd, struct pd_writer *request, uint64_t id, bool interruptible,
                struct pd_reply *reply);
void pd_reply_free(struct pd_reply *reply);
void pd_before_fork(struct pd_link *link);
void pd_after_fork(struct pd_link *link, bool child);

/* file.c */
struct pd_segment {
  struct pd_segment *next;
  uint32_t tag;
  int fd;
};
struct pd_file {
  struct pd_file *next;
  ino_t ino;
  int users, fd_hint, side, minor;
  pthread_mutex_t side_lock;
  struct pd_segment *segments;
  struct pd_link link;
};
bool pd_active(void);
const char *pd_socket_path(void);
/* The device node a path names: its minor, and its name in `node`; -1 for any other path. */
int pd_node_of(const char *path, char node[64]);
int pd_open_node(const char *node, int minor, int flags);
/* The open file behind a descriptor, for as long as it is used; NULL for any other descriptor. */
struct pd_file *pd_get_file(int fd);
void pd_put_file(struct pd_file *file);
struct pd_file *pd_get_file_by_ino(ino_t ino);
/* A descriptor of this process for the file, -1 if it has none any more. */
int pd_any_descriptor(struct pd_file *file, int except);
int pd_close_file(struct pd_file *file, int fd);
/* The descriptor that came with a tag; `keep` if it stays with the file. */
int pd_take_descriptor(struct pd_file *file, uint32_t tag, bool keep);
int pd_connect(void);
void pd_files_fork(int phase);

/* ioctl.c */
long pd_ioctl(struct pd_file *file, int fd, uint32_t command, uint64_t argument);

/* memory.c */
long pd_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset);
long pd_munmap(void *addr, size_t length);
void pd_memory_fork(void);

/* virtual.c */
enum pd_what { PD_NOTHING, PD_FILE, PD_DIRECTORY, PD_LINK };
struct pd_node_info {
  enum pd_what what;
  uint32_t mode;
  uint64_t size;
  char target[256];
};
/* What the daemon has at a path: PD_NOTHING for what is the machine's own. `path` becomes the tidy one. */
enum pd_what pd_virtual(const char *path, bool follow, char tidy[256], struct pd_node_info *info);
bool pd_hidden(const char *path);
int pd_virtual_open(const char *tidy, const struct pd_node_info *info, int flags);
void pd_virtual_stat(const struct pd_node_info *info, struct stat *st);
/* The path behind a descriptor of a virtual file. */
bool pd_virtual_path(int fd, char path[256]);
long pd_virtual_read(const char *path, void *to, size_t size, uint64_t offset);
long pd_virtual_write(const char *path, const void *from, size_t size, uint64_t offset);
/* Calls `each` for every entry; -errno. */
int pd_virtual_list(const char *path, void (*each)(void *to, const char *name, enum pd_what what), void *to);
/* Real entries are listed as well: the directory is the machine's, too. */
bool pd_is_mixed(const char *tidy);
void pd_virtual_fork(void);

/* hooks */
void *pd_next(const char *name);
