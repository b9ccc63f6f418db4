/** Asking until it is so. For what the daemon does in its own time after a client is gone; no test is decided by how long it takes. */

/** Far more than anything takes; reached only when something is broken. */
const PATIENCE_MS = 20_000;
/** Between two questions, so that the daemon is not kept busy with answering them. */
const PAUSE_MS = 2;

/** Calls `ask` until it returns ''; what it returned last is what was still wrong. */
export async function untilNothing(ask: () => Promise<string>): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const wrong = await ask();
    if (wrong === '') {
      return;
    }
    if (Date.now() >= end) {
      throw new Error(wrong);
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
