/**
 * One connection, which is one open file of a device node once it has said OPEN.
 *
 * Owns: the order of the conversation (HELLO, then OPEN, then ioctls), the side channel that carries descriptors, what
 * is done at end-of-file. Must not know what any ioctl means: dispatch finds that in the table.
 */
import { errno } from '@pedrera/base';
import { FIRST_FOREIGN_TAG, MAX_JOINED } from '@pedrera/uapi';
import type { Connection, PeerCredentials } from '@pedrera/wire';
import type { Logger } from 'pino';
import { Caller } from '../core/caller.js';
import type { DescriptorTable } from '../core/dma-buf/descriptor-table.js';
import type { Segment } from '../core/host-memory.js';
import type { SnapshotPages } from '../core/inspect/moment.js';
import { leftInFile, leftInImporter } from '../core/left-behind.js';
import type { Machine } from '../core/machine.js';
import type { OpenFile } from '../core/open-file.js';
import type { ImporterFile } from '../core/rdma/importer-file.js';
import type { PendingCall } from './client-books.js';
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
  /** It was told once that it passes indices for commands. */
  advised = false;
  /** Requests that arrived. */
  requests = 0;
  /** Requests whose answer is still to come. */
  readonly calls = new Set<PendingCall>();
  readonly caller: Caller;
  /** What is left to tell of the snapshot it took last. */
  snapshot: SnapshotPages | undefined;
  /** This connection only carries descriptors for another one. */
  carriesFor: Session | undefined;
  readonly sideTokens: string[] = [];
  /** By the number of the process it leads to: 0 opened the file, others have joined. Absent until it is connected. */
  readonly #sides = new Map<number, Session | undefined>();
  /** Segments of which the descriptor went this way already. */
  readonly #sentSegments = new Set<number>();
  #process = 0;
  #nextTag = FIRST_FOREIGN_TAG;

  constructor(id: number, connection: Connection, table: SessionTable) {
    this.id = id;
    this.connection = connection;
    this.table = table;
    this.machine = table.machine;
    this.peer = connection.peer();
    this.caller = new Caller(table.machine.clock);
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

  /** Of whichever file this connection is. */
  get descriptors(): DescriptorTable {
    return this.#anyFile.descriptors;
  }

  /** Called when the file closes while a wait runs. */
  get abandonWaits(): Set<() => void> {
    return this.#anyFile.abandonWaits;
  }

  get #anyFile(): OpenFile | ImporterFile {
    return this.importer ?? this.openFile;
  }

  /** Whose call is being handled: the process that opened the file, or one that has joined it. As long as the handler does not wait. */
  get callerPid(): number {
    return (this.#process === 0 ? this : (this.#sides.get(this.#process) ?? this)).peer.pid;
  }

  /** `process` is what a request says of its origin; whatever is no number of a process that has joined is who opened the file. */
  callFrom(process: unknown): void {
    this.#process = typeof process === 'number' && this.#sides.has(process) ? process : 0;
  }

  /** A number for one more process. Errors: EMFILE. */
  join(): number {
    let number = 1;
    while (this.#sides.has(number)) {
      number++;
    }
    if (number > MAX_JOINED) {
      throw errno('EMFILE', `${MAX_JOINED} processes have joined this file already`);
    }
    this.#sides.set(number, undefined);
    return number;
  }

  attachSide(side: Session, process: number): void {
    if (this.#sides.get(process) !== undefined) {
      throw errno('EINVAL', 'this file has a side channel already');
    }
    this.#sides.set(process, side);
    side.carriesFor = this;
  }

  /** Gives the caller the segment's descriptor, once; it arrives before the reply that names it. */
  sendSegment(segment: Segment): void {
    const side = this.#openSide();
    if (side.#sentSegments.has(segment.id)) {
      return;
    }
    side.connection.sendDescriptor(segment.id, segment.memory.fd);
    side.#sentSegments.add(segment.id);
  }

  /** Gives the caller a duplicate of any descriptor; the tag it arrives with. */
  sendTagged(fd: number): number {
    const tag = this.#nextTag;
    this.#openSide().connection.sendDescriptor(tag, fd);
    this.#nextTag = tag === 0xffff_ffff ? FIRST_FOREIGN_TAG : tag + 1;
    return tag;
  }

  #openSide(): Session {
    const side = this.#sides.get(this.#process);
    if (side === undefined) {
      throw errno('ENOTCONN', 'descriptors travel on the side channel; open it first (SIDE_CHANNEL)');
    }
    return side;
  }

  /** An event about this client. */
  tell(severity: 'info' | 'warning', text: string): void {
    const { peer, program, file, machine } = this;
    const who = program === '' ? text : `${program} ${text}`;
    const about = { device: file?.device.index, asid: file?.context?.asid, pid: peer.pid };
    machine.eventLog.add({ kind: 'client', severity, text: who, ...about });
  }

  /** The connection is gone: release() of the file. */
  async end(): Promise<void> {
    this.ended = true;
    this.snapshot = undefined;
    if (this.carriesFor !== undefined) {
      this.carriesFor.#sideEnded(this);
      this.carriesFor = undefined;
      return;
    }
    if (this.file !== undefined || this.importer !== undefined) {
      const left =
        this.calls.size === 0 ? '' : ` with ${this.calls.size} ${this.calls.size === 1 ? 'call' : 'calls'} unanswered`;
      this.tell(left === '' ? 'info' : 'warning', `closed ${this.nodeName}${left}`);
    }
    this.#countLeft();
    try {
      this.importer?.release();
      await this.file?.release();
    } catch (error) {
      this.log.error({ err: error }, 'release failed');
    }
    // Its end tells the client that close(2) can return: all is released (uapi.md 1.7).
    for (const side of this.#sides.values()) {
      side?.connection.destroy();
    }
  }

  /** A file that a reset revoked was emptied by that. */
  #countLeft(): void {
    if (this.importer !== undefined) {
      this.table.countLeft(leftInImporter(this.importer));
    } else if (this.file !== undefined && !this.file.released) {
      this.table.countLeft(leftInFile(this.file));
    }
  }

  /** A process that joined is gone with its side connection; its number is free, and its token with it. */
  #sideEnded(gone: Session): void {
    for (const [process, side] of this.#sides) {
      if (side === gone) {
        this.#sides.delete(process);
        this.table.forgetJoined(this, process);
      }
    }
  }
}
