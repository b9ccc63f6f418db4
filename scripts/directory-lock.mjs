/**
 * A lock between processes that share a file system: a directory, because mkdir either makes it or fails. Its owner is
 * written inside, so that the lock of a process that died can be taken over.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** A lock directory may be without its owner file for this long: its owner is between mkdir and write. */
const OWNERLESS_GRACE_MS = 5_000;
const POLL_MS = 100;

/**
 * Identifies a process beyond the reuse of its number, where /proc tells when it started.
 *
 * @param {number} pid
 * @returns {string | null} null when there is no such process
 */
export function processIdentity(pid) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it exists, and is somebody else's.
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ESRCH') return null;
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses and may hold anything; the 22nd is the start time.
    return `${pid} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
  } catch {
    return `${pid}`;
  }
}

/** @param {string} dir */
function readOwner(dir) {
  try {
    return readFileSync(path.join(dir, 'owner'), 'utf8');
  } catch {
    return null;
  }
}

/** @param {string} dir @returns {boolean} */
function tryAcquire(dir) {
  try {
    mkdirSync(dir);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EEXIST') return false;
    throw error;
  }
  writeFileSync(path.join(dir, 'owner'), processIdentity(process.pid) ?? `${process.pid}`);
  return true;
}

/**
 * Renames the dead owner's lock away, so that of several waiting processes one removes it. Whoever finds that it moved
 * a lock taken in the meantime puts it back.
 *
 * @param {string} dir
 * @param {string | null} deadOwner
 */
function removeStale(dir, deadOwner) {
  const aside = `${dir}.stale-${process.pid}`;
  try {
    renameSync(dir, aside);
  } catch {
    return;
  }
  if (readOwner(aside) === deadOwner) rmSync(aside, { recursive: true, force: true });
  else renameSync(aside, dir);
}

/**
 * @param {string} dir the lock; its parent is created
 * @param {{ onWait?: (owner: string) => void }} [options] onWait is called once, when the lock is another's
 * @returns {Promise<() => void>} releases the lock
 */
export async function acquireLock(dir, { onWait } = {}) {
  mkdirSync(path.dirname(dir), { recursive: true });
  let told = false;
  let ownerlessSince = 0;
  while (!tryAcquire(dir)) {
    const owner = readOwner(dir);
    if (owner === null) {
      ownerlessSince ||= Date.now();
      if (Date.now() - ownerlessSince > OWNERLESS_GRACE_MS) removeStale(dir, null);
    } else {
      ownerlessSince = 0;
      const pid = Number.parseInt(owner, 10);
      if (processIdentity(pid) !== owner) {
        removeStale(dir, owner);
        continue;
      }
      if (!told) {
        told = true;
        onWait?.(`process ${pid}`);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return () => rmSync(dir, { recursive: true, force: true });
}
