/** Inner products of encrypted vectors: who holds the key for one weight vector learns them, and nothing more. */
import { LatticeInnerProduct, openKernel, systemRandom } from '../src/fe/index.ts';

using kernel = await openKernel();
using scheme = new LatticeInnerProduct(kernel, { length: 2, inputBound: 10, weightBound: 10, packing: 64 });

// The authority keeps the secret key.
const { publicKey, secretKey } = scheme.setup(systemRandom);
using publicPart = publicKey;
using secret = secretKey;

// An owner encrypts two vectors, a column each: (1, 2) and (5, 6).
using ciphertext = scheme.encrypt(publicPart, Int32Array.of(1, 5, 2, 6), systemRandom);

const weights = Int32Array.of(3, 4);
using keys = scheme.deriveKeys(secret, weights);
console.log([...scheme.decrypt(ciphertext, keys, weights)].join(' '));
