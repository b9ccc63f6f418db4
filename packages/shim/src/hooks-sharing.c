/* Functions by which descriptors reach other processes; the place in one that stands for a shared object. */
#include "shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Descriptors in the message are about to be somebody else's, too. */
static void share_sent(const struct msghdr *message) {
  struct msghdr copy;
  if (!pd_active() || message == NULL || !pd_copy_in(&copy, (uint64_t)(uintptr_t)message, sizeof copy)) {
    return;
  }
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&copy); header != NULL; header = CMSG_NXTHDR(&copy, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int fd;
      memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
      pd_share_descriptor(fd);
    }
  }
}

PD_EXPORT int connect(int fd, const struct sockaddr *address, socklen_t size) {
  struct sockaddr_un copy;
  size_t bytes = size < sizeof copy ? size : sizeof copy;
  memset(&copy, 0, sizeof copy);
  if (pd_active() && address != NULL && pd_copy_in(&copy, (uint64_t)(uintptr_t)address, bytes)) {
    pd_note_connect(fd, &copy);
  }
  return (int)pd_result(PD_CALL(SYS_connect, fd, address, size, 0, 0, 0));
}

PD_EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  share_sent(message);
  return pd_result(PD_CALL(SYS_sendmsg, fd, message, flags, 0, 0, 0));
}

PD_EXPORT int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags) {
  for (unsigned i = 0; i < count; i++) {
    share_sent(&messages[i].msg_hdr);
  }
  return (int)pd_result(PD_CALL(SYS_sendmmsg, fd, messages, count, flags, 0, 0));
}

/* The child inherits every descriptor that is not close-on-exec, and no handler of fork is called for it. */
static void before_child(void) {
  if (pd_active()) {
    pd_share_files();
  }
}

typedef int (*spawn_fn)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const[],
                        char *const[]);

PD_EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                          const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]) {
  before_child();
  return ((spawn_fn)pd_next("posix_spawn"))(pid, path, actions, attributes, argv, envp);
}
PD_EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                           const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]) {
  before_child();
  return ((spawn_fn)pd_next("posix_spawnp"))(pid, file, actions, attributes, argv, envp);
}
PD_EXPORT int system(const char *command) {
  before_child();
  return ((int (*)(const char *))pd_next("system"))(command);
}
PD_EXPORT FILE *popen(const char *command, const char *mode) {
  before_child();
  return ((FILE * (*)(const char *, const char *)) pd_next("popen"))(command, mode);
}
/* A child that shares its parent's memory cannot be told apart from it; as a copy it can. POSIX lets it be one. */
PD_EXPORT pid_t vfork(void) {
  return fork();
}

PD_EXPORT off_t lseek(int fd, off_t offset, int whence) {
  long at = PD_CALL(SYS_lseek, fd, offset, whence, 0, 0, 0);
  return pd_result(at == -ESPIPE && pd_is_handed(fd) ? pd_handed_seek(fd, offset, whence) : at);
}
PD_EXPORT off64_t lseek64(int fd, off64_t offset, int whence) {
  return lseek(fd, offset, whence);
}
