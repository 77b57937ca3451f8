/**
 * Who lied, once a layer's answer failed a check. The device holds the network and both shares, so it recomputes what each edge had to
 * answer. Both shares together are the input: the recomputation must not leave the device.
 */
import type { LyingEdge } from '../../base/errors.ts';
import { applyIntegerLinear, type IntegerLinearMap } from '../../kernel/integer-linear-map.ts';
import type { ApplyLinearAsync } from '../../nn/integer/integer-evaluate.ts';
import type { LayerShares, RequestMasks } from './construction.ts';
import type { EdgeOutput } from './edge-link.ts';
import type { PlannedLayer } from './layer-plan.ts';
import { sharesDigest, isSigned, type RelayContext } from './relay-proof.ts';
import { addShares, packShares } from './share-ring.ts';

/** What a failed check was about. */
export interface FailedLayer {
  readonly layer: number;
  readonly planned: PlannedLayer;
  readonly batch: number;
  readonly shares: LayerShares;
  readonly masks: RequestMasks;
  /** Of A and B, or of A alone with B's part in it. */
  readonly answers: readonly EdgeOutput[];
  readonly context: Omit<RelayContext, 'layer'>;
  /** What B signs relayed answers with, its public half. */
  readonly relayKey: CryptoKey;
}

/**
 * Null when what was answered is right after all, so that the check itself must be broken. Behind a relay 'b' means that B signed
 * a wrong answer; A may have added a lie of its own.
 */
export async function nameLiar(failed: FailedLayer, recompute: ApplyLinearAsync): Promise<LyingEdge> {
  const { layer, planned, batch, shares, masks, answers } = failed;
  const truths: Uint32Array[] = [];
  for (const words of [shares.aWords, shares.b]) {
    const x = new Int32Array(words.buffer, words.byteOffset, words.length);
    const y = await recompute(layer, planned.map, x, batch);
    truths.push(addShares(y, new Uint32Array(y.length), planned.bits));
  }
  const [truthA, truthB] = [truths[0]!, await masks.relayed(layer, planned, batch, truths[1]!)];
  const [first, second] = answers;
  if (second !== undefined) {
    const lies = [!same(first!.shares, truthA), !same(second.shares, truthB)];
    if (lies[0]) return lies[1] ? 'both' : 'a';
    return lies[1] ? 'b' : null;
  }
  if (same(first!.shares, addShares(truthA, truthB, planned.bits))) return null;
  return (await signedAnother(failed, truthB)) ? 'b' : 'a';
}

function same(given: Uint32Array, truth: Uint32Array): boolean {
  return given.length === truth.length && given.every((word, i) => word === truth[i]);
}

/** Whether B signed something else than its right answer for this layer. An honest A has a signature for whatever it added. */
async function signedAnother(failed: FailedLayer, truthB: Uint32Array): Promise<boolean> {
  const { context, layer, planned, relayKey } = failed;
  const proof = failed.answers[0]!.proof!;
  if (!(await isSigned(relayKey, { ...context, layer }, proof))) return false;
  const truth = await sharesDigest(packShares(truthB, planned.bits));
  return proof.digest.some((byte, i) => byte !== truth[i]);
}

/** In plain JavaScript, for a device that has nothing faster. */
export const plainRecompute: ApplyLinearAsync = (
  _layer: number,
  map: IntegerLinearMap,
  x: Int32Array,
  batch: number,
) => applyIntegerLinear(map, x, batch);
