/* One open file in several processes: given in a message, kept over exec, inherited; and dma-bufs that travel with it. */
#include "support.h"

#include <linux/dma-buf.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#define HBM 0x20000000ull
#define SIZE 0x100000u

static void give(int socket, int fd) {
  char byte = 0;
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control = {0};
  struct iovec vector = {&byte, 1};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  CHECK(sendmsg(socket, &message, 0) == 1);
}

static int taken(int socket) {
  char byte;
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control;
  struct iovec vector = {&byte, 1};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  CHECK(recvmsg(socket, &message, 0) == 1 && message.msg_controllen > 0);
  int fd;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return fd;
}

static void move(int fd, uint32_t queue, uint64_t from, uint64_t to, uint32_t size) {
  uint32_t words[6] = {size, 9u << 24 | 1u << 3, (uint32_t)from, (uint32_t)(from >> 32), (uint32_t)to, (uint32_t)(to >> 32)};
  uint64_t handle = packets(fd, words, sizeof words);
  uint32_t status;
  CHECK(wait_for(fd, submit(fd, queue, handle, sizeof words), 30000000, &status) == 0 && status == HL_WAIT_CS_STATUS_COMPLETED);
  destroy_buffer(fd, handle);
}

/* Everything one does with a device, with memory of the calling process. */
static void use(int fd, unsigned char value) {
  struct stat st;
  CHECK(fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && major(st.st_rdev) == 511 && minor(st.st_rdev) == 0);
  static unsigned char there[SIZE], back[SIZE];
  memset(there, value, SIZE);
  memset(back, 0, SIZE);
  uint64_t there_va = map_host(fd, there, SIZE), back_va = map_host(fd, back, SIZE);
  CHECK(there_va != 0 && back_va != 0);
  uint64_t place = HBM + value * (uint64_t)SIZE;
  move(fd, 0, there_va, place, SIZE);
  move(fd, 4, place, back_va, SIZE);
  CHECK(memcmp(there, back, SIZE) == 0);
  unmap(fd, there_va);
  unmap(fd, back_va);
}

static int export_memory(int fd) {
  union hl_mem_args args = {
      .in = {.export_dmabuf_fd = {.handle = HBM, .mem_size = SIZE}, .op = HL_MEM_OP_EXPORT_DMABUF_FD, .flags = O_RDWR | O_CLOEXEC}};
  CHECK(ioctl(fd, HL_IOCTL_MEMORY, &args) == 0);
  return (int)args.out.fd;
}

static void buffer(int fd) {
  CHECK(lseek(fd, 0, SEEK_END) == SIZE && lseek(fd, 0, SEEK_SET) == 0);
  CHECK(lseek(fd, 1, SEEK_SET) == -1 && errno == EINVAL);
  CHECK(mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EINVAL);
  CHECK(ioctl(fd, DMA_BUF_SET_NAME_B, "shared") == 0);
  CHECK(ioctl(fd, DMA_BUF_SET_NAME_B, (void *)16) == -1 && errno == EFAULT);
  CHECK(ioctl(fd, _IOW('b', 77, int), 0) == -1 && errno == ENOTTY);
}

static void fences(int fd) {
  struct dma_buf_sync sync = {.flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW};
  CHECK(ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync) == 0);
  sync.flags = 0;
  CHECK(ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync) == -1 && errno == EINVAL);
  CHECK(ioctl(fd, DMA_BUF_IOCTL_SYNC, NULL) == -1 && errno == EFAULT);
  /* The driver attaches no fences (uapi.md 6.1). */
  struct pollfd both[2] = {{fd, POLLIN | POLLOUT, 0}, {-1, POLLIN, 0}};
  CHECK(poll(both, 1, -1) == 1 && both[0].revents == (POLLIN | POLLOUT));
  CHECK(poll(both, 2, 1000) == 1 && both[0].revents == (POLLIN | POLLOUT));
  struct dma_buf_export_sync_file out = {.flags = DMA_BUF_SYNC_RW, .fd = -1};
  CHECK(ioctl(fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &out) == 0 && out.fd >= 0);
  struct pollfd fence = {out.fd, POLLIN, 0};
  CHECK(poll(&fence, 1, -1) == 1 && fence.revents == POLLIN);
  struct dma_buf_import_sync_file in = {.flags = DMA_BUF_SYNC_WRITE, .fd = out.fd};
  CHECK(ioctl(fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &in) == 0);
  in.fd = 0;
  CHECK(ioctl(fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &in) == -1 && errno == EINVAL);
  CHECK(close(out.fd) == 0);
}

