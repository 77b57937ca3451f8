/**
 * subrosa/joint: several owners train one model, and nobody sees another's rows.
 *
 *   JointInvitation           what all agree on: program, columns, the receiver's key
 *   JointReceiver             makes the key that weights are released to, and opens them
 *   JointParty                one owner: keys, rows, training and answers, over a connection to the host
 *   JointHost                 hands messages on
 *   JointPlan                 bytes and noise of a session beforehand
 *   JointTrainer              the computation that every party does: for auditors
 *   SecureChannel, ...        the connection between a party and its host
 */
export {
  type JointComputation,
  JointParty,
  type JointPartyOptions,
  type JointProgress,
} from './joint-party.ts';
export { JointHost } from './joint-host.ts';
export { JointInvitation, type JointInvitationFields } from './invitation.ts';
export { JointPlan } from './joint-plan.ts';
export { JointReceiver } from './joint-receiver.ts';
export { JointTrainer, type RefreshRequest } from '../../runtime/training/joint-trainer.ts';
export type { MessageLink } from '../channel/message-link.ts';
