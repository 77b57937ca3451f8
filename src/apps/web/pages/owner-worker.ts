/** A data owner in a page's worker: it measures what its own drawings would give away, and encrypts them when it is told to. */
import { ProtocolError, TransportError } from '../../../base/errors.ts';
import { systemRandom } from '../../../base/random.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { openKernel } from '../../../kernel/open.ts';
import { writeBatch } from '../../../protocols/cryptonn/agreement/batch-bytes.ts';
import { LatticeSchemes } from '../../../protocols/cryptonn/agreement/lattice-schemes.ts';
import { type DatasetSpec, parseUnapprovedSpec } from '../../../protocols/cryptonn/agreement/dataset-spec.ts';
import { PriorAttack, projectedSamples } from '../../../protocols/cryptonn/leakage/prior-attack.ts';
import { DataOwner, fixedPoint } from '../../../protocols/cryptonn/owner/data-owner.ts';
import { LabelPermutation } from '../../../protocols/cryptonn/owner/label-permutation.ts';
import { OwnerLedger } from '../../../protocols/cryptonn/owner/owner-ledger.ts';
import { sentError } from '../../client/worker-messages.ts';
import { workerScope } from '../../client/worker-scope.ts';
import { drawnDigits } from '../../cryptonn/drawn-digits.ts';
import type { OwnerCall, OwnerMessage, TrainersView } from './owner-messages.ts';

const HEAD_BYTES = 64;
/** As many look-alikes as the measurement of a policy has. */
const [LOOK_ALIKE_SEED, LOOK_ALIKES] = [991, 4096];
const WHITE = 255;

interface Session {
  readonly origin: string;
  readonly spec: DatasetSpec;
  readonly publicKey: Uint8Array;
  readonly kernel: Kernel;
  readonly permutation: LabelPermutation;
  /** Of this page: a second batch of the same drawings counts with the first. */
  readonly ledger: OwnerLedger;
}

const scope = workerScope<OwnerMessage, OwnerCall>();
let session: Session | undefined;
let attack: PriorAttack | undefined;

function step(text: string, share: number): void {
  scope.postMessage({ kind: 'step', text, share });
}

async function fetched(url: URL, init?: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  if (response.ok) return response;
  throw new TransportError(
    response.status === 404 ? 'This server trains nothing.' : `The server refuses (HTTP ${response.status}).`,
    response.status >= 500,
  );
}

function opened(): Session {
  if (session === undefined) throw new TransportError('the page is not connected yet', true);
  return session;
}

async function open(origin: string): Promise<OwnerMessage> {
  step('Reading the rules of the data set', 0.2);
  const spec = parseUnapprovedSpec(await (await fetched(new URL('/web/training', origin))).json());
  if (spec.mode !== 'projected' || spec.projection === undefined || spec.faithful !== undefined)
    throw new ProtocolError('this page gives nothing to a training that shows its inputs');
  step("Taking the authority's public key", 0.5);
  const publicKey = new Uint8Array(
    await (await fetched(new URL('/web/training/public-key', origin))).arrayBuffer(),
  );
  step('Loading the engine', 0.8);
  const kernel = await openKernel();
  const permutation = new LabelPermutation(systemRandom.seed(), spec.classes);
  session = { origin, spec, publicKey, kernel, permutation, ledger: OwnerLedger.create(systemRandom) };
  return { kind: 'opened', rank: spec.projection.rank, keyBytes: publicKey.length };
}

function inputsOf(drawings: readonly Uint8Array[]): Float32Array {
  return Float32Array.from(
    drawings.flatMap((pixels) => [...pixels]),
    (value) => value / WHITE,
  );
}

const labelsOf = (drawings: readonly Uint8Array[]) => Int32Array.from(drawings, (_, digit) => digit);

/** The attack that anybody can make who has digits of his own, on these very drawings. */
async function measure(drawings: readonly Uint8Array[]): Promise<OwnerMessage> {
  const { spec, kernel, permutation } = opened();
  const startedAt = performance.now();
  const { features, inputScale, inputBound } = spec;
  if (attack === undefined) {
    step('Drawing what a curious trainer would compare with', 0.2);
    const { pixels, labels } = drawnDigits(LOOK_ALIKE_SEED, LOOK_ALIKES);
    const known = fixedPoint(
      Float32Array.from(pixels, (value) => value / WHITE),
      inputScale,
      inputBound,
    );
    step('Attacking your drawings, here', 0.5);
    attack = new PriorAttack(spec, { inputs: known, labels }, kernel);
  }
  const integers = fixedPoint(inputsOf(drawings), inputScale, inputBound);
  const products = projectedSamples(spec, integers, kernel);
  const estimates = attack.inputs(products);
  const names = attack.names(products, permutation.rename(labelsOf(drawings)));
  const truth = permutation.restore(Int32Array.from({ length: spec.classes }, (_, name) => name));
  let [missed, total] = [0, 0];
  const means = new Float64Array(features);
  for (let i = 0; i < integers.length; i++) means[i % features]! += (integers[i] as number) / drawings.length;
  for (let i = 0; i < integers.length; i++) {
    missed += ((integers[i] as number) - (estimates[i] as number)) ** 2;
    total += ((integers[i] as number) - (means[i % features] as number)) ** 2;
  }
  const grey = (value: number) => Math.round((WHITE * Math.max(0, Math.min(inputBound, value))) / inputBound);
  return {
    kind: 'measured',
    measure: {
      ...{ rank: spec.projection?.rank ?? 0, features },
      namesRecovered: names.filter((digit, name) => digit === truth[name]).length,
      varianceExplained: total === 0 ? 1 : Math.max(0, 1 - missed / total),
      pictures: drawings.map((_, i) =>
        Uint8Array.from(estimates.subarray(i * features, (i + 1) * features), grey),
      ),
      ms: performance.now() - startedAt,
    },
  };
}

async function send(drawings: readonly Uint8Array[]): Promise<OwnerMessage> {
  const { origin, spec, publicKey: keyBytes, kernel, permutation, ledger } = opened();
  const startedAt = performance.now();
  step('Encrypting your drawings', 0.3);
  using schemes = new LatticeSchemes(kernel);
  const scheme = schemes.schemeFor(spec, 'projection');
  using publicKey = scheme.publicKeyFromBytes(keyBytes);
  const axes = { projection: { scheme, publicKey } };
  const owner = new DataOwner('a page', spec, axes, permutation, systemRandom, kernel, { ledger });
  const owned = owner.encrypt(inputsOf(drawings), labelsOf(drawings));
  const body = writeBatch(owned);
  for (const ciphertext of owned.samples) ciphertext[Symbol.dispose]();
  const encryptMs = performance.now() - startedAt;
  step('The trainer opens what its keys open', 0.7);
  const reply = await fetched(new URL('/web/training/batch', origin), {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream' },
    body: Uint8Array.from(body),
  });
  const view = (await reply.json()) as TrainersView;
  const truth = [...permutation.restore(Int32Array.from({ length: spec.classes }, (_, name) => name))];
  const totalMs = performance.now() - startedAt;
  return { kind: 'sent', view, truth, head: body.slice(0, HEAD_BYTES), encryptMs, totalMs };
}

scope.addEventListener('message', ({ data }) => {
  const run =
    data.kind === 'open'
      ? open(data.origin)
      : data.kind === 'measure'
        ? measure(data.drawings)
        : send(data.drawings);
  run
    .catch((error: unknown): OwnerMessage => ({ kind: 'failed', error: sentError(error) }))
    .then((message) => scope.postMessage(message));
});
