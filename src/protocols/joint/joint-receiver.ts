/** The receiver of a joint training: it makes the key that everybody releases the weights to, and opens them. */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import type { CkksContext } from '../../schemes/ckks/context.ts';
import type { SecretKey } from '../../schemes/rlwe/keys/secret-key.ts';
import type { JointInvitation } from './invitation.ts';
import { readSealedWeights } from './joint-host.ts';
import { JointPlan } from './joint-plan.ts';

export class JointReceiver {
  readonly invitation: JointInvitation;
  #context: CkksContext;
  #secret: SecretKey;

  /** Key and context are borrowed; the key is the one whose public half is in the invitation. @throws {ParamsMismatchError} */
  constructor(context: CkksContext, invitation: JointInvitation, secret: SecretKey) {
    arg.checkArguments('new JointReceiver', [context, invitation, secret], {
      context: arg.like('a CkksContext', 'keyGenerator', 'encoder'),
      invitation: arg.like('a JointInvitation', 'program', 'toBytes'),
      secret: arg.like('a SecretKey', 'exportSecretBytes', 'toJSON'),
    });
    context.assertOwn('an invitation', { paramsId: invitation.program.params.id });
    context.assertOwn('a secret key', secret);
    this.invitation = invitation;
    this.#context = context;
    this.#secret = secret;
  }

  /**
   * The weights, for standardised columns, the constant first: as near to the exact ones as the release of the plan says, 2^-9 for most
   * programs of few parties, and rounded to multiples of that. They may be handed on: what the noise of a decryption would tell of the parties' key is hidden by every party's own noise.
   *
   * @throws {DecodeError} when the bytes are no weights of this invitation.
   */
  open(sealed: Uint8Array): Float64Array {
    const { program } = this.invitation;
    const context = this.#context;
    using arena = context.arena();
    const shares = readSealedWeights(this.invitation, sealed);
    const release = new JointPlan(program).release(context);
    const weights = release.combine(shares, arena);
    const plaintext = context.decryptor(this.#secret, arena).decrypt(weights);
    const values = context.encoder(arena).decode(plaintext, { slots: program.width });
    const step = 2 ** -release.precisionBits;
    return values.slice(0, program.spec.features + 1).map((value) => Math.round(value / step) * step);
  }
}

printOnOneLine(JointReceiver);
arg.guard('JointReceiver', JointReceiver.prototype, { open: { sealed: arg.bytes } });
