/** Paths as people type them. Owns the rule that a relative one begins at /sys; what lies there the daemon knows. */
export function absolutePath(path: string): string {
  return path.startsWith('/') ? path : `/sys/${path}`;
}
