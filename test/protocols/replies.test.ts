/**
 * Replies are a function of the query and of a secret of the server, and hide how scores came about: who knows two candidates for the weights cannot
 * tell which one answered. Faults are planted where the mask is put on.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { DisposedError, DivergentReplyError, ProtocolError } from '../../src/base/errors.ts';
import { compile } from '../../src/compiler/compile.ts';
import { compileExact } from '../../src/compiler/exact/compile-exact.ts';
import type { AnyProgram } from '../../src/compiler/exact/exact-program.ts';
import type { Kernel, KernelOptions } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { PolynomialNetwork } from '../../src/nn/polynomial/polynomial-network.ts';
import { InferenceClient } from '../../src/protocols/inference/client.ts';
import { readQuery, readReply, writeQuery } from '../../src/protocols/inference/messages.ts';
import { modelName, tenantId } from '../../src/protocols/inference/names.ts';
import { InferenceResponder } from '../../src/protocols/inference/responder.ts';
import { ReplySecret, type ReplySubject } from '../../src/protocols/inference/reply-secret.ts';
import { CiphertextBatch } from '../../src/schemes/ckks/ciphertext.ts';
import { CkksContext } from '../../src/schemes/ckks/context.ts';
import { CkksParams } from '../../src/schemes/ckks/params.ts';
import { randomInputs, randomNetwork } from './random-network.ts';

const NET = modelName('net');
const SOMEONE = tenantId('someone');
const ANOTHER = tenantId('another');
const SECRET = new Uint8Array(32).fill(7);

/** What a planted fault does to a reply in place of masking it. */
const fault = vi.hoisted(() => ({ kind: 'none' as 'none' | 'no mask' | 'first part only' | 'one word' }));
vi.mock('../../src/schemes/rlwe/reply-mask.ts', async (original) => {
  const real = await original<typeof import('../../src/schemes/rlwe/reply-mask.ts')>();
  return {
    maskReply: (...args: Parameters<typeof real.maskReply>) => {
      const [result] = args;
      if (fault.kind === 'no mask') return;
      const seconds = Array.from({ length: result.count }, (_, i) => result.part(i, 1).words.u64().slice());
      real.maskReply(...args);
      if (fault.kind === 'first part only')
        seconds.forEach((words, i) => {
          result.part(i, 1).words.u64().set(words);
        });
    },
  };
});
vi.mock('../../src/runtime/encrypted-machine.ts', async (original) => {
  const real = await original<typeof import('../../src/runtime/encrypted-machine.ts')>();
  return {
    EncryptedMachine: class extends real.EncryptedMachine {
      override evaluate(...args: Parameters<InstanceType<typeof real.EncryptedMachine>['evaluate']>) {
        const result = super.evaluate(...args);
        // A cell of memory that does not keep its bit.
        if (fault.kind === 'one word') result.words.u64()[1234]! ^= 1n;
        return result;
      }
    },
  };
});

let kernel: Kernel;
beforeAll(async () => {
  kernel = await openKernel();
});
afterEach(() => {
  fault.kind = 'none';
});
afterAll(() => {
  expect(kernel.liveWords).toBe(0);
  kernel[Symbol.dispose]();
});

const network = randomNetwork([5, 4, 3], 4, 5);
const approximate = compile(network, { name: 'net' });
const traced = compile(network, { name: 'net', layout: 'packed' });
const whole = compile(network, { name: 'net', layout: 'packed', reply: 'whole' });
const standard = compile(network, { name: 'net', layout: 'packed', keys: 'standard' });
const exact = compileExact(network, { name: 'net', inputRange: [-2, 2], logN: [13], hiding: 0 });

interface Asked {
  readonly bytes: Uint8Array;
  readonly ciphertexts: Uint8Array;
}

/** Every reply of one responder to messages of one client, whose keys are its own or given. */
async function replies(
  program: AnyProgram,
  options: { readonly kernel?: KernelOptions; readonly replySecret?: Uint8Array },
  work: (ask: (query: Uint8Array) => Asked, client: InferenceClient, responder: InferenceResponder) => void,
  keys?: { readonly secret: Uint8Array; readonly enrolment: Uint8Array },
): Promise<void> {
  using own = await openKernel(options.kernel ?? {});
  using responder = await InferenceResponder.open([{ program }], own, {
    replySecret: options.replySecret ?? SECRET,
  });
  const offer = responder.offers()[0]!;
  using client = await (keys === undefined
    ? InferenceClient.create(offer, own)
    : InferenceClient.restore(offer, keys.secret, own));
  const id = responder.enrol(SOMEONE, NET, keys?.enrolment ?? client.enrolment());
  const ask = (query: Uint8Array): Asked => {
    const { bytes } = responder.answer(SOMEONE, NET, id, query);
    return { bytes, ciphertexts: readReply(bytes).ciphertexts };
  };
  work(ask, client, responder);
}

