/**
 * The calls of a packed program made of node-seal's, for the bench: the same rotations, products with encoded vectors, squares, rescalings,
 * at the same levels. The library has one rotation per call and no hoisting. One vector of weights stands for all of a step, which only
 * helps it; offsets are left out.
 */
import type { SEALLibrary } from 'node-seal/implementation/seal.js';
import { packedSubject, plannedParts } from '../../src/compiler/packed/packed-analysis.ts';
import type { Program } from '../../src/compiler/program.ts';

type Cipher = ReturnType<SEALLibrary['CipherText']>;
type Plain = ReturnType<SEALLibrary['PlainText']>;

/** Runs the steps on one fresh ciphertext; every value is one ciphertext. */
export function sealCircuit(seal: SEALLibrary, program: Program): Disposable & { run: () => void } {
  const { params, steps, values } = program;
  const { logN, logQ, logP } = params;
  const parms = seal.EncryptionParameters(seal.SchemeType.ckks);
  parms.setPolyModulusDegree(2 ** logN);
  parms.setCoeffModulus(seal.CoeffModulus.Create(2 ** logN, Int32Array.from([...logQ, ...logP])));
  const context = seal.Context(parms, true, seal.SecurityLevel.tc128);
  const generator = seal.KeyGenerator(context);
  const secret = generator.secretKey();
  const slots = 2 ** (logN - 1);
  const signed = (step: number): number => (step > slots / 2 ? step - slots : step);
  const subject = packedSubject(program);
  const transforms = new Map(
    steps.flatMap((step) =>
      step.op === 'transform' ? [[step.to, plannedParts(subject, step)[0]!.split] as const] : [],
    ),
  );
  const rotations = new Set<number>();
  for (const { babies, giants } of transforms.values())
    for (const step of [...babies, ...giants.map((giant) => giant.step)])
      if (step !== 0) rotations.add(signed(step));
  for (const step of steps) if (step.op === 'rotateAdd') rotations.add(signed(step.step));
  const galois = generator.createGaloisKeys(Int32Array.from([...rotations]));
  const relinearization = generator.createRelinKeys();
  const encoder = seal.CKKSEncoder(context);
  const encryptor = seal.Encryptor(context, generator.createPublicKey(), secret);
  const evaluator = seal.Evaluator(context);
  const query = seal.CipherText();
  const input = seal.PlainText();
  const some = Float64Array.from({ length: slots }, (_, i) => (i % 7) / 7);
  encoder.encode(some, values[0]!.scale, input);
  encryptor.encryptSymmetric(input, query);
  const weights = new Map<number, Plain>();
  for (const step of steps) {
    if (step.op !== 'transform') continue;
    const { level, scale } = values[step.from]!;
    const weight = seal.PlainText();
    encoder.encode(
      some.map((value) => value / slots + 2 ** -8),
      values[step.to]!.scale / scale,
      weight,
    );
    for (let at = params.logQ.length - 1; at > level; at--) evaluator.plainModSwitchToNext(weight, weight);
    weights.set(step.to, weight);
  }
  const made: Cipher[] = values.map(() => seal.CipherText());
  const [product, inner] = [seal.CipherText(), seal.CipherText()];
  const rotated = Array.from({ length: 64 }, () => seal.CipherText());
  const at = (value: number): Cipher => (value === 0 ? query : made[value]!);
  const transform = (
    from: Cipher,
    to: Cipher,
    weight: Plain,
    split: NonNullable<ReturnType<typeof transforms.get>>,
  ) => {
    const byStep = new Map(
      split.babies.map((baby, i) => {
        if (baby === 0) return [baby, from] as const;
        evaluator.rotateVector(from, signed(baby), galois, rotated[i]!);
        return [baby, rotated[i]!] as const;
      }),
    );
    split.giants.forEach(({ step, babies }, i) => {
      babies.forEach((baby, j) => {
        evaluator.multiplyPlain(byStep.get(baby)!, weight, j === 0 ? inner : product);
        if (j > 0) evaluator.add(inner, product, inner);
      });
      if (step !== 0) evaluator.rotateVector(inner, signed(step), galois, inner);
      if (i === 0) evaluator.add(inner, inner, to);
      else evaluator.add(to, inner, to);
    });
  };
  return {
    run: () => {
      for (const step of steps) {
        const to = made[step.to]!;
        if (step.op === 'transform')
          transform(at(step.from), to, weights.get(step.to)!, transforms.get(step.to)!);
        else if (step.op === 'rotateAdd') {
          evaluator.rotateVector(at(step.from), signed(step.step), galois, product);
          evaluator.add(at(step.from), product, to);
        } else if (step.op === 'multiply') evaluator.square(at(step.a), to);
        else if (step.op === 'relinearize') evaluator.relinearize(at(step.from), relinearization, to);
        else if (step.op === 'rescale') evaluator.rescaleToNext(at(step.from), to);
        else if (step.op === 'addPlain' || step.op === 'trace') made[step.to] = at(step.from);
        else throw new Error(`the peer has no ${step.op}`);
      }
    },
    [Symbol.dispose]: () => {
      const objects = [...new Set([...made, ...rotated, ...weights.values()]), product, inner, query, input];
      for (const object of [
        ...objects,
        evaluator,
        encryptor,
        encoder,
        relinearization,
        galois,
        secret,
        generator,
        context,
      ])
        object.delete();
    },
  };
}
