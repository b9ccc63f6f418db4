/** What the benchmark and the process with the idle clients say to each other. */

/** To the process: so many clients in all from now on. */
export interface CrowdRequest {
  readonly clients: number;
}

/** From it: they are there. */
export interface CrowdReply {
  /** Nanoseconds for the new ones, or until the last one was gone. */
  readonly tookNs: number;
}

/** Whom the clients connect to: a daemon, in which each opens a device, or an echo server, to which each says as much. */
export type CrowdKind = 'daemon' | 'echo';
