/** Parties of a session in one process, at a toy ring. */
import { sha256Digest } from '../../../../src/base/sha256.ts';
import { seededRandom } from '../../../../src/base/testing.ts';
import type { Kernel } from '../../../../src/kernel/kernel.ts';
import { openKernel } from '../../../../src/kernel/open.ts';
import { CkksContext } from '../../../../src/schemes/ckks/context.ts';
import { CkksParams } from '../../../../src/schemes/ckks/params.ts';
import { CollectiveKeys } from '../../../../src/schemes/rlwe/collective/key-shares.ts';
import { SecretShare, shareWords } from '../../../../src/schemes/rlwe/collective/secret-share.ts';
import type { EvaluationKeys } from '../../../../src/schemes/rlwe/keys/evaluation-keys.ts';
import type { KeyPlan } from '../../../../src/schemes/rlwe/keys/key-plan.ts';
import type { PublicKey } from '../../../../src/schemes/rlwe/keys/public-key.ts';
import type { Words } from '../../../../src/kernel/kernel.ts';

export const SESSION = Uint8Array.from(sha256Digest(new TextEncoder().encode('a session of tests')));

export async function openJointContext(
  name: string,
  options: { logN?: number; kernel?: Kernel } = {},
): Promise<CkksContext> {
  const kernel = options.kernel ?? (await openKernel({ onFallback: () => undefined }));
  const params = CkksParams.joint({ logN: options.logN ?? 6, security: 'insecure-for-tests' });
  const context = await CkksContext.open(params, { kernel, random: seededRandom(name) });
  if (options.kernel !== undefined) return context;
  const dispose = context[Symbol.dispose].bind(context);
  context[Symbol.dispose] = () => {
    dispose();
    kernel[Symbol.dispose]();
  };
  return context;
}

export interface Parties extends Disposable {
  readonly shares: readonly SecretShare[];
  readonly publicKey: PublicKey;
  readonly evaluation: EvaluationKeys;
  /** s, which nobody has: for tests. */
  readonly secret: Words;
}

/** k parties that follow the protocol of key shares. */
export function makeParties(context: CkksContext, count: number, plan: KeyPlan): Parties {
  const shares = Array.from({ length: count }, () => new SecretShare(context, SESSION));
  using keys = new CollectiveKeys(context, SESSION, count, plan);
  keys.items.forEach((_, index) => {
    const sent = shares.map((share) => keys.share(share, index));
    for (const bytes of sent) keys.add(index, bytes);
  });
  const publicKey = keys.publicKey();
  const evaluation = keys.evaluationKeys();
  const secret = sumOfShares(context, shares);
  return {
    shares,
    publicKey,
    evaluation,
    secret,
    [Symbol.dispose]() {
      for (const thing of [...shares, publicKey, evaluation, secret]) thing[Symbol.dispose]();
    },
  };
}

/** s over all limbs, NTT domain. */
export function sumOfShares({ kernel, ring }: CkksContext, shares: readonly SecretShare[]): Words {
  const all = ring.moduli.map((_, i) => i);
  const secret = kernel.allocate(all.length * ring.n);
  for (const share of shares) kernel.add(ring.tables, secret, secret, shareWords(share), all);
  return secret;
}

/** c0 + c1 s, as centred coefficients. */
export function phaseOf(
  { kernel, ring, params }: CkksContext,
  ciphertext: { readonly level: number; part(index: number, part: number): { readonly words: Words } },
  secret: Words,
): Float64Array {
  const mods = params.qMods(ciphertext.level);
  const words = kernel.allocate(mods.length * params.n);
  kernel.mul(ring.tables, words, ciphertext.part(0, 1).words, secret.sub(0, words.length), mods);
  kernel.add(ring.tables, words, words, ciphertext.part(0, 0).words, mods);
  kernel.nttInverse(ring.tables, words, mods);
  const values = new Float64Array(params.n);
  kernel.toDoubles(ring.tables, values, words, mods);
  words[Symbol.dispose]();
  return values;
}
