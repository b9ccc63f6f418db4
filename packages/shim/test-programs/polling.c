/* poll, select and epoll on a device, a dma-buf and a sync file, beside descriptors of the machine; what can not be read or written. */
#include "support.h"

#include <linux/dma-buf.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/uio.h>
#include <time.h>

#define HBM 0x20000000ull
#define SIZE 0x100000u

static int device, buffer, fence, ends[2];

/* No poll operation: ready for everything, and nothing for epoll (fs/select.c, fs/eventpoll.c). */
static void a_device(int fd) {
  struct pollfd both[2] = {{fd, POLLIN | POLLOUT | POLLPRI, 0}, {ends[0], POLLIN, 0}};
  CHECK(poll(both, 2, -1) == 1 && both[0].revents == (POLLIN | POLLOUT) && both[1].revents == 0);
  fd_set reads, writes, others;
  FD_ZERO(&reads);
  FD_SET(fd, &reads);
  FD_SET(ends[0], &reads);
  writes = others = reads;
  FD_CLR(ends[0], &writes);
  CHECK(select(fd > ends[0] ? fd + 1 : ends[0] + 1, &reads, &writes, &others, NULL) == 2);
  CHECK(FD_ISSET(fd, &reads) && FD_ISSET(fd, &writes) && !FD_ISSET(fd, &others) && !FD_ISSET(ends[0], &reads));
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN};
  CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == -1 && errno == EPERM);
  CHECK(close(epoll) == 0);
}

static void unreadable(int fd) {
  char bytes[16] = "";
  struct iovec part = {bytes, sizeof bytes};
  CHECK(read(fd, bytes, sizeof bytes) == -1 && errno == EINVAL);
  CHECK(write(fd, bytes, sizeof bytes) == -1 && errno == EINVAL);
  CHECK(readv(fd, &part, 1) == -1 && errno == EINVAL);
  CHECK(writev(fd, &part, 1) == -1 && errno == EINVAL);
}

static double seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Ready at once, since the driver attaches no fences (uapi.md 6.1); a sync file is never one to write to (6.5). */
static void objects(void) {
  struct timespec second = {1, 0}, none = {0, 0};
  sigset_t mask;
  sigemptyset(&mask);
  struct pollfd all[3] = {{buffer, POLLIN | POLLOUT, 0}, {fence, POLLIN | POLLOUT, 0}, {ends[0], POLLIN, 0}};
  CHECK(ppoll(all, 3, &second, &mask) == 2);
  CHECK(all[0].revents == (POLLIN | POLLOUT) && all[1].revents == POLLIN && all[2].revents == 0);
  struct pollfd nothing = {buffer, 0, 0};
  CHECK(poll(&nothing, 1, 0) == 0);
  fd_set reads, writes;
  int count = (buffer > fence ? buffer : fence) + 1;
  FD_ZERO(&reads);
  FD_SET(buffer, &reads);
  FD_SET(fence, &reads);
  writes = reads;
  CHECK(pselect(count, &reads, &writes, NULL, &none, &mask) == 3 && FD_ISSET(buffer, &writes) && !FD_ISSET(fence, &writes));
  struct timeval soon = {0, 30000};
  FD_ZERO(&writes);
  FD_SET(fence, &writes);
  double before = seconds();
  CHECK(select(fence + 1, NULL, &writes, NULL, &soon) == 0 && !FD_ISSET(fence, &writes) && soon.tv_usec == 0);
  CHECK(seconds() - before >= 0.03);
  FD_SET(1000, &reads);
  CHECK(select(1001, &reads, NULL, NULL, &soon) == -1 && errno == EBADF);
}

