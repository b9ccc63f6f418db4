/*
 * What the parts of the preload library know of each other.
 *
 * calls.c      system calls that meet no hook of this library, copies that fail instead of crashing
 * message.c    msgpack, as far as the protocol uses it
 * link.c       a connection as such, and who takes turns on it
 * exchange.c   requests and replies, from many threads
 * nodes.c      which paths are device nodes
 * connect.c    the conversation up to the first call: greeting, opening, joining, descriptors
 * file.c       open files: a connected socket is one
 * ioctl.c      the raw spelling of a call, by the generated tables
 * dma-buf.c    descriptors that stand for a dma-buf or a sync file
 * memory.c     mmap and munmap of what a handle names, requests for huge pages
 * lend.c       memory for the device where the daemon may not reach the program's
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
#include <sys/un.h>

#define PD_EXPORT __attribute__((visibility("default")))

/* calls.c: as the kernel answers, -errno on failure. */
long pd_call(long number, long a, long b, long c, long d, long e, long f);
#define PD_CALL(number, a, b, c, d, e, f) \
  pd_call((number), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
int pd_open(const char *path, int flags, int mode);
int pd_close(int fd);
int pd_fstat(int fd, struct stat *st);
bool pd_is_socket(int fd);
long pd_result(long result);
bool pd_copy_in(void *to, uint64_t from, size_t size);
bool pd_copy_out(uint64_t to, const void *from, size_t size);
/* A number for a descriptor of the library's own, out of the program's way. */
int pd_out_of_the_way(int fd);
bool pd_is_own(int fd);
pid_t pd_pid(void);
/* For who started the program: the library is in it; it has opened a device. */
void pd_mark(bool opened);
void pd_calls_fork(void);

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
void pd_put_signed(struct pd_writer *w, int32_t value);
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

/* link.c */
#define PD_PEEK_BYTES 16
#define PD_READ_BYTES 65536
/* Bytes of the socket's inode that record locks are for. */
enum pd_turn { PD_READ_TURN = 1, PD_WRITE_TURN = 2 };
/* No call has this code; the daemon answers so. */
#define PD_CODE_NOTHING 0
struct pd_waiter {
  struct pd_waiter *next;
  uint64_t id;
  /* 0 while waiting, 1 to look again, 2 when the reply is there. */
  _Atomic uint32_t word;
  uint8_t *body;
  size_t size;
};
struct pd_link {
  pthread_mutex_t sending, state;
  struct pd_waiter *waiters;
  /* A thread reads; it only looks whether something came; it met somebody else's reply. */
  bool reading, peeking, foreign;
  bool dead;
  /* Other processes may read from the socket: each takes its own replies only. */
  bool shared;
  /* What the daemon calls this process, if it did not open the file itself; else 0. */
  uint32_t process;
  uint32_t reads;
  uint8_t *bytes;
  size_t length, room;
};
void pd_link_init(struct pd_link *link);
void pd_link_free(struct pd_link *link);
/* For every socket that is a link. */
void pd_link_socket(int fd);
bool pd_link_room(struct pd_link *link, size_t room);
bool pd_link_send(struct pd_link *link, int fd, struct pd_writer *frame);
/* From now on another process may have the socket. */
void pd_link_share(struct pd_link *link, int fd);
void pd_lock_socket(int fd, int which);
void pd_unlock_socket(int fd, int which);
void pd_pause(void);
void pd_before_fork(struct pd_link *link);
void pd_after_fork(struct pd_link *link, bool child);

/* exchange.c */
struct pd_request {
  struct pd_writer writer;
  uint64_t id;
  /* A signal ends it early; one has come. */
  bool interruptible, interrupted;
};
struct pd_reply {
  uint8_t *body;
  int error;
  /* Behind id and errno. */
  struct pd_reader rest;
};
/* The writer takes as many values as there are arguments. */
struct pd_writer *pd_begin_typed(struct pd_request *request, uint32_t code, uint32_t arguments);
/* The writer takes the block and the array of buffers. */
struct pd_writer *pd_begin_raw(struct pd_request *request, uint32_t command, bool interruptible);
/* 0, or -errno of the conversation itself: -ENODEV when it is over. The errno of the call is in the reply. The request is gone. */
int pd_exchange(struct pd_link *link, int fd, struct pd_request *request, struct pd_reply *reply);
/* A typed call: 0 with the reply at its first result, or -errno of whatever kind and nothing to be freed. */
int pd_ask(struct pd_link *link, int fd, struct pd_request *request, struct pd_reply *reply);
void pd_reply_free(struct pd_reply *reply);
int pd_read_for_all(struct pd_link *link, int fd);

/* nodes.c */
struct pd_node {
  /* As the daemon calls it. */
  char name[64];
  uint32_t major, minor;
};
/* What a path names, or a name of the daemon's; false for any other. */
bool pd_node_of(const char *path, struct pd_node *node);
bool pd_node_named(const char *name, struct pd_node *node);
bool pd_node_exists(const struct pd_node *node);

/* file.c */
struct pd_segment {
  struct pd_segment *next;
  uint32_t tag;
  int fd;
};
struct pd_file {
  struct pd_file *next;
  ino_t ino;
  int users, fd_hint, side;
  /* This process has yet to make itself known to the daemon. */
  bool stranger;
  struct pd_node node;
  pthread_mutex_t side_lock;
  struct pd_segment *segments;
  /* Numbers of finished work, written by the daemon; asked for once. */
  const uint32_t *ring;
  bool ring_asked;
  struct pd_link link;
};
bool pd_active(void);
int pd_open_node(const struct pd_node *node, int flags);
/* The open file behind a descriptor, for as long as it is used; NULL for any other descriptor. */
struct pd_file *pd_get_file(int fd);
void pd_put_file(struct pd_file *file);
/* The program is about to connect `fd` to `address` by itself. */
void pd_note_connect(int fd, const struct sockaddr_un *address);
struct pd_file *pd_get_file_by_ino(ino_t ino);
/* Any file of a device's primary node, with a descriptor of it. */
struct pd_file *pd_get_primary(int *fd);
/* Before anything is asked on the file: who asks is made known. -errno if it cannot be. */
int pd_known(struct pd_file *file, int fd);
/* A descriptor of this process for the file, -1 if it has none any more. */
int pd_any_descriptor(struct pd_file *file, int except);
int pd_close_file(struct pd_file *file, int fd);
/* The process is about to give all its descriptors, or this one, to another process. */
void pd_share_files(void);
void pd_share_descriptor(int fd);
void pd_files_fork(int phase);

/* connect.c */
const char *pd_socket_path(void);
int pd_connected(void);
/* Of the daemon; 0 if there is none. */
pid_t pd_daemon_pid(void);
/* A connection that has greeted and opened nothing, for virtual files. */
int pd_connect(void);
int pd_say_open(struct pd_file *file, int fd);
/* Of a file that another process has opened: what it is, and a side connection of this process's own. */
int pd_join(struct pd_file *file, int fd);
/* The descriptor that came with a tag; `keep` if it stays with the file. */
int pd_take_descriptor(struct pd_file *file, uint32_t tag, bool keep);

/* ioctl.c */
long pd_ioctl(struct pd_file *file, int fd, uint32_t command, uint64_t argument);

/* dma-buf.c */
bool pd_is_handed(int fd);
long pd_handed_ioctl(int fd, uint32_t command, uint64_t argument);
long pd_handed_seek(int fd, off_t offset, int whence);
/* POLLIN, POLLOUT as they are now; -errno. */
int pd_handed_poll(int fd, int events, int timeout_ms);
/* What stands for the object in the file's own table, or -errno; to be let go of with pd_forget. */
int pd_receive(struct pd_file *file, int fd, int descriptor);
void pd_forget(struct pd_file *file, int fd, int number);
/* A descriptor of the process for one of the file's own table, which is closed. */
int pd_real_descriptor(struct pd_file *file, int fd, int number, bool close_on_exec);
void pd_handed_fork(void);

/* memory.c */
long pd_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset);
long pd_munmap(void *addr, size_t length);
/* The completion ring of a file, NULL if there is none. */
/* A segment's place for an object of the file, which is then mapped for the daemon. */
struct pd_place {
  uint32_t segment;
  uint64_t offset;
};
int pd_map_object(struct pd_file *file, int fd, uint64_t offset, size_t length, struct pd_place *place);
int pd_unmap_object(struct pd_file *file, int fd, uint64_t offset);
const uint32_t *pd_map_ring(struct pd_file *file, int fd);
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
/* Of a path where this library has nothing: -ENOTDIR below one of its files, -ENOENT in one of its directories; 0: the kernel knows. */
long pd_missing(int directory, const char *path);
bool pd_hidden(const char *path);
/* The path as seen from a directory's descriptor, in `joined` if need be; NULL if it is none of this library's business. */
const char *pd_absolute(int directory, const char *path, char joined[512]);
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
bool pd_is_files_connection(ino_t ino);

/* lend.c */
/*
 * The daemon may not look into this process: the pages of the range become memory of the daemon's, with what is in them.
 * True with the address that names the same place in it.
 */
bool pd_lend(struct pd_file *file, int fd, uint64_t address, uint64_t size, uint64_t *there);
/* The file is about to be closed for good. */
void pd_take_back(struct pd_file *file, int fd);
void pd_lend_fork(void);

/* hooks */
void *pd_next(const char *name);
enum pd_polled { PD_POLL_KERNEL, PD_POLL_HANDED, PD_POLL_ALWAYS, PD_POLL_NEVER };
enum pd_polled pd_polled(int fd);
int64_t pd_now_ns(void);
/* The program is about to close it. */
void pd_epoll_closed(int fd);
void pd_epoll_fork(void);