const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;

const samplesFor = ({ maxSamples }: InferenceClient): number => Math.min(10, maxSamples);
const inputsFor = (client: InferenceClient): Float32Array => randomInputs(samplesFor(client), 5, 1);

describe.each<[string, AnyProgram]>([
  ['approximate', approximate],
  ['traced packed', traced],
  ['whole packed', whole],
  ['packed of standard keys', standard],
  ['exact', exact],
])('replies of an %s program', (_, program) => {
  it('are the same bytes for the same query, on every kernel and number of threads', async () => {
    let query: Uint8Array | undefined;
    let keys: { secret: Uint8Array; enrolment: Uint8Array } | undefined;
    const seen: Uint8Array[] = [];
    const kernels: KernelOptions[] = [
      { kernel: 'native', threads: 1 },
      { kernel: 'native', threads: 2 },
      { kernel: 'wasm' },
    ];
    for (const options of kernels) {
      const use = keys;
      await replies(
        program,
        { kernel: options },
        (ask, client) => {
          query ??= client.queries(inputsFor(client), samplesFor(client)).next().value!.bytes;
          keys ??= { secret: client.exportSecret(), enrolment: client.enrolment() };
          if (use !== undefined) seen.push(ask(query).bytes, ask(query).bytes);
        },
        use,
      );
    }
    // The first only made the keys, so that all enrol the same bytes.
    await replies(program, { kernel: kernels[0]! }, (ask) => seen.push(ask(query!).bytes), keys);
    expect(seen.length).toBe(5);
    for (const reply of seen) expect(same(reply, seen[0]!)).toBe(true);
  });

  it('differ in nothing but the nonce when that alone differs', async () => {
    await replies(program, {}, (ask, client) => {
      const { bytes } = client.queries(inputsFor(client), samplesFor(client)).next().value!;
      const message = readQuery(bytes);
      const other = writeQuery({ ...message, nonce: message.nonce.replace(/^../, 'ff') });
      const [first, second] = [ask(bytes), ask(other)];
      expect(same(first.ciphertexts, second.ciphertexts)).toBe(true);
      expect(same(first.bytes, second.bytes)).toBe(same(bytes, other));
    });
  });

  it('have independent masks under another secret, after a rotation, and for another encryption', async () => {
    let kept: { secret: Uint8Array; enrolment: Uint8Array } | undefined;
    const queries: Uint8Array[] = [];
    const seen: Uint8Array[] = [];
    await replies(program, {}, (ask, client, responder) => {
      kept = { secret: client.exportSecret(), enrolment: client.enrolment() };
      const inputs = inputsFor(client);
      for (let i = 0; i < 2; i++)
        queries.push(client.queries(inputs, samplesFor(client)).next().value!.bytes);
      seen.push(...queries.map((query) => ask(query).ciphertexts));
      responder.rotateReplySecret();
      seen.push(ask(queries[0]!).ciphertexts);
    });
    const replySecret = new Uint8Array(32).fill(8);
    await replies(program, { replySecret }, (ask) => seen.push(ask(queries[0]!).ciphertexts), kept);
    expect(new Set(seen.map((bytes) => Buffer.from(bytes).toString('latin1'))).size).toBe(4);
  });

  it('are for another public key masked anew, though the evaluation keys and the ciphertexts are the same', async () => {
    await replies(program, {}, (ask, client, responder) => {
      const { bytes } = client.queries(inputsFor(client), samplesFor(client)).next().value!;
      const first = ask(bytes);
      // The same secret with a fresh public key: another enrolment.
      const id = responder.enrol(SOMEONE, NET, client.enrolment());
      const second = readReply(responder.answer(SOMEONE, NET, id, bytes).bytes).ciphertexts;
      expect(same(first.ciphertexts, second)).toBe(false);
    });
  });
});

