/* Functions of libc that look at paths without opening them: the stat families, access, readlink. */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void as_device(struct stat *st, const struct pd_node *node) {
  st->st_mode = S_IFCHR | 0600;
  st->st_rdev = makedev(node->major, node->minor);
  st->st_size = 0;
}

static long stat_descriptor(int fd, struct stat *st) {
  long result = pd_fstat(fd, st);
  char path[256], tidy[256];
  struct pd_node_info info;
  if (result != 0) {
    return result;
  }
  if (S_ISSOCK(st->st_mode)) {
    struct pd_file *file = pd_get_file(fd);
    if (file != NULL) {
      as_device(st, &file->node);
      pd_put_file(file);
    }
  } else if (pd_virtual_path(fd, path) && pd_virtual(path, true, tidy, &info) != PD_NOTHING) {
    pd_virtual_stat(&info, st);
  }
  return 0;
}

/* 1 if the path is answered here. */
static bool stat_ours(int directory, const char *path, bool follow, struct stat *st) {
  char tidy[256], joined[512];
  struct pd_node node;
  struct pd_node_info info;
  path = pd_absolute(directory, path, joined);
  if (path == NULL) {
    return false;
  }
  if (pd_node_of(path, &node)) {
    if (!pd_node_exists(&node)) {
      return false;
    }
    memset(st, 0, sizeof *st);
    st->st_nlink = 1;
    st->st_blksize = 4096;
    as_device(st, &node);
    return true;
  }
  enum pd_what what = pd_virtual(path, follow, tidy, &info);
  if (what == PD_NOTHING || (what == PD_FILE && path[strlen(path) - 1] == '/')) {
    return false;
  }
  pd_virtual_stat(&info, st);
  return true;
}

static long stat_at(int directory, const char *path, struct stat *st, int flags) {
  if ((flags & AT_EMPTY_PATH) != 0 && path != NULL && *path == '\0' && directory >= 0) {
    return stat_descriptor(directory, st);
  }
  if (stat_ours(directory, path, (flags & AT_SYMLINK_NOFOLLOW) == 0, st)) {
    return 0;
  }
  long missing = pd_missing(directory, path);
  return missing != 0 ? missing : PD_CALL(SYS_newfstatat, directory, path, st, flags, 0, 0);
}

/* On 64-bit machines the two structs are one. */
#define ALIAS64(st) ((struct stat *)(void *)(st))

PD_EXPORT int fstat(int fd, struct stat *st) {
  return (int)pd_result(stat_descriptor(fd, st));
}
PD_EXPORT int fstat64(int fd, struct stat64 *st) {
  return (int)pd_result(stat_descriptor(fd, ALIAS64(st)));
}
PD_EXPORT int __fxstat(int version, int fd, struct stat *st) {
  return (int)pd_result(stat_descriptor(fd, st));
}
PD_EXPORT int __fxstat64(int version, int fd, struct stat64 *st) {
  return (int)pd_result(stat_descriptor(fd, ALIAS64(st)));
}
PD_EXPORT int stat(const char *path, struct stat *st) {
  return (int)pd_result(stat_at(AT_FDCWD, path, st, 0));
}
PD_EXPORT int stat64(const char *path, struct stat64 *st) {
  return (int)pd_result(stat_at(AT_FDCWD, path, ALIAS64(st), 0));
}
PD_EXPORT int __xstat(int version, const char *path, struct stat *st) {
  return (int)pd_result(stat_at(AT_FDCWD, path, st, 0));
}
PD_EXPORT int __xstat64(int version, const char *path, struct stat64 *st) {
  return (int)pd_result(stat_at(AT_FDCWD, path, ALIAS64(st), 0));
}
PD_EXPORT int lstat(const char *path, struct stat *st) {
  return (int)pd_result(stat_at(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW));
}
PD_EXPORT int lstat64(const char *path, struct stat64 *st) {
  return (int)pd_result(stat_at(AT_FDCWD, path, ALIAS64(st), AT_SYMLINK_NOFOLLOW));
}
PD_EXPORT int __lxstat(int version, const char *path, struct stat *st) {
  return (int)pd_result(stat_at(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW));
}
PD_EXPORT int __lxstat64(int version, const char *path, struct stat64 *st) {
  return (int)pd_result(stat_at(AT_FDCWD, path, ALIAS64(st), AT_SYMLINK_NOFOLLOW));
}
PD_EXPORT int fstatat(int directory, const char *path, struct stat *st, int flags) {
  return (int)pd_result(stat_at(directory, path, st, flags));
}
PD_EXPORT int fstatat64(int directory, const char *path, struct stat64 *st, int flags) {
  return (int)pd_result(stat_at(directory, path, ALIAS64(st), flags));
}
PD_EXPORT int __fxstatat(int version, int directory, const char *path, struct stat *st, int flags) {
  return (int)pd_result(stat_at(directory, path, st, flags));
}
PD_EXPORT int __fxstatat64(int version, int directory, const char *path, struct stat64 *st, int flags) {
  return (int)pd_result(stat_at(directory, path, ALIAS64(st), flags));
}

