/** What a program costs, counted from its steps and the wire formats without running anything. */
import type { PolynomialNetwork } from '../nn/polynomial/polynomial-network.ts';
import { polynomialLayerOutputs } from '../nn/polynomial/polynomial-layer.ts';
import { ciphertextBytes, roundedBytes } from '../schemes/ckks/ciphertext-wire.ts';
import type { CkksParams } from '../schemes/ckks/params.ts';
import { EvaluationKeys } from '../schemes/rlwe/keys/evaluation-keys.ts';
import type { KeyPlan } from '../schemes/rlwe/keys/key-plan.ts';
import { PublicKey } from '../schemes/rlwe/keys/public-key.ts';
import { layerProducts } from './facts.ts';
import type { Bucket, LayerBound, Program, Report, Step } from './program.ts';

export interface ReportSubject {
  readonly network: PolynomialNetwork;
  readonly params: CkksParams;
  readonly steps: readonly Step[];
  readonly keyPlan: KeyPlan;
  readonly bounds: readonly LayerBound[];
  readonly droppedBits: Program['droppedBits'];
}

export function reportOf({ network, params, steps, keyPlan, bounds, droppedBits }: ReportSubject): Report {
  const { layers, inputs, outputs } = network;
  let [multiplyAdds, squarings, relinearized] = [0, 0, 0];
  for (const step of steps) {
    if (step.op === 'linear') {
      multiplyAdds += layerProducts(layers[step.layer]!) * step.parts * (step.level + 1) * params.n;
    } else if (step.op === 'square') {
      const squared = polynomialLayerOutputs(layers[step.layer]!);
      squarings += squared;
      if (step.relinearize) relinearized += squared;
    }
  }
  const groups = (features: number, { interleave }: Bucket) => Math.ceil(features / interleave);
  const up = { parts: 2, level: params.maxLevel, isSeeded: true };
  return {
    depth: layers.length - 1,
    logQP: params.logQP,
    multiplyAdds,
    squarings,
    keySwitches: (bucket) =>
      groups(inputs, bucket) * (bucket.interleave - 1) + relinearized + groups(outputs, bucket),
    keyBytes: PublicKey.byteLength(params) + EvaluationKeys.byteLength(params, keyPlan),
    bytesUp: (bucket) => ciphertextBytes(params, { ...up, count: groups(inputs, bucket) }),
    bytesDown: (bucket) => roundedBytes(params, groups(outputs, bucket), droppedBits(bucket)),
    bounds,
  };
}
