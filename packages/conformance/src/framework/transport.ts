/**
 * What a test stands on: something that carries messages to a kernel and back, and says how time goes there.
 *
 * Owns: nothing; the two implementations are in-process.ts and sockets.ts. Must not know what a message means.
 */
export type Mode = 'in-process' | 'sockets';
export type PolicyName = 'exclusive' | 'shared';

/** What kernel a test needs. Tests with equal needs may be given the same one, one after the other. */
export interface KernelNeeds {
  readonly policy: PolicyName;
  readonly devices: number;
  /** Collective submissions need NIC ports, which upstream never enables (uapi.md 4.10). */
  readonly nics: boolean;
  /** Module parameter reset_on_lockup (4.7). */
  readonly resetOnLockup: boolean;
}

/** One connection. */
export interface Link {
  readonly closed: boolean;
  /** Answer to a message; rejects when the connection ends first. */
  exchange(message: unknown[]): Promise<readonly unknown[]>;
  /** Maps a segment whose descriptor has arrived, once. Preconditions: attachSide() was called. */
  segment(id: number, size: number): Uint8Array;
  /** A descriptor that arrived by itself, with this tag; the caller's to close. Over sockets only. */
  descriptor(tag: number): number;
  /** The connection on which descriptors arrive. */
  attachSide(token: Uint8Array): Promise<void>;
  /** close(2) of the file. */
  close(): Promise<void>;
}

export interface Transport {
  readonly mode: Mode;
  readonly needs: KernelNeeds;
  connect(): Promise<Link>;
  /** Waits for a promise, and lets the kernel work and its time pass until it is settled. */
  finish<T>(promise: Promise<T>): Promise<T>;
  /** Asks again and again until `ask` gives something; lets the kernel work in between. Fails after long enough, with `what`. */
  until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T>;
  /** Lets this much of the kernel's time pass. */
  pass(ns: number): Promise<void>;
  /** What the kernel's log says of bugs of its own since the last question. */
  complaints(): string[];
  close(): Promise<void>;
}