static void by_epoll(void) {
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event got[4], event = {.events = EPOLLIN | EPOLLOUT, .data.u64 = 77};
  struct epoll_event plain = {.events = EPOLLIN, .data.u64 = 5}, changes = {.events = EPOLLIN | EPOLLET, .data.u64 = 78};
  CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &plain) == 0);
  CHECK(epoll_ctl(epoll, EPOLL_CTL_MOD, buffer, &event) == -1 && errno == ENOENT);
  CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, buffer, &event) == 0);
  CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, buffer, &event) == -1 && errno == EEXIST);
  CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fence, &changes) == 0);
  CHECK(epoll_wait(epoll, got, 4, -1) == 2);
  CHECK(epoll_wait(epoll, got, 4, 0) == 1 && got[0].data.u64 == 77 && got[0].events == (EPOLLIN | EPOLLOUT));
  event.events = EPOLLOUT | EPOLLONESHOT;
  CHECK(epoll_ctl(epoll, EPOLL_CTL_MOD, buffer, &event) == 0);
  CHECK(epoll_wait(epoll, got, 1, -1) == 1 && got[0].events == EPOLLOUT);
  CHECK(epoll_wait(epoll, got, 4, 10) == 0);
  CHECK(write(ends[1], "", 1) == 1);
  CHECK(epoll_wait(epoll, got, 4, -1) == 1 && got[0].data.u64 == 5 && got[0].events == EPOLLIN);
  char byte;
  CHECK(read(ends[0], &byte, 1) == 1);
  CHECK(epoll_ctl(epoll, EPOLL_CTL_DEL, buffer, NULL) == 0);
  CHECK(epoll_ctl(epoll, EPOLL_CTL_DEL, buffer, NULL) == -1 && errno == ENOENT);
  CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fence, NULL) == -1 && errno == EFAULT);
  CHECK(close(epoll) == 0);
}

static void handle(int signal) {}

static void *interrupt(void *whom) {
  for (;;) {
    usleep(2000);
    pthread_kill((pthread_t)whom, SIGUSR1);
  }
  return NULL;
}

/* A sync file is never writable: these wait until the signal comes, and then it does show. */
static void signals(void) {
  struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &action, NULL);
  pthread_t other;
  pthread_create(&other, NULL, interrupt, (void *)pthread_self());
  struct pollfd all[2] = {{fence, POLLOUT, 0}, {ends[0], POLLIN, 0}};
  CHECK(poll(all, 1, -1) == -1 && errno == EINTR);
  CHECK(poll(all, 2, -1) == -1 && errno == EINTR);
  fd_set writes;
  FD_ZERO(&writes);
  FD_SET(fence, &writes);
  CHECK(select(fence + 1, NULL, &writes, NULL, NULL) == -1 && errno == EINTR);
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLOUT};
  CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fence, &event) == 0);
  CHECK(epoll_wait(epoll, &event, 1, -1) == -1 && errno == EINTR);
  CHECK(close(epoll) == 0);
  pthread_cancel(other);
  pthread_join(other, NULL);
}

/* A device that does not block still answers, and does not keep a processor busy while it waits. */
static void without_blocking(void) {
  CHECK(fcntl(device, F_SETFL, O_NONBLOCK) == 0);
  uint64_t closed = packets(device, CLOSED_FENCE, sizeof CLOSED_FENCE);
  uint64_t seq = submit(device, 0, closed, sizeof CLOSED_FENCE);
  uint32_t status;
  struct timespec before, after;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
  CHECK(wait_for(device, seq, 300000, &status) == 0 && status == HL_WAIT_CS_STATUS_BUSY);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
  CHECK((double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9 < 0.1);
  open_fence_of(device, seq);
  destroy_buffer(device, closed);
}

int main(void) {
  CHECK(pipe2(ends, O_CLOEXEC) == 0);
  device = open_device();
  int control = open("/dev/hl_controlD0", O_RDWR | O_CLOEXEC);
  a_device(device);
  a_device(control);
  union hl_mem_args args = {
      .in = {.export_dmabuf_fd = {.handle = HBM, .mem_size = SIZE}, .op = HL_MEM_OP_EXPORT_DMABUF_FD, .flags = O_RDWR | O_CLOEXEC}};
  CHECK(ioctl(device, HL_IOCTL_MEMORY, &args) == 0);
  buffer = (int)args.out.fd;
  struct dma_buf_export_sync_file out = {.flags = DMA_BUF_SYNC_RW, .fd = -1};
  CHECK(ioctl(buffer, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &out) == 0);
  fence = out.fd;
  int unread[] = {device, control, buffer, fence};
  for (size_t i = 0; i < sizeof unread / sizeof *unread; i++) {
    unreadable(unread[i]);
  }
  objects();
  by_epoll();
  signals();
  without_blocking();
  CHECK(close(fence) == 0 && close(buffer) == 0 && close(control) == 0 && close(device) == 0);
  puts("polling: good");
  return 0;
}