/* By a network card: a region of the buffer is read where the device has written. */
static void by_importer(int fd, unsigned char value) {
  struct {
    uint64_t offset, length, iova;
    uint32_t fd, access;
    uint64_t reserved[4];
  } region = {.length = SIZE, .fd = (uint32_t)fd};
  int card = open("/dev/hli", O_RDWR | O_CLOEXEC);
  CHECK(card >= 0);
  CHECK(ioctl(card, _IOWR('I', 1, region), &region) == 0);
  uint64_t handle = region.offset;
  unsigned char bytes[4096];
  struct {
    uint64_t handle, pointer;
    uint32_t size, offset;
    uint64_t reserved;
  } read = {handle, (uintptr_t)bytes, sizeof bytes, 4096, 0};
  CHECK(ioctl(card, _IOWR('I', 4, read), &read) == 0);
  CHECK(bytes[0] == value && bytes[4095] == value);
  read.pointer = 16;
  CHECK(ioctl(card, _IOWR('I', 4, read), &read) == -1 && errno == EFAULT);
  uint64_t end[4] = {handle, 0, 0, 0};
  CHECK(ioctl(card, _IOWR('I', 2, end), end) == 0);
  memset(&region, 0, sizeof region);
  region.length = SIZE;
  region.fd = 0;
  CHECK(ioctl(card, _IOWR('I', 1, region), &region) == -1 && (errno == EINVAL || errno == EBADF));
  region.fd = 12345;
  CHECK(ioctl(card, _IOWR('I', 1, region), &region) == -1 && errno == EBADF);
  CHECK(close(card) == 0);
}

static void ended_well(pid_t child) {
  int status;
  CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

/* A process that was forked before anything was opened, and gets all it has in messages. */
static void receiver(int socket) {
  int fd = taken(socket), shared = taken(socket);
  use(fd, 7);
  buffer(shared);
  by_importer(shared, 0x5a);
  CHECK(close(shared) == 0 && close(fd) == 0);
  _exit(0);
}

/* One that never has a device of its own. */
static void importer(int socket) {
  int shared = taken(socket);
  buffer(shared);
  fences(shared);
  by_importer(shared, 0x5a);
  CHECK(close(shared) == 0);
  _exit(0);
}

int main(int argc, char **argv) {
  if (argc == 2) {
    use(atoi(argv[1]), 3);
    return 0;
  }
  int sockets[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0);
  pid_t other = fork();
  if (other == 0) {
    receiver(sockets[1]);
  }
  int more[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, more) == 0);
  pid_t third = fork();
  if (third == 0) {
    importer(more[1]);
  }
  int fd = open_device();
  uint64_t block = 0;
  use(fd, 1);
  unsigned char *fill = malloc(SIZE);
  memset(fill, 0x5a, SIZE);
  block = map_host(fd, fill, SIZE);
  move(fd, 0, block, HBM, SIZE);
  unmap(fd, block);
  int shared = export_memory(fd);
  CHECK(fcntl(shared, F_GETFD) == FD_CLOEXEC);
  buffer(shared);
  fences(shared);
  give(sockets[0], fd);
  give(sockets[0], shared);
  give(more[0], shared);
  use(fd, 2);
  ended_well(other);
  ended_well(third);
  /* The child has memory of its own, under the same addresses. */
  pid_t child = fork();
  use(fd, child == 0 ? 4 : 5);
  if (child == 0) {
    _exit(0);
  }
  ended_well(child);
  int kept = dup(fd);
  child = fork();
  if (child == 0) {
    char number[16];
    snprintf(number, sizeof number, "%d", kept);
    execl("/proc/self/exe", argv[0], number, NULL);
    _exit(1);
  }
  use(fd, 6);
  ended_well(child);
  CHECK(close(shared) == 0 && close(kept) == 0 && close(fd) == 0);
  /* Nobody has it any more. */
  CHECK(close(open_device()) == 0);
  puts("sharing: good");
  return 0;
}
