/**
 * What the demo tells while it happens. Only sentences; who acts and when is the conductor's business.
 */
import { DCORE_NAMES } from '@pedrera/hw';
import type { Context } from '../command.js';
import { wrap } from '../text/table.js';
import { formatHex, formatSize, plural } from '../text/units.js';
import type { HandedIn } from './calls.js';
import type { Plan } from './plan.js';

interface Actor {
  readonly name: string;
  readonly pid: number;
}

export class Story {
  readonly #say: (text: string) => void;
  readonly #width: number;
  readonly #nameWidth: number;

  /** `names`: of everybody who will act. */
  constructor({ output, style }: Context, names: readonly string[]) {
    this.#say = (text) => output.say(text);
    this.#width = style.width;
    this.#nameWidth = Math.max(...names.map((name) => name.length));
  }

  title(file: string, plan: Plan, devices: number): void {
    const chunks = `${plural(plan.chunks, 'chunk')} of ${formatSize(plan.chunkBytes)}`;
    this.#say(`${file}: ${formatSize(plan.sizeBytes)}, in ${chunks}, over ${plural(devices, 'device')}\n`);
  }

  daemon(actor: Actor, devices: number, socketPath: string): void {
    this.#act(actor, [`${plural(devices, 'simulated device')}, policy shared, on ${socketPath}`]);
  }

  loader(actor: Actor, plan: Plan, signalAddress: number): void {
    this.#act(actor, [
      `device 0: allocated ${formatSize(plan.sizeBytes)} of HBM and exported it as a dma-buf`,
      `imported a sync object of device 1, which its stream reaches at ${formatHex(signalAddress)}`,
    ]);
  }

  relay(actor: Actor, place: HandedIn & { device: number; plan: Plan }): void {
    const { device, queue, plan } = place;
    const sob = sobOf(place);
    this.#act(actor, [
      `device ${device}: imported the HBM of device ${device - 1}; exported its own HBM, and ${sob} to count chunks in`,
      `handed in ${plural(plan.submissions, 'submission')} on ${queue}: the copy of chunk k waits in the stream until ${sob} >= k`,
    ]);
  }

  reader(actor: Actor, place: HandedIn & { device: number }): void {
    const { device, queue } = place;
    const sob = sobOf(place);
    this.#act(actor, [
      `device ${device}: imported the HBM of the relay there; exported ${sob} to count chunks in`,
      `handed in the first reads on ${queue}: the read of chunk k waits in the stream until ${sob} >= k`,
    ]);
  }

  blocked(table: string, relays: number): void {
    const who = relays === 1 ? 'The relay and the reader' : 'The relays and the reader';
    this.#say(
      `\nNo byte of the file has been sent yet. ${who} are blocked, and by this:\n$ pedrera queues\n${table}\n`,
    );
  }

  #act({ name, pid }: Actor, sentences: readonly string[]): void {
    const head = `${name.padEnd(this.#nameWidth)}  pid ${pid}  `;
    const rest = ' '.repeat(head.length);
    sentences.forEach((sentence, i) => {
      const indent = { first: i === 0 ? head : rest, rest: `${rest}  ` };
      for (const line of wrap(sentence.split(' '), this.#width, indent)) this.#say(line);
    });
  }
}

function sobOf({ lease }: HandedIn): string {
  return `SOB ${DCORE_NAMES[lease.dcore]} ${lease.syncObject}`;
}
