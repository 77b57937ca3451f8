/** What the parties of a joint training, its host and its receiver read of each other. */
import { ed25519 } from '@noble/curves/ed25519.js';
import {
  inviteParties,
  readHostInvitation,
  readPartyInvitation,
} from '../../src/apps/joint/invitation-files.ts';
import { JointInvitation } from '../../src/protocols/joint/invitation.ts';
import { readSealedWeights } from '../../src/protocols/joint/joint-host.ts';
import { JointPlan } from '../../src/protocols/joint/joint-plan.ts';
import {
  peekJointMessage,
  readBundle,
  readJointMessage,
  writeBundle,
  writeEnd,
  writeJointMessage,
} from '../../src/protocols/joint/messages.ts';
import { LogisticProgram } from '../../src/runtime/training/logistic-program.ts';
import { CkksParams } from '../../src/schemes/ckks/params.ts';
import { PublicKey } from '../../src/schemes/rlwe/keys/public-key.ts';
import type { FuzzTarget } from './harness.ts';

const bytes = (length: number, value = 7): Uint8Array => new Uint8Array(length).fill(value);

function smallInvitation(params: CkksParams): JointInvitation {
  const program = new LogisticProgram(
    {
      ...{ kind: 'logistic', version: 1, rows: 8, features: 2, iterations: 2, rate: 1, decay: 0 },
      ...{ weightBound: 2, rule: 'publish', bootstrapping: false, owners: [4, 4] },
    },
    params,
  );
  return new JointInvitation({
    program,
    columns: ['age', 'weight'],
    label: 'ill',
    standardisation: { means: [1, 2], deviations: [1, 0] },
    receiverKey: bytes(PublicKey.byteLength(params)),
  });
}

export function jointTargets(): FuzzTarget[] {
  const params = CkksParams.joint({ logN: 5, security: 'insecure-for-tests' });
  const invitation = smallInvitation(params);
  const key = bytes(32, 3);
  const signer = ed25519.getPublicKey(key);
  const place = { round: 5, party: 1, kind: 'agree', before: bytes(32) } as const;
  const message = writeJointMessage(place, bytes(36), key);
  const sealed = new JointPlan(invitation.program).bodyBytes('release', 0);
  const weights = new Uint8Array(8 + 32 + 2 * (4 + sealed));
  weights.set([0x53, 0x52, 0x57, 0x53, 1], 0);
  weights.set(invitation.hash, 8);
  const view = new DataView(weights.buffer);
  view.setUint32(40, sealed, true);
  view.setUint32(44 + sealed, sealed, true);
  return [
    {
      name: 'message of a joint training',
      corpus: [message],
      parse(mutant) {
        peekJointMessage(mutant);
        readJointMessage(place, mutant, 36, () => signer);
      },
    },
    {
      name: 'messages of a round',
      corpus: [writeBundle([message, message]), writeEnd('a party is lost')],
      parse: (mutant) => readBundle(mutant, [message.length, message.length]),
    },
    {
      name: 'invitation to a joint training',
      corpus: [invitation.toBytes()],
      parse: (mutant) => JointInvitation.fromBytes(mutant, params),
    },
    {
      name: "party's invitation",
      corpus: inviteParties(invitation).parties,
      parse: (mutant) => readPartyInvitation(mutant, params),
    },
    {
      name: "host's invitation",
      corpus: [inviteParties(invitation).host],
      parse: (mutant) => readHostInvitation(mutant, params),
    },
    {
      name: 'sealed weights',
      corpus: [weights],
      parse: (mutant) => readSealedWeights(invitation, mutant),
    },
  ];
}