/* coreutils ask this way. Only what struct stat has is told; the mask says so. */
PD_EXPORT int statx(int directory, const char *path, int flags, unsigned mask, struct statx *to) {
  struct stat st;
  bool empty = (flags & AT_EMPTY_PATH) != 0 && path != NULL && *path == '\0';
  struct pd_file *file = empty ? pd_get_file(directory) : NULL;
  bool found = file != NULL ? stat_descriptor(directory, &st) == 0
                            : !empty && stat_ours(directory, path, (flags & AT_SYMLINK_NOFOLLOW) == 0, &st);
  if (file != NULL) {
    pd_put_file(file);
  }
  long missing = found || empty ? 0 : pd_missing(directory, path);
  if (missing != 0) {
    return (int)pd_result(missing);
  }
  if (!found) {
    return (int)pd_result(PD_CALL(SYS_statx, directory, path, flags, mask, to, 0));
  }
  memset(to, 0, sizeof *to);
  to->stx_mask = STATX_TYPE | STATX_MODE | STATX_NLINK | STATX_SIZE;
  to->stx_mode = (uint16_t)st.st_mode;
  to->stx_nlink = (uint32_t)st.st_nlink;
  to->stx_size = (uint64_t)st.st_size;
  to->stx_blksize = (uint32_t)st.st_blksize;
  to->stx_rdev_major = major(st.st_rdev);
  to->stx_rdev_minor = minor(st.st_rdev);
  return 0;
}

static long access_at(int directory, const char *path, int mode, int flags) {
  if (pd_hidden(path)) {
    return -EACCES;
  }
  struct stat st;
  if (!stat_ours(directory, path, true, &st)) {
    long missing = pd_missing(directory, path);
    if (missing != 0) {
      return missing;
    }
    return flags == 0 ? PD_CALL(SYS_faccessat, directory, path, mode, 0, 0, 0) : PD_CALL(SYS_faccessat2, directory, path, mode, flags, 0, 0);
  }
  bool refused = ((mode & R_OK) != 0 && (st.st_mode & 0444) == 0) || ((mode & W_OK) != 0 && (st.st_mode & 0222) == 0) ||
                 ((mode & X_OK) != 0 && (st.st_mode & 0111) == 0);
  return refused ? -EACCES : 0;
}

PD_EXPORT int access(const char *path, int mode) {
  return (int)pd_result(access_at(AT_FDCWD, path, mode, 0));
}
PD_EXPORT int euidaccess(const char *path, int mode) {
  return (int)pd_result(access_at(AT_FDCWD, path, mode, AT_EACCESS));
}
PD_EXPORT int eaccess(const char *path, int mode) {
  return (int)pd_result(access_at(AT_FDCWD, path, mode, AT_EACCESS));
}
PD_EXPORT int faccessat(int directory, const char *path, int mode, int flags) {
  return (int)pd_result(access_at(directory, path, mode, flags));
}

static long readlink_at(int directory, const char *path, char *to, size_t size) {
  char tidy[256], joined[512];
  struct pd_node_info info;
  const char *absolute = pd_absolute(directory, path, joined);
  enum pd_what what = absolute == NULL ? PD_NOTHING : pd_virtual(absolute, false, tidy, &info);
  long missing = what == PD_NOTHING ? pd_missing(directory, path) : 0;
  if (missing != 0) {
    return missing;
  }
  if (what == PD_NOTHING) {
    return PD_CALL(SYS_readlinkat, directory, path, to, size, 0, 0);
  }
  if (what == PD_FILE && absolute[strlen(absolute) - 1] == '/') {
    return -ENOTDIR;
  }
  if (what != PD_LINK || size == 0) {
    return -EINVAL;
  }
  size_t length = strlen(info.target);
  length = length < size ? length : size;
  memcpy(to, info.target, length);
  return (long)length;
}

PD_EXPORT ssize_t readlink(const char *path, char *to, size_t size) {
  return pd_result(readlink_at(AT_FDCWD, path, to, size));
}
PD_EXPORT ssize_t readlinkat(int directory, const char *path, char *to, size_t size) {
  return pd_result(readlink_at(directory, path, to, size));
}
