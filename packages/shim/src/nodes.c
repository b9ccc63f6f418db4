/* Which paths are device nodes, by all their names (uapi.md 1.1, device.md 10.2). Must not know: what a node is good for. */
#include "shim.h"

#include <stdio.h>
#include <string.h>

#define CLASS_MAJOR 511
#define MISC_MAJOR 10
/* Of the importer nodes, behind those that Linux gives out. */
#define IMPORTER_MINOR 240
#define MOST_DEVICES 128

/* A place, and what its devices are called there and by the daemon. */
static const struct {
  const char *directory, *prefix, *name;
  uint32_t major, first, step;
} kinds[] = {
    {"", "hl", "hl", CLASS_MAJOR, 0, 2},
    {"", "hl_controlD", "hl_controlD", CLASS_MAJOR, 1, 2},
    {"accel/", "accel", "accel", CLASS_MAJOR, 0, 2},
    {"accel/", "accel_controlD", "accel_controlD", CLASS_MAJOR, 1, 2},
};
#define KINDS (sizeof kinds / sizeof *kinds)

static int number_after(const char *text) {
  int value = 0;
  if (*text == '\0' || (*text == '0' && text[1] != '\0')) {
    return -1;
  }
  for (; *text != '\0'; text++) {
    if (*text < '0' || *text > '9' || value >= MOST_DEVICES) {
      return -1;
    }
    value = 10 * value + (*text - '0');
  }
  return value < MOST_DEVICES ? value : -1;
}

static bool found(struct pd_node *node, const char *name, int index, uint32_t major, uint32_t minor) {
  *node = (struct pd_node){.major = major, .minor = minor};
  snprintf(node->name, sizeof node->name, index < 0 ? "%s" : "%s%d", name, index);
  return true;
}

/* `hli`, and `hli<n>` where the machine has more network cards than one. */
static bool importer(const char *name, struct pd_node *node) {
  int index = strcmp(name, "hli") == 0 ? 0 : strncmp(name, "hli", 3) == 0 ? number_after(name + 3) : -1;
  return index >= 0 && found(node, name, -1, MISC_MAJOR, IMPORTER_MINOR + (uint32_t)index);
}

bool pd_node_named(const char *name, struct pd_node *node) {
  for (size_t i = 0; i < KINDS; i++) {
    size_t size = strlen(kinds[i].name);
    int index = strncmp(name, kinds[i].name, size) == 0 ? number_after(name + size) : -1;
    if (index >= 0) {
      return found(node, kinds[i].name, index, kinds[i].major, kinds[i].first + kinds[i].step * (uint32_t)index);
    }
  }
  return importer(name, node);
}

static const char *behind_slashes(const char *path) {
  while (*path == '/') {
    path++;
  }
  return path;
}

bool pd_node_of(const char *path, struct pd_node *node) {
  if (*path != '/' || strncmp(path = behind_slashes(path), "dev/", 4) != 0) {
    return false;
  }
  path = behind_slashes(path + 4);
  bool accel = strncmp(path, "accel/", 6) == 0;
  if (accel) {
    path = behind_slashes(path + 6);
  }
  /* The names of the one place are none in the other. */
  return strchr(path, '/') == NULL && (strncmp(path, "accel", 5) == 0) == accel && pd_node_named(path, node);
}

/* Whether there is such a device; sysfs knows. Of the importers only opening tells. */
bool pd_node_exists(const struct pd_node *node) {
  char path[128], tidy[256];
  struct pd_node_info info;
  if (node->major == MISC_MAJOR) {
    int fd = pd_open_node(node, 0);
    if (fd < 0) {
      return false;
    }
    struct pd_file *file = pd_get_file(fd);
    if (file != NULL) {
      pd_close_file(file, fd);
    }
    return true;
  }
  const char *class = strncmp(node->name, "accel", 5) == 0 ? "accel" : "habanalabs";
  snprintf(path, sizeof path, "/sys/class/%s/%s", class, node->name);
  return pd_virtual(path, true, tidy, &info) == PD_DIRECTORY;
}
