/*
 * A dma-buf and a sync file that another process gave, while work on the buffer is under way there: what one may do with them from
 * C. Started with their descriptors, and one on which it says that it is about to wait.
 */
#include "support.h"

#include <linux/dma-buf.h>
#include <linux/sync_file.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

static int buffer, fence;

static int sync_access(uint64_t flags) {
  struct dma_buf_sync args = {.flags = flags};
  return ioctl(buffer, DMA_BUF_IOCTL_SYNC, &args);
}

static int exported(uint32_t flags) {
  struct dma_buf_export_sync_file args = {.flags = flags, .fd = -1};
  CHECK(ioctl(buffer, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &args) == 0 && fcntl(args.fd, F_GETFD) == FD_CLOEXEC);
  return args.fd;
}

static int state(int fd, uint32_t *count) {
  struct sync_file_info args = {0};
  CHECK(ioctl(fd, SYNC_IOC_FILE_INFO, &args) == 0 && args.name[0] != '\0');
  *count = args.num_fences;
  return args.status;
}

static int merged(int one, int other) {
  struct sync_merge_data args = {.name = "both of them", .fd2 = other};
  CHECK(ioctl(one, SYNC_IOC_MERGE, &args) == 0);
  struct sync_file_info info = {0};
  CHECK(ioctl(args.fence, SYNC_IOC_FILE_INFO, &info) == 0 && strcmp(info.name, "both of them") == 0);
  return args.fence;
}

static int ready(int fd, int events) {
  struct pollfd one = {fd, (short)events, 0};
  CHECK(poll(&one, 1, 0) >= 0);
  return one.revents;
}

static void refused(void) {
  struct dma_buf_export_sync_file out = {.flags = 0};
  CHECK(ioctl(buffer, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &out) == -1 && errno == EINVAL);
  out.flags = DMA_BUF_SYNC_READ | 8;
  CHECK(ioctl(buffer, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &out) == -1 && errno == EINVAL);
  CHECK(ioctl(buffer, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, (void *)16) == -1 && errno == EFAULT);
  struct dma_buf_import_sync_file in = {.flags = 8, .fd = fence};
  CHECK(ioctl(buffer, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &in) == -1 && errno == EINVAL);
  in = (struct dma_buf_import_sync_file){.flags = DMA_BUF_SYNC_READ, .fd = buffer};
  CHECK(ioctl(buffer, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &in) == -1 && errno == EINVAL);
  in.fd = 12345;
  CHECK(ioctl(buffer, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &in) == -1 && errno == EINVAL);
  CHECK(sync_access(8 | DMA_BUF_SYNC_READ) == -1 && errno == EINVAL);
  CHECK(ioctl(buffer, DMA_BUF_SET_NAME_A, "a name of thirty-one characters") == 0);
  CHECK(ioctl(buffer, DMA_BUF_SET_NAME_B, "a name of thirty-two characters!") == -1 && errno == EINVAL);
  struct sync_merge_data both = {.fd2 = buffer};
  CHECK(ioctl(fence, SYNC_IOC_MERGE, &both) == -1 && errno == ENOENT);
  both = (struct sync_merge_data){.fd2 = fence, .pad = 1};
  CHECK(ioctl(fence, SYNC_IOC_MERGE, &both) == -1 && errno == EINVAL);
  struct sync_file_info info = {.flags = 1};
  CHECK(ioctl(fence, SYNC_IOC_FILE_INFO, &info) == -1 && errno == EINVAL);
  /* Neither knows the other's calls. */
  struct dma_buf_sync access = {.flags = DMA_BUF_SYNC_READ};
  CHECK(ioctl(fence, DMA_BUF_IOCTL_SYNC, &access) == -1 && errno == ENOTTY);
  CHECK(ioctl(fence, DMA_BUF_SET_NAME_B, "sync file") == -1 && errno == ENOTTY);
  info.flags = 0;
  CHECK(ioctl(buffer, SYNC_IOC_FILE_INFO, &info) == -1 && errno == ENOTTY);
  CHECK(ioctl(buffer, SYNC_IOC_MERGE, &both) == -1 && errno == ENOTTY);
  CHECK(lseek(fence, 0, SEEK_END) == -1 && errno == ESPIPE);
}

/* Somebody writes: neither reading nor writing may begin (uapi.md 6.2). */
static void pending(void) {
  uint32_t count;
  CHECK(ready(buffer, POLLIN | POLLOUT) == 0 && ready(fence, POLLIN) == 0);
  CHECK(state(fence, &count) == 0 && count == 1);
  struct sync_fence_info one;
  struct sync_file_info info = {.num_fences = 1, .sync_fence_info = (uintptr_t)&one};
  CHECK(ioctl(fence, SYNC_IOC_FILE_INFO, &info) == 0 && info.num_fences == 1 && one.status == 0 && one.timestamp_ns == 0);
  CHECK(one.obj_name[0] != '\0' && one.driver_name[0] != '\0');
  info.sync_fence_info = 16;
  CHECK(ioctl(fence, SYNC_IOC_FILE_INFO, &info) == -1 && errno == EFAULT);
  int reader = exported(DMA_BUF_SYNC_READ), again = merged(reader, fence);
  CHECK(state(reader, &count) == 0 && count == 1);
  /* Of one timeline only what comes last is kept. */
  CHECK(state(again, &count) == 0 && count == 1 && ready(again, POLLIN) == 0);
  /* The end of an access waits for nothing. */
  CHECK(sync_access(DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW) == 0);
  fd_set reads;
  FD_ZERO(&reads);
  FD_SET(buffer, &reads);
  struct timeval soon = {0, 10000};
  CHECK(select(buffer + 1, &reads, NULL, NULL, &soon) == 0);
  CHECK(close(reader) == 0 && close(again) == 0);
}

static void over(void) {
  uint32_t count;
  CHECK(state(fence, &count) == 1 && ready(fence, POLLIN) == POLLIN);
  CHECK(ready(buffer, POLLIN | POLLOUT) == (POLLIN | POLLOUT));
  CHECK(sync_access(DMA_BUF_SYNC_RW) == 0);
  struct sync_fence_info one;
  struct sync_file_info info = {.num_fences = 1, .sync_fence_info = (uintptr_t)&one};
  CHECK(ioctl(fence, SYNC_IOC_FILE_INFO, &info) == 0 && one.status == 1 && one.timestamp_ns != 0);
  struct dma_buf_import_sync_file in = {.flags = DMA_BUF_SYNC_WRITE, .fd = fence};
  CHECK(ioctl(buffer, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &in) == 0 && ready(buffer, POLLOUT) == POLLOUT);
}

int main(int argc, char **argv) {
  CHECK(argc == 4);
  buffer = atoi(argv[1]);
  fence = atoi(argv[2]);
  int speak = atoi(argv[3]);
  refused();
  pending();
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = buffer};
  CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, buffer, &event) == 0);
  event.data.fd = fence;
  CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fence, &event) == 0);
  CHECK(epoll_wait(epoll, &event, 1, 0) == 0);
  CHECK(write(speak, "waiting", 7) == 7);
  int seen = 0;
  while (seen != 3) {
    CHECK(epoll_wait(epoll, &event, 1, -1) == 1 && event.events == EPOLLIN);
    seen |= event.data.fd == buffer ? 1 : 2;
  }
  CHECK(epoll_wait(epoll, &event, 1, 10) == 0);
  over();
  CHECK(close(epoll) == 0 && close(buffer) == 0 && close(fence) == 0);
  puts("fences: good");
  return 0;
}