describe('the second part of a reply', () => {
  /** Two networks that agree in everything but one weight of the last layer. */
  const last = network.layers.at(-1)!;
  const weights = last.weights.slice();
  weights[0]! += 1;
  const other = new PolynomialNetwork(
    [...network.layers.slice(0, -1), { ...last, weights }],
    5,
    5,
  ).withRanges(network.ranges as [number, number][]);
  const exactOptions = { name: 'net', inputRange: [-2, 2] as const, logN: [13], hiding: 0 };
  const RUNS = 12;
  /** A distinguisher that wins need not win often to be believed. */
  const CONTROL_RUNS = 4;

  interface Guesses {
    right: number;
    of: number;
    /** By how many standard deviations of random bytes the right candidate is nearer, over all runs. */
    advantage: number;
  }

  /**
   * Who knows query, evaluation keys and two candidates computes the unmasked reply for both, whose second part is a public function of these, and
   * compares them with what was sent. How often the guess is right, by the fault of the server.
   */
  async function distinguish(candidates: readonly [AnyProgram, AnyProgram]) {
    const servers = await Promise.all(
      candidates.map((program) => InferenceResponder.open([{ program }], kernel, { replySecret: SECRET })),
    );
    using client = await InferenceClient.create(servers[0]!.offers()[0]!, kernel);
    const enrolment = client.enrolment();
    const ids = servers.map((server) => server.enrol(SOMEONE, NET, enrolment));
    const guesses: Record<'none' | 'no mask' | 'first part only', Guesses> = {
      none: { right: 0, of: 0, advantage: 0 },
      'no mask': { right: 0, of: 0, advantage: 0 },
      'first part only': { right: 0, of: 0, advantage: 0 },
    };
    const samples = Math.min(10, client.maxSamples);
    for (let run = 0; run < RUNS; run++) {
      const query = client.queries(randomInputs(samples, 5, run), samples).next().value!.bytes;
      const message = readQuery(query);
      const ask = (server: number, kind: keyof typeof guesses) => {
        fault.kind = kind;
        const { programId } = servers[server]!.offers()[0]!;
        const asked = writeQuery({ ...message, programId });
        return readReply(servers[server]!.answer(SOMEONE, NET, ids[server]!, asked).bytes).ciphertexts;
      };
      const own = [ask(0, 'no mask'), ask(1, 'no mask')];
      const secret = run % 2;
      for (const kind of ['none', 'no mask', 'first part only'] as const) {
        if (kind !== 'none' && run >= CONTROL_RUNS) continue;
        const seen = ask(secret, kind);
        const [a, b] = own.map((each) => distance(each, seen)) as [number, number];
        const guess = a === b ? (run >> 1) % 2 : a < b ? 0 : 1;
        guesses[kind].of++;
        const deviation = Math.sqrt((2 * seen.length * 255) / 256 ** 2 / RUNS) * RUNS;
        guesses[kind].advantage += (secret === 0 ? b - a : a - b) / deviation;
        if (guess === secret) guesses[kind].right++;
      }
    }
    for (const server of servers) server[Symbol.dispose]();
    return guesses;
  }

  function distance(a: Uint8Array, b: Uint8Array): number {
    let different = 0;
    for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) different++;
    return different;
  }

  it.each<[string, readonly [AnyProgram, AnyProgram]]>([
    ['approximate', [approximate, compile(other, { name: 'net' })]],
    ['traced packed', [traced, compile(other, { name: 'net', layout: 'packed' })]],
    ['whole packed', [whole, compile(other, { name: 'net', layout: 'packed', reply: 'whole' })]],
    ['exact', [compileExact(network, exactOptions), compileExact(other, exactOptions)]],
  ])('says nothing about the weights, %s', async (_, candidates) => {
    const guesses = await distinguish(candidates);
    // Beyond eight deviations is chance once in 2^49 runs; every run has other masks.
    expect(Math.abs(guesses.none.advantage)).toBeLessThan(8);
    // Controls: it wins every time when the encryption of zero is left out, of all or of the second part alone.
    for (const kind of ['no mask', 'first part only'] as const) {
      expect(guesses[kind]).toMatchObject({ right: CONTROL_RUNS, of: CONTROL_RUNS });
      expect(guesses[kind].advantage).toBeGreaterThan(8);
    }
  });
});

