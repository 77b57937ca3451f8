/** Two vectors, a key for one inner product with each: who holds the key learns 1*3 + 2*4 and 5*3 + 6*4, nothing more. */
import { LatticeInnerProduct, openKernel, systemRandom } from 'subrosa/fe';

const spec = { length: 2, inputBound: 10, weightBound: 10, packing: 64 };
const scheme = new LatticeInnerProduct(await openKernel(), spec);
const { publicKey, secretKey } = scheme.setup(systemRandom); // the authority's
const vectors = Int32Array.of(1, 5, 2, 6); // a column each
const ciphertext = scheme.encrypt(publicKey, vectors, systemRandom);
const weights = Int32Array.of(3, 4);
const keys = scheme.deriveKeys(secretKey, weights);
console.log(...scheme.decrypt(ciphertext, keys, weights)); // 11 39
