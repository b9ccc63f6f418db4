/**
 * One connection, which is one open file of a device node once it has said OPEN.
 *
 * Owns: the order of the conversation (HELLO, then OPEN, then ioctls), the side channel that carries descriptors, what
 * is done at end-of-file. Must not know what any ioctl means: dispatch finds that in the table.
 */
import { errno } from '@pedrera/base';
import { FIRST_FOREIGN_TAG } from '@pedrera/uapi';
import type { Connection, PeerCredentials } from '@pedrera/wire';
import type { Logger } from 'pino';
import type { Segment } from '../core/host-memory.js';
import type { Machine } from '../core/machine.js';
import type { OpenFile } from '../core/open-file.js';
import type { ImporterFile } from '../core/rdma/importer-file.js';
import type { SessionTable } from './session-table.js';

export class Session {
  readonly id: number;
  readonly connection: Connection;
  readonly peer: PeerCredentials;
  readonly machine: Machine;
  readonly table: SessionTable;
  readonly connectedNs: number;
  log: Logger;
  /** What the client calls itself; for people only, never trusted. */
  program = '';
  /** HELLO was answered. */
  greeted = false;
  file: OpenFile | undefined;
  /** In place of it, when the node is that of a network card. */
  importer: ImporterFile | undefined;
  /** The node the file was opened as. */
  nodeName = '';
  /** The connection is closed. */
  ended = false;
  /** Requests that arrived. */
  requests = 0;
  /** Requests whose answer is still to come. */
  pending = 0;
  /** This connection only carries descriptors for another one. */
  carriesFor: Session | undefined;
  sideToken: string | undefined;
  #side: Session | undefined;
  readonly #sentSegments = new Set<number>();
  #nextTag = FIRST_FOREIGN_TAG;

  constructor(id: number, connection: Connection, table: SessionTable) {
    this.id = id;
    this.connection = connection;
    this.table = table;
    this.machine = table.machine;
    this.peer = connection.peer();
    this.connectedNs = table.machine.clock.nowNs();
    this.log = table.log.child({ client: id, pid: this.peer.pid });
  }

  /** The open file; calls that need one are refused before by dispatch. */
  get openFile(): OpenFile {
    if (this.file === undefined) {
      throw errno('ENOTTY', 'no device node is open on this connection');
    }
    return this.file;
  }

  /** The open file of a network card's node. */
  get importerFile(): ImporterFile {
    if (this.importer === undefined) {
      throw errno('ENOTTY', 'no importer node is open on this connection');
    }
    return this.importer;
  }

  /** Whichever file holds this connection's descriptors. */
  get holder(): OpenFile | ImporterFile {
    return this.importer ?? this.openFile;
  }

  attachSide(side: Session): void {
    if (this.#side !== undefined) {
      throw errno('EINVAL', 'this file has a side channel already');
    }
    this.#side = side;
    side.carriesFor = this;
  }

  /** Gives the client the segment's descriptor, once; it arrives before the reply that names it. */
  sendSegment(segment: Segment): void {
    if (this.#sentSegments.has(segment.id)) {
      return;
    }
    this.#openSide().connection.sendDescriptor(segment.id, segment.memory.fd);
    this.#sentSegments.add(segment.id);
  }

  /** Gives the client a duplicate of any descriptor; the tag it arrives with. */
  sendTagged(fd: number): number {
    const tag = this.#nextTag;
    this.#openSide().connection.sendDescriptor(tag, fd);
    this.#nextTag = tag === 0xffff_ffff ? FIRST_FOREIGN_TAG : tag + 1;
    return tag;
  }

  #openSide(): Session {
    if (this.#side === undefined) {
      throw errno('ENOTCONN', 'descriptors travel on the side channel; open it first (SIDE_CHANNEL)');
    }
    return this.#side;
  }

  /** The connection is gone: release() of the file. */
  async end(): Promise<void> {
    this.ended = true;
    if (this.carriesFor !== undefined) {
      this.carriesFor.#side = undefined;
      this.carriesFor = undefined;
      return;
    }
    try {
      this.importer?.release();
      await this.file?.release();
    } catch (error) {
      this.log.error({ err: error }, 'release failed');
    }
    // Its end tells the client that close(2) can return: all is released (uapi.md 1.7).
    this.#side?.connection.destroy();
  }
}
