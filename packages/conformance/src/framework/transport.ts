/**
 * What a test stands on: something that carries messages to a kernel and back, and says how time goes there.
 *
 * Owns: nothing; the implementations are in-process.ts, sockets.ts and relay/shim.ts. Must not know what a message means.
 */
export const MODES = ['in-process', 'sockets', 'shim'] as const;
export type Mode = (typeof MODES)[number];
/** A message is a call of the table, or a command with an arg block. */
export type Spelling = 'typed' | 'raw';
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
  exchange(message: unknown[], spelling?: Spelling): Promise<readonly unknown[]>;
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
  /** For looking at the kernel from outside: not a program that is tested. */
  observe(): Promise<Link>;
  /** Waits for a promise, and lets the kernel work and its time pass until it is settled. */
  finish<T>(promise: Promise<T>): Promise<T>;
  /** Asks again and again until `ask` gives something; lets the kernel work in between. Fails after long enough, with `what`. */
  until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T>;
  /** Lets this much of the kernel's time pass. */
  pass(ns: number): Promise<void>;
  /** What the kernel's log says of bugs of its own since the last question. */
  complaints(): string[];
  /** A signal for whoever waits in a call. */
  interrupt(): Promise<void>;
  /** The test is over, its files are closed: whatever served them has to go. */
  rest(): Promise<void>;
  close(): Promise<void>;
}
