/** What a session of an invitation consists of: lengths of all messages, levels and noise, the same for every party. */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { CollectiveRelease, releaseShareBytes } from '../../schemes/ckks/collective/release.ts';
import { CollectiveRefresh, refreshShareBytes } from '../../schemes/ckks/collective/refresh.ts';
import { SCALE_CODEC } from '../../schemes/ckks/ciphertext-wire.ts';
import type { CkksContext } from '../../schemes/ckks/context.ts';
import { COMMITMENT_BYTES } from '../../schemes/rlwe/collective/commitment.ts';
import { type KeyItem, keyItems, keyShareBytes } from '../../schemes/rlwe/collective/key-shares.ts';
import { ciphertextWireBytes } from '../../schemes/rlwe/wire/ciphertext-wire.ts';
import { jointNoiseBits } from '../../runtime/training/joint-noise.ts';
import type { LogisticProgram } from '../../runtime/training/logistic-program.ts';
import { HASH_BYTES, type JointKind, MESSAGE_OVERHEAD } from './messages.ts';

/** Every released weight is within 2^-6 of the exact one at least; {@link JointPlan.release} says what a program gives. */
const LEAST_BITS = 6;

export class JointPlan {
  readonly program: LogisticProgram;
  readonly items: readonly KeyItem[];

  constructor(program: LogisticProgram) {
    arg.checkArguments('new JointPlan', [program], {
      program: arg.like('a LogisticProgram', 'iterationsFrom', 'spec'),
    });
    this.program = program;
    this.items = keyItems(program.params, program.keyPlan);
  }

  /** Bytes of one ciphertext of rows. */
  get rowBytes(): number {
    const { params, topLevel: level } = this.program;
    return ciphertextWireBytes(params, { count: 1, parts: 2, level, isSeeded: false }, SCALE_CODEC.bytes);
  }

  /** Bytes of a body of this kind of this party; `index` of a share. */
  bodyBytes(kind: JointKind, party: number, index = 0): number {
    const { params, refreshLevel, stateCoefficients } = this.program;
    switch (kind) {
      case 'hello':
        return 32 + COMMITMENT_BYTES;
      case 'nonce':
        return 32;
      case 'commit':
        return COMMITMENT_BYTES;
      case 'share':
        return keyShareBytes(params, this.items[index]!) + COMMITMENT_BYTES;
      case 'rows':
        return this.program.ciphertextsOf(party).length * this.rowBytes;
      case 'agree':
        return 4 + HASH_BYTES;
      case 'refresh':
        return refreshShareBytes(params, refreshLevel, stateCoefficients);
      case 'release':
        return releaseShareBytes(params, refreshLevel);
    }
  }

  /** The longest message that any party sends. */
  get longestMessage(): number {
    const parties = Array.from({ length: this.program.parties }, (_, party) => party);
    const bodies = [
      ...this.items.map((_, index) => this.bodyBytes('share', 0, index)),
      ...parties.map((party) => this.bodyBytes('rows', party)),
      this.bodyBytes('refresh', 0),
      this.bodyBytes('release', 0),
    ];
    return MESSAGE_OVERHEAD + Math.max(...bodies);
  }

  /** The longest bundle that the host hands on, with its frame. */
  get longestBundle(): number {
    return 8 + (this.program.parties - 1) * (4 + this.longestMessage);
  }

  /** Bytes that a party sends: before its training can start, and from then on. */
  traffic(party: number): { readonly setUp: number; readonly run: number } {
    const { refreshes } = this.program;
    const message = (kind: JointKind, index = 0): number =>
      MESSAGE_OVERHEAD + this.bodyBytes(kind, party, index);
    const shares = this.items.reduce((sum, _, index) => sum + message('share', index), 0);
    return {
      setUp: message('hello') + message('nonce') + message('commit') + shares + message('rows'),
      run: refreshes * (message('agree') + message('refresh')) + message('agree') + message('release'),
    };
  }

  refresh(context: CkksContext): CollectiveRefresh {
    return new CollectiveRefresh(context, this.program.refreshTerms);
  }

  /** @throws {ReleaseRefusedError} when the noise that the program declares leaves too little of the weights. */
  release(context: CkksContext): CollectiveRelease {
    const { program } = this;
    return new CollectiveRelease(context, {
      parties: program.parties,
      noiseBits: jointNoiseBits(program),
      coefficients: 2 * program.width,
      level: program.refreshLevel,
      scale: program.releaseScale,
      maxAbs: program.spec.weightBound,
      precisionBits: LEAST_BITS,
    });
  }
}

printOnOneLine(JointPlan);
const context = arg.like('a CkksContext', 'keyGenerator', 'encoder');
arg.guard('JointPlan', JointPlan.prototype, {
  bodyBytes: { kind: arg.text, party: arg.number, index: arg.optional(arg.number) },
  traffic: { party: arg.number },
  refresh: { context },
  release: { context },
});