describe('one mask on two results', () => {
  it('would show their difference without noise, so the second is refused and the alarm is raised', async () => {
    await replies(approximate, {}, (ask, client) => {
      const query = client.query(randomInputs(10, 5, 1), 10);
      const first = ask(query.bytes);
      fault.kind = 'one word';
      expect(() => ask(query.bytes)).toThrow(DivergentReplyError);
      // It stays refused while the fault stays, and what was right is still right.
      expect(() => ask(query.bytes)).toThrow(DivergentReplyError);
      fault.kind = 'none';
      expect(same(ask(query.bytes).bytes, first.bytes)).toBe(true);
    });
  });

  it('is the hazard that the program id in the seed prevents', async () => {
    // Two programs whose scores differ by a constant, masked with one seed: flooding cancels in the difference.
    const context = await CkksContext.open(CkksParams.create(approximate.params), { kernel });
    const { maskReply } = await import('../../src/schemes/rlwe/reply-mask.ts');
    using generator = context.keyGenerator();
    using secret = generator.secretKey();
    using publicKey = generator.publicKey(secret);
    using arena = context.arena();
    const encoder = context.encoder(arena);
    const vector = new Float64Array(context.params.slots).fill(0.5);
    using encryptor = context.encryptor(secret, arena);
    const plaintext = encoder.encode(vector, { scale: 2 ** 30, level: 0 });
    const ciphertext = encryptor.encryptBatch([plaintext]);
    const results = [0, 1].map(() => arena.adopt(copyOf(ciphertext)));
    const difference = (seeds: readonly [Uint8Array, Uint8Array]): number => {
      results.forEach((result, i) => {
        result.words.u64().set(ciphertext.words.u64());
        maskReply(result, publicKey, seeds[i]!, 20);
      });
      const [a, b] = results.map((result) =>
        encoder.decode(context.decryptor(secret, arena).decryptBatch(result)[0]!),
      );
      return Math.max(...Array.from(a!, (value, i) => Math.abs(value - b![i]!)));
    };
    const other = new Uint8Array(32).fill(9);
    expect(difference([SECRET, SECRET])).toBe(0);
    expect(difference([SECRET, other])).toBeGreaterThan(2 ** -10);
    const subject: ReplySubject = {
      ...{ tenant: SOMEONE, enrolment: new Uint8Array(32), programId: '00'.repeat(32) },
      ...{ bucket: 0, ciphertexts: new Uint8Array(100) },
    };
    using replySecret = new ReplySecret(SECRET);
    const seeds = new Set<string>();
    for (const changes of [
      {},
      { tenant: ANOTHER },
      { enrolment: new Uint8Array(32).fill(1) },
      { programId: '01'.repeat(32) },
      { bucket: 1 },
      { ciphertexts: new Uint8Array(101) },
    ])
      seeds.add(Buffer.from(replySecret.seedFor({ ...subject, ...changes })).toString('hex'));
    expect(seeds.size).toBe(6);
    context[Symbol.dispose]();
  });

  it('is not remembered for ever, and a secret that is gone gives no seed', () => {
    const secret = new ReplySecret(SECRET);
    const subject = (bucket: number): ReplySubject => ({
      ...{ tenant: SOMEONE, enrolment: new Uint8Array(32), programId: '00'.repeat(32), bucket },
      ciphertexts: new Uint8Array(1),
    });
    for (let i = 0; i <= 4096; i++) secret.note(subject(i), Uint8Array.of(1));
    expect(() => secret.note(subject(4096), Uint8Array.of(2))).toThrow(DivergentReplyError);
    expect(() => secret.note(subject(0), Uint8Array.of(2))).not.toThrow();
    secret.rotate();
    expect(() => secret.note(subject(4096), Uint8Array.of(2))).not.toThrow();
    expect(secret.seedFor(subject(0))).not.toEqual(new ReplySecret(SECRET).seedFor(subject(0)));
    secret[Symbol.dispose]();
    expect(() => secret.seedFor(subject(0))).toThrow(DisposedError);
    expect(`${secret}`).not.toMatch(/7,7/);
  });
});

it('takes the seeded form of ciphertexts alone: another form of one query would be another query', async () => {
  const context = await CkksContext.open(CkksParams.create(approximate.params), { kernel });
  await replies(approximate, {}, (ask, client) => {
    const { bytes } = client.query(randomInputs(10, 5, 1), 10);
    const message = readQuery(bytes);
    using arena = context.arena();
    const batch = CiphertextBatch.fromBytes(context, message.ciphertexts, arena, 5);
    const whole = copyOf(batch);
    whole.words.u64().set(batch.words.u64());
    const ciphertexts = whole.toBytes();
    whole[Symbol.dispose]();
    expect(ciphertexts.length).toBeGreaterThan(1.9 * message.ciphertexts.length);
    expect(() => ask(writeQuery({ ...message, ciphertexts }))).toThrow(ProtocolError);
    expect(() => ask(bytes)).not.toThrow();
  });
  context[Symbol.dispose]();
});

/** Of the same size, without the seed. */
function copyOf({ context, words, count, parts, level, scale, maxAbs }: CiphertextBatch): CiphertextBatch {
  const facts = { context, count, parts, level, scale, maxAbs };
  return new CiphertextBatch(context.kernel.allocate(words.length), facts);
}
