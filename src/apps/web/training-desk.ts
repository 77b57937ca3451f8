/**
 * Authority and trainer for the page of a data owner, both played by this process: keys of a data set, and what a trainer with look-alike
 * images makes of a batch. Nothing that owners send is kept.
 */
import type { FastifyInstance } from 'fastify';
import { DecodeError } from '../../base/errors.ts';
import { seedFromBytes, systemRandom } from '../../base/random.ts';
import type { FunctionKeys, MasterPublicKey } from '../../fe/inner-product-scheme.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { readBatch } from '../../protocols/cryptonn/agreement/batch-bytes.ts';
import { DatasetSchemes } from '../../protocols/cryptonn/agreement/dataset-schemes.ts';
import { type DatasetSpec, parseUnapprovedSpec } from '../../protocols/cryptonn/agreement/dataset-spec.ts';
import { projectionKeys } from '../../protocols/cryptonn/agreement/projection-noise.ts';
import { PriorAttack } from '../../protocols/cryptonn/leakage/prior-attack.ts';
import { EncryptedBatch } from '../../protocols/cryptonn/trainer/batch-products.ts';
import { drawnSource, integersOf } from '../cryptonn/measured-leak.ts';
import { BINARY } from '../transport/wire.ts';
import type { TrainersView } from './pages/owner-messages.ts';

export const TRAINING_PATHS = {
  spec: '/web/training',
  publicKey: '/web/training/public-key',
  batch: '/web/training/batch',
} as const;

/** One drawing of each digit. */
const [DIGITS, FEATURES, RANK] = [10, 784, 32];
const MAX_BATCH_BYTES = 4 * 2 ** 20;

interface DeskKeys {
  readonly publicKey: Uint8Array;
  readonly keys: FunctionKeys;
}

export class TrainingDesk implements Disposable {
  readonly spec: DatasetSpec;
  readonly #kernel: Kernel;
  readonly #schemes: DatasetSchemes;
  #made: DeskKeys | undefined;
  #attack: PriorAttack | undefined;

  /** Keys are new, and end with the process. */
  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#schemes = new DatasetSchemes(kernel);
    this.spec = parseUnapprovedSpec({
      ...{
        id: 'page',
        scheme: 'lattice',
        mode: 'projected',
        features: FEATURES,
        classes: DIGITS,
        batch: DIGITS,
      },
      ...{ inputScale: 100, inputBound: 100 },
      projection: {
        rank: RANK,
        seed: Buffer.from(seedFromBytes(systemRandom.seed())).toString('hex'),
        budgetShare: 0.25,
        approvedBy: [],
      },
    });
  }

  get publicKey(): Uint8Array {
    return this.#setUp().publicKey;
  }

  /** Keys take seconds of every core: they are made when somebody first asks, and not while the server starts. */
  #setUp(): DeskKeys {
    if (this.#made !== undefined) return this.#made;
    const scheme = this.#schemes.schemeFor(this.spec, 'projection');
    const { publicKey, secretKey } = scheme.setup(systemRandom);
    using _public: MasterPublicKey = publicKey;
    using _secret = secretKey;
    const keys = scheme.deriveKeys(secretKey, projectionKeys(this.spec));
    this.#made = { publicKey: publicKey.toBytes(), keys };
    return this.#made;
  }

  /** What a trainer with keys and look-alikes makes of a batch. @throws {DecodeError} {@link ParamsMismatchError} */
  async open(bytes: Uint8Array): Promise<TrainersView> {
    const scheme = this.#schemes.schemeFor(this.spec, 'projection');
    const content = readBatch(bytes, this.spec, () => scheme);
    try {
      const keys = async () => scheme.functionKeysFromBytes(this.#setUp().keys.toBytes());
      const batch = new EncryptedBatch(
        content.labels,
        'projection',
        { scheme, ciphertexts: content.samples },
        undefined,
        keys,
      );
      const products = await batch.forward(projectionKeys(this.spec));
      this.#attack ??= new PriorAttack(this.spec, integersOf(this.spec, drawnSource().images), this.#kernel);
      const estimates = this.#attack.inputs(products);
      const { inputBound } = this.spec;
      return {
        products: Array.from({ length: RANK }, (_, k) => products[k * DIGITS] ?? 0),
        pictures: Buffer.from(
          Uint8Array.from(estimates, (value) =>
            Math.round((255 * Math.max(0, Math.min(inputBound, value))) / inputBound),
          ),
        ).toString('base64'),
        labels: [...content.labels],
        names: [...this.#attack.names(products, content.labels)],
        bytes: bytes.length,
      };
    } finally {
      for (const ciphertext of content.samples) ciphertext[Symbol.dispose]();
    }
  }

  [Symbol.dispose](): void {
    this.#made?.keys[Symbol.dispose]();
    this.#schemes[Symbol.dispose]();
  }
}

export function addTraining(app: FastifyInstance, desk: TrainingDesk): void {
  app.addHook('onClose', async () => desk[Symbol.dispose]());
  app.get(TRAINING_PATHS.spec, () => desk.spec);
  app.get(TRAINING_PATHS.publicKey, (_request, reply) =>
    reply.type(BINARY).send(Buffer.from(desk.publicKey)),
  );
  app.post(TRAINING_PATHS.batch, { bodyLimit: MAX_BATCH_BYTES }, (request) => {
    if (Buffer.isBuffer(request.body)) return desk.open(request.body);
    throw new DecodeError('an encrypted batch', 'the body is not binary');
  });
}
