/* What programs do to themselves and their children, with a device in hand or before they open one. */
#include "support.h"

#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

extern char **environ;

static void use(int fd) {
  struct hl_info_hw_ip_info hw;
  CHECK(info(fd, HL_INFO_HW_IP_INFO, &hw, sizeof hw) == 0 && hw.device_id == 0x1000);
  uint64_t handle = create_buffer(fd, 4096);
  void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)handle);
  CHECK(memory != MAP_FAILED && munmap(memory, 4096) == 0);
  destroy_buffer(fd, handle);
}

static void use_anew(void) {
  int fd = open_device();
  use(fd);
  CHECK(close(fd) == 0);
}

static void ended_well(pid_t child) {
  int status;
  CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

/* As daemons do first of all; with a device open it is closed, and free again. */
static void closes_everything(void) {
  char vendor[8] = "";
  int file = open("/sys/class/habanalabs/hl0/pci_addr", O_RDONLY);
  CHECK(file >= 0 && read(file, vendor, 4) == 4);
  closefrom(3);
  CHECK(close(file) == -1 && errno == EBADF);
  use_anew();
  int fd = open_device();
  use(fd);
  for (int i = 3; i < 4096; i++) {
    close(i);
  }
  use_anew();
  fd = open_device();
  CHECK(close_range(3, ~0u, 0) == 0);
  CHECK(fcntl(fd, F_GETFD) == -1 && errno == EBADF);
  fd = open_device();
  CHECK(close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) == 0);
  use(fd);
  CHECK(close(fd) == 0);
  CHECK(close_range(9, 3, 0) == -1 && errno == EINVAL);
}

static void with_few_descriptors(void) {
  struct rlimit before, few = {16, 16};
  CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
  few.rlim_max = before.rlim_max;
  CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
  int fd = open_device(), more[16], count = 0;
  use(fd);
  while (count < 16 && (more[count] = open("/dev/null", O_RDONLY)) >= 0) {
    count++;
  }
  CHECK(count > 0 && errno == EMFILE);
  use(fd);
  CHECK(open("/dev/hl_controlD0", O_RDWR) == -1 && errno == EMFILE);
  while (count > 0) {
    CHECK(close(more[--count]) == 0);
  }
  CHECK(close(fd) == 0 && setrlimit(RLIMIT_NOFILE, &before) == 0);
}

/* Children by every way, with this process's device open meanwhile. */
static void starts_others(const char *self) {
  int fd = open("/dev/hl0", O_RDWR);
  CHECK(fd >= 0);
  char number[16];
  snprintf(number, sizeof number, "%d", fd);
  char *const arguments[] = {(char *)self, number, NULL};
  pid_t child;
  CHECK(posix_spawn(&child, self, NULL, NULL, arguments, environ) == 0);
  use(fd);
  ended_well(child);
  child = vfork();
  if (child == 0) {
    execv(self, arguments);
    _exit(1);
  }
  use(fd);
  ended_well(child);
  char command[4096];
  snprintf(command, sizeof command, "%s %d", self, fd);
  CHECK(system(command) == 0);
  FILE *pipe = popen(command, "r");
  use(fd);
  CHECK(pipe != NULL && pclose(pipe) == 0);
  use(fd);
  CHECK(close(fd) == 0);
}

/* A grandchild without a terminal or a parent, that opens what its forebear has let go of. */
static void forks_a_daemon(void) {
  int ready[2];
  CHECK(pipe(ready) == 0);
  int fd = open_device();
  use(fd);
  pid_t child = fork();
  if (child == 0) {
    CHECK(close(ready[0]) == 0 && daemon(1, 1) == 0);
    use(fd);
    CHECK(close(fd) == 0 && write(ready[1], "", 1) == 1);
    _exit(0);
  }
  ended_well(child);
  char byte;
  CHECK(close(ready[1]) == 0 && read(ready[0], &byte, 1) == 1 && close(ready[0]) == 0);
  use(fd);
  CHECK(close(fd) == 0);
}

/* What is open stays so where the daemon is out of reach; for opening it has to be reached, as a node has to be there. */
static void changes_its_root(void) {
  pid_t child = fork();
  if (child == 0) {
    int fd = open_device();
    CHECK(chroot("/proc/self") == 0 && chdir("/") == 0);
    use(fd);
    CHECK(open("/dev/hl_controlD0", O_RDWR) == -1 && errno == ENOENT);
    CHECK(close(fd) == 0);
    _exit(0);
  }
  ended_well(child);
}

/* A name space of mounts, network and processes of its own. */
static void goes_apart(void) {
  pid_t child = fork();
  if (child == 0) {
    CHECK(unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC) == 0);
    use_anew();
    pid_t first = fork();
    if (first == 0) {
      CHECK(getpid() == 1);
      use_anew();
      _exit(0);
    }
    ended_well(first);
    _exit(0);
  }
  ended_well(child);
}

static int device;
static atomic_int running;

static void *never_ends(void *unused) {
  atomic_fetch_add(&running, 1);
  for (;;) {
    struct hl_info_hw_ip_info hw;
    info(device, HL_INFO_HW_IP_INFO, &hw, sizeof hw);
  }
  return NULL;
}

/* The process ends in the middle of their calls. */
static void leaves_threads(void) {
  pid_t child = fork();
  if (child == 0) {
    device = open_device();
    for (int i = 0; i < 4; i++) {
      pthread_t thread;
      CHECK(pthread_create(&thread, NULL, never_ends, NULL) == 0);
    }
    while (atomic_load(&running) < 4) {
      sched_yield();
    }
    exit(0);
  }
  ended_well(child);
}

int main(int argc, char **argv) {
  if (argc == 2) {
    use(atoi(argv[1]));
    return 0;
  }
  closes_everything();
  with_few_descriptors();
  starts_others(argv[0]);
  forks_a_daemon();
  leaves_threads();
  if (geteuid() == 0) {
    changes_its_root();
    goes_apart();
  }
  use_anew();
  puts("habits: good");
  return 0;
}
