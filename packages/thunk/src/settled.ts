/** Calls made side by side: all are awaited, then the first error counts. Knows nothing of the calls. */

export async function allSettled(calls: readonly (Promise<unknown> | undefined)[]): Promise<void> {
  for (const result of await Promise.allSettled(calls)) if (result.status === 'rejected') throw result.reason;
}
