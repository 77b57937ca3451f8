// A TypeScript program of a user: names from every entry without a server, checked together with all declarations behind them.
import { compile, InferenceClient, InferenceServer, openKernel, SubrosaError } from 'subrosa';
import { BgvContext } from 'subrosa/bgv';
import { CkksContext, CkksParams } from 'subrosa/ckks';
import { parseOffer } from 'subrosa/client';
import { LatticeInnerProduct, type RandomSource, seedFromBytes, systemRandom } from 'subrosa/fe';
import { Sequential } from 'subrosa/nn';
import { logMelFeatures, readWav } from 'subrosa/speech';

export const random: RandomSource = {
  seed: () => seedFromBytes(crypto.getRandomValues(new Uint8Array(32))),
};
export const bytes: Uint8Array = systemRandom.seed();
export async function names(): Promise<string> {
  const kernel = await openKernel();
  const context: CkksContext = await CkksContext.open(CkksParams.forIntent({ depth: 1, precisionBits: 12 }));
  const scheme = new LatticeInnerProduct(kernel, { length: 2, inputBound: 1, weightBound: 1, packing: 64 });
  const classes = [BgvContext, InferenceClient, InferenceServer, Sequential, SubrosaError];
  const calls = [compile, logMelFeatures, parseOffer, readWav];
  context[Symbol.dispose]();
  return [...classes, ...calls].map(({ name }) => name).join() + scheme.id;
}
