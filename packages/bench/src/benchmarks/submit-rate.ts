/** How many submissions a second one client gets through. */
import { type Device, openDevice, Queue, type Submission, type SubmitRequest } from '@pedrera/thunk';
import type { BenchContext, Benchmark, Findings } from '../benchmark.js';
import { compareRates } from '../latency.js';
import { GrpcEcho } from '../references/grpc-echo.js';
import { type FigureInput, figure } from '../report.js';
import { submissionBytes } from '../request-bytes.js';

/** A queue holds 4096 entries and a context 16384 submissions: this many keep the device busy and never find it full. */
const MOST_UNFINISHED = 2048;

/** One message at a time is the echo's pace; what is sent together should leave it far behind. */
const LEAST_OF_ECHO_SERIAL = 0.67;
const LEAST_OF_ECHO_IN_FLIGHT = 3;
const LEAST_A_SECOND_BATCHED = 50_000;
const LEAST_OF_GRPC = 5;
const IN_FLIGHT = 256;
const ECHOES = 256;

interface Way {
  readonly name: string;
  readonly target: NonNullable<FigureInput['target']>;
  /** Submissions until all have to be complete. */
  readonly count: number;
  run(client: Client, count: number): Promise<void>;
}

const window = (inFlight: number) => (client: Client, count: number) => client.window(count, inFlight);
const batches = (size: number) => (client: Client, count: number) => client.batches(count, size);

const WAYS: readonly Way[] = [
  { name: 'one at a time', target: { of: 'ratio', atLeast: LEAST_OF_ECHO_SERIAL }, count: 512, run: window(1) },
  { name: '16 in flight', target: { of: 'ratio', atLeast: LEAST_OF_ECHO_IN_FLIGHT }, count: 4_096, run: window(16) },
  {
    name: `${IN_FLIGHT} in flight`,
    target: { of: 'ratio', atLeast: LEAST_OF_ECHO_IN_FLIGHT },
    count: 4_096,
    run: window(IN_FLIGHT),
  },
  { name: 'batches of 64', target: { of: 'value', atLeast: LEAST_A_SECOND_BATCHED }, count: 8_192, run: batches(64) },
  { name: 'batches of 512', target: { of: 'value', atLeast: LEAST_A_SECOND_BATCHED }, count: 8_192, run: batches(512) },
];

export const submitRate: Benchmark = {
  name: 'submit-rate',
  title: 'Submissions of one NOP a second, from one client',
  run,
};

async function run(context: BenchContext): Promise<Findings> {
  const device = await context.use(openDevice(0, { socketPath: (await context.daemon()).socketPath }));
  const cb = await device.createCommandBuffer();
  cb.nop();
  const client = new Client(device, { queue: Queue.DMA_0_0, cb });
  const bytes = submissionBytes(cb.handle, cb.used);
  const echo = await (await context.echo()).connect(bytes);
  const grpc = await GrpcEcho.start(context);
  const sides = WAYS.map(({ name, count, run }) => ({ name, run: () => run(client, count).then(() => count) }));
  const rates = await compareRates(
    [
      ...sides,
      { name: 'echo', run: () => repeat(() => echo.roundTrip(), { count: ECHOES, inFlight: 1 }) },
      { name: 'gRPC', run: () => repeat(() => grpc.roundTrip(bytes), { count: IN_FLIGHT, inFlight: IN_FLIGHT }) },
    ],
    context.turns,
  );
  const [echoRate = Number.NaN, grpcRate = Number.NaN] = rates.slice(WAYS.length);
  const ratesByName = new Map(WAYS.map(({ name }, i) => [name, rates[i] ?? Number.NaN]));
  const figures = WAYS.map(({ name, target }) =>
    figure({
      name,
      unit: '1/s',
      ours: ratesByName.get(name) ?? Number.NaN,
      reference: { name: 'socket echo, one at a time', value: echoRate },
      target,
    }),
  );
  const sameAsGrpc = `${IN_FLIGHT} in flight`;
  figures.push(
    figure({
      name: sameAsGrpc,
      unit: '1/s',
      ours: ratesByName.get(sameAsGrpc) ?? Number.NaN,
      reference: { name: `gRPC, ${IN_FLIGHT} in flight`, value: grpcRate },
      target: { of: 'ratio', atLeast: LEAST_OF_GRPC },
    }),
  );
  const notes = [
    'Until all are complete on the device, a few thousand each time. Echo and gRPC carry the bytes of one submission there and back.',
  ];
  return { figures, notes };
}

/** `count` calls, `inFlight` of them at any time. Returns how many. */
async function repeat(
  call: () => Promise<unknown>,
  { count, inFlight }: { readonly count: number; readonly inFlight: number },
): Promise<number> {
  let left = count;
  const one = async () => {
    while (left > 0) {
      left -= 1;
      await call();
    }
  };
  await Promise.all(Array.from({ length: inFlight }, one));
  return count;
}

/** Submits without ever having more than MOST_UNFINISHED on the device. */
class Client {
  readonly #device: Device;
  readonly #request: SubmitRequest;

  constructor(device: Device, request: SubmitRequest) {
    this.#device = device;
    this.#request = request;
  }

  /** `inFlight` requests wait for their answer at any time. */
  async window(count: number, inFlight: number): Promise<void> {
    const made: Submission[] = [];
    const one = async () => {
      const old = made[made.length + inFlight - MOST_UNFINISHED];
      if (old !== undefined && !old.peek()) await old.wait();
      made.push(await this.#device.submit(this.#request));
    };
    await repeat(one, { count, inFlight });
    await made.at(-1)?.wait();
  }

  async batches(count: number, size: number): Promise<void> {
    const requests = new Array<SubmitRequest>(Math.min(count, size)).fill(this.#request);
    const lasts: (Submission | undefined)[] = [];
    for (let done = 0; done < count; done += requests.length) {
      await lasts.at(-Math.floor(MOST_UNFINISHED / size))?.wait();
      lasts.push((await this.#device.submitBatch(requests)).at(-1));
    }
    await lasts.at(-1)?.wait();
  }
}
