/** An owner encrypts samples; who holds the keys of P learns P x of each, and no more. `Authority` issues keys by a policy. */
import { DatasetSchemes, openKernel, parseDatasetSpec, projectionKeys, systemRandom } from 'subrosa/cryptonn';

const kernel = await openKernel();
const spec = parseDatasetSpec({
  ...{ id: 'quick', scheme: 'lattice', mode: 'projected', features: 36, batch: 4, classes: 2 },
  ...{ inputScale: 100, inputBound: 100 },
  projection: { rank: 2, seed: '22'.repeat(32), budgetShare: 0.25, approvedBy: [] },
});
const scheme = new DatasetSchemes(kernel).schemeFor(spec, 'projection');
const { publicKey, secretKey } = scheme.setup(systemRandom); // the authority's
const images = Int32Array.from({ length: 36 * 4 }, (_, i) => 10 * (((i % 4) * 36 + (i >> 2)) % 7)); // a column each
const ciphertext = scheme.encrypt(publicKey, images, systemRandom); // an owner's
const projection = projectionKeys(spec);
const keys = scheme.deriveKeys(secretKey, projection);
console.log(...scheme.decrypt(ciphertext, keys, projection)); // 20 -90 -130 -100 -70 -120 -100 -220
