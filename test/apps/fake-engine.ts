/** Engine parts without cryptography, for tests of what the commands do around it: a word says how many frames it came from. */
import { DataError, DecodeError } from '../../src/base/errors.ts';
import type { Offer } from '../../src/compiler/offer.ts';
import type { AnyProgram } from '../../src/compiler/exact/exact-program.ts';
import { loadReferenceKernel } from '../../src/kernel/reference/reference.ts';
import type { PolynomialNetwork } from '../../src/nn/index.ts';
import type { ServerReady } from '../../src/apps/cli/server-process.ts';
import type { EngineParts } from '../../src/apps/cli/parts.ts';
import type { ClearNetworks, Recogniser } from '../../src/apps/speech-client/recogniser.ts';
import type { Terminal } from '../../src/apps/cli/terminal/terminal.ts';
import type { EncryptingClient } from '../../src/apps/speech-client/utterance.ts';
import { listen } from '../../src/apps/server/index.ts';
import { FakeInference, fakeEnrolment, fakeQuery } from './fake-inference.ts';

export const FAKE_MAX_FRAMES = 256;
const WIDTH = 4;

/** Collects what a command prints. */
export class RecordingTerminal implements Terminal {
  output = '';
  errors = '';
  readonly outIsTerminal = false;
  readonly errIsTerminal = false;
  readonly env: NodeJS.ProcessEnv;
  readonly input: Terminal['input'];

  constructor(env: NodeJS.ProcessEnv = {}, input?: Terminal['input']) {
    this.env = env;
    this.input = input;
  }

  out(text: string): void {
    this.output += text;
  }

  err(text: string): void {
    this.errors += text;
  }
}

function fakeRecogniser(task: string): Recogniser {
  return {
    task,
    inputs: WIDTH,
    outputs: WIDTH,
    words: [],
    frameRate: 100,
    spokenPart: (audio) => ({ ...audio, spans: [{ from: 0, to: audio.samples.length }] }),
    inputsOf: ({ samples, rate }) => {
      const frames = Math.floor((samples.length / rate) * 100);
      return { data: new Float32Array(frames * WIDTH), frames };
    },
    decode: (values) => [`F${values.length / WIDTH}`],
    decodeTimed: (values) => [{ word: `F${values.length / WIDTH}`, start: 0, end: values.length / WIDTH }],
    unfamiliarInputs: () => [],
    unfamiliarScores: () => [],
  };
}

function fakeClient(offer: Offer, fill: number): EncryptingClient {
  const sent = new Map<Uint8Array, number>();
  return {
    offer,
    maxSamples: FAKE_MAX_FRAMES,
    query: (_inputs, samples) => {
      const bytes = fakeQuery(samples % 200);
      sent.set(bytes, samples);
      return { bytes };
    },
    queryStream: (_inputs, samples) => {
      const bytes = fakeQuery(samples % 200);
      sent.set(bytes, samples);
      return { bytes, byteLength: bytes.length, pieces: () => [bytes] };
    },
    open: (query, reply) => {
      const samples = sent.get((query as { bytes: Uint8Array }).bytes) ?? 0;
      if (reply[7] !== (samples % 200) + 1) throw new DecodeError('a reply', 'bad magic');
      return new Float32Array(samples * WIDTH);
    },
    enrolment: () => fakeEnrolment(fill),
    exportSecret: () => Uint8Array.of(fill),
    [Symbol.dispose]: () => {},
  };
}

export class FakeEngine implements EngineParts {
  /** Every server that `startServer` or `startService` made. */
  readonly services: FakeInference[] = [];
  created = 0;
  restored = 0;

  async openKernel() {
    return loadReferenceKernel();
  }

  async loadRecogniser(directory: string): Promise<Recogniser> {
    const task = directory.split(/[\\/]/).at(-1) ?? '';
    if (task !== 'digits' && task !== 'sentences') throw new DataError(`${directory} holds no model`);
    return fakeRecogniser(task);
  }

  async loadNetwork(directory: string): Promise<PolynomialNetwork> {
    await this.loadRecogniser(directory);
    return {} as PolynomialNetwork;
  }

  async loadClearNetworks(): Promise<ClearNetworks> {
    const scores = ({ frames }: { frames: number }) => new Float32Array(frames * WIDTH);
    return { polynomial: (inputs) => ({ scores: scores(inputs), leaves: [] }), float: scores };
  }

  async startService(models: readonly ({ name: string } | { program: AnyProgram })[]) {
    const service = new FakeInference(
      models.map((model) => ('program' in model ? model.program.name : model.name)),
    );
    this.services.push(service);
    const kernel = { name: 'fake', isa: 'none', threads: 1 };
    return Object.assign(service, { kernel, [Symbol.asyncDispose]: async () => {} });
  }

  async startServer(args: readonly string[]) {
    const models = args.slice(0, args.indexOf('--models'));
    const service = await this.startService(models.map((name) => ({ name })));
    const server = await listen(service);
    const ready: ServerReady = { ready: true, url: server.url, models, kernel: service.kernel, pid: 1 };
    return { ready, [Symbol.asyncDispose]: () => server.close() };
  }

  parseOffer(value: unknown): Offer {
    const { model } = value as { model: string };
    const buckets = [{ block: FAKE_MAX_FRAMES, interleave: 1 }];
    return {
      ...(value as Offer),
      model,
      paramsId: 'ab'.repeat(32),
      buckets,
      outputRange: [-1, 1],
      params: { logN: 13 } as Offer['params'],
    };
  }

  async createClient(offer: Offer): Promise<EncryptingClient> {
    this.created++;
    return fakeClient(offer, 40 + this.created);
  }

  async restoreClient(offer: Offer, secret: Uint8Array): Promise<EncryptingClient> {
    this.restored++;
    return fakeClient(offer, secret[0] ?? 0);
  }
}
