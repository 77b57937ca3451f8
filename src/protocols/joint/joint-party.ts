/**
 * One owner of rows in a joint training. It makes its share of the keys, encrypts its rows, computes the whole training itself from what all
 * parties encrypted, and answers refreshes and the release for the ciphertexts that it has computed, and for no others: nobody can have it
 * answer for a ciphertext of theirs. All parties first tell each other the hash of the ciphertext they are about to answer for.
 *
 * Its share of the secret is in this process alone. A party that is lost ends the session for all: a share answers for nobody else, and a
 * second session draws new keys.
 */
import * as arg from '../../base/arguments.ts';
import { ed25519 } from '@noble/curves/ed25519.js';
import { bytesToHex, concatBytes } from '@noble/hashes/utils.js';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { ProtocolError } from '../../base/errors.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { assertOwnRows, encryptOwnRows } from '../../runtime/training/joint-rows.ts';
import { JointTrainer, type RefreshRequest } from '../../runtime/training/joint-trainer.ts';
import type { LabelledTable } from '../../runtime/training/labelled-table.ts';
import type { Arena } from '../../ring/arena.ts';
import { CkksCiphertext } from '../../schemes/ckks/ciphertext.ts';
import { ciphertextHash } from '../../schemes/ckks/collective/refresh.ts';
import type { CkksContext } from '../../schemes/ckks/context.ts';
import { commitment, opensCommitment } from '../../schemes/rlwe/collective/commitment.ts';
import { CollectiveKeys } from '../../schemes/rlwe/collective/key-shares.ts';
import { SecretShare } from '../../schemes/rlwe/collective/secret-share.ts';
import type { EvaluationKeys } from '../../schemes/rlwe/keys/evaluation-keys.ts';
import { PublicKey } from '../../schemes/rlwe/keys/public-key.ts';
import type { MessageLink } from '../channel/message-link.ts';
import type { JointInvitation } from './invitation.ts';
import { JointPlan } from './joint-plan.ts';
import {
  HASH_BYTES,
  type JointKind,
  MESSAGE_OVERHEAD,
  nextTranscript,
  readBundle,
  readJointMessage,
  writeJointMessage,
} from './messages.ts';

/** Who computes the training for a party: {@link JointTrainer}, or an auditor that the party trusts as it trusts itself. */
export interface JointComputation extends Disposable {
  run(
    owned: readonly (readonly CkksCiphertext[])[],
    arena: Arena,
  ): Generator<RefreshRequest, CkksCiphertext, CkksCiphertext>;
}

export interface JointProgress {
  readonly phase: 'keys' | 'rows' | 'training' | 'release';
  readonly done: number;
  readonly of: number;
}

export interface JointPartyOptions {
  readonly invitation: JointInvitation;
  /** From 0: which of the invitation's owners this is. */
  readonly party: number;
  /** Standardised as the invitation says. */
  readonly table: LabelledTable;
  readonly onProgress?: (progress: JointProgress) => void;
  /** Told once all parties are known: people compare it, by another way than the host. */
  readonly onSession?: (fingerprint: string) => void;
  /** Default: this process. */
  readonly computation?: (evaluation: EvaluationKeys) => JointComputation;
}

/** Of the session's hash, for people. */
const FINGERPRINT_HEX = 16;

export class JointParty implements Disposable {
  readonly invitation: JointInvitation;
  readonly party: number;
  readonly plan: JointPlan;
  #context: CkksContext;
  #options: JointPartyOptions;
  #signing: Uint8Array;
  #keys: Uint8Array[] = [];
  #transcript: Uint8Array;
  #round = 0;
  #isUsed = false;

  /**
   * The context is borrowed.
   *
   * @throws {DataError} when the table is not what the invitation says. {@link ReleaseRefusedError} when too little would be left of the
   * weights. {@link ParamsMismatchError}
   */
  constructor(context: CkksContext, options: JointPartyOptions) {
    arg.checkArguments('new JointParty', [context, options], {
      context: arg.like('a CkksContext', 'keyGenerator', 'encoder'),
      options: arg.options,
    });
    const { invitation, party, table } = options;
    const { program } = invitation;
    context.assertOwn('an invitation', { paramsId: program.params.id });
    assertOwnRows(program, party, table);
    this.invitation = invitation;
    this.party = party;
    this.plan = new JointPlan(program);
    this.plan.release(context);
    this.#context = context;
    this.#options = options;
    this.#signing = Uint8Array.from(context.random.seed());
    this.#transcript = invitation.hash;
  }

  /**
   * The whole session over a connection to the host; at its end the host has what the receiver opens. One session for each object.
   *
   * @throws {ProtocolError} when anything is not as it should be: no share leaves any more. {@link DecodeError} {@link TransportError}
   */
  async run(link: MessageLink): Promise<{ readonly fingerprint: string }> {
    if (this.#isUsed) throw new ProtocolError('a session is run once: another one needs a new party');
    this.#isUsed = true;
    const session = await this.#meet(link);
    const fingerprint = bytesToHex(session).slice(0, FINGERPRINT_HEX);
    this.#options.onSession?.(fingerprint);
    using secret = new SecretShare(this.#context, session);
    using arena = this.#context.arena();
    const { evaluation, owned } = await this.#setUp(link, secret, arena);
    using keys = evaluation;
    using computation =
      this.#options.computation?.(keys) ?? new JointTrainer(this.#context, this.invitation.program, keys);
    const weights = await this.#train(link, secret, computation, owned, arena);
    await this.#release(link, secret, weights);
    return { fingerprint };
  }

  #progress(phase: JointProgress['phase'], done: number, of: number): void {
    this.#options.onProgress?.({ phase, done, of });
  }

  /** One round: own body out, all bodies in, in the order of the parties. */
  async #exchange(
    link: MessageLink,
    kind: JointKind,
    body: Uint8Array,
    index = 0,
  ): Promise<readonly Uint8Array[]> {
    const { party: own, plan } = this;
    const { parties } = this.invitation.program;
    const place = { round: this.#round, kind, before: this.#transcript };
    const message = writeJointMessage({ ...place, party: own }, body, this.#signing);
    await link.send(message);
    const others = Array.from({ length: parties }, (_, party) => party).filter((party) => party !== own);
    const sizes = others.map((party) => plan.bodyBytes(kind, party, index));
    const received = readBundle(
      await link.receive(),
      sizes.map((bytes) => MESSAGE_OVERHEAD + bytes),
    );
    const messages: Uint8Array[] = [];
    const bodies: Uint8Array[] = [];
    messages[own] = message;
    bodies[own] = body;
    others.forEach((party, i) => {
      const keyOf = (hello: Uint8Array): Uint8Array =>
        kind === 'hello' ? hello.subarray(0, 32) : this.#keys[party]!;
      messages[party] = received[i]!;
      bodies[party] = readJointMessage({ ...place, party }, received[i]!, sizes[i]!, keyOf);
    });
    this.#transcript = nextTranscript(this.#transcript, messages);
    this.#round++;
    return bodies;
  }

  /** Who takes part, and a session id that nobody chose. */
  async #meet(link: MessageLink): Promise<Uint8Array> {
    const start = this.#transcript;
    const nonce = Uint8Array.from(this.#context.random.seed());
    const key = ed25519.getPublicKey(this.#signing);
    const hello = concatBytes(key, commitment(start, 'nonce', this.party, nonce));
    const hellos = await this.#exchange(link, 'hello', hello);
    this.#keys = hellos.map((body) => body.slice(0, 32));
    if (new Set(this.#keys.map(bytesToHex)).size !== this.#keys.length)
      throw new ProtocolError('the same party takes part twice');
    const nonces = await this.#exchange(link, 'nonce', nonce);
    nonces.forEach((opened, party) => {
      this.#assertOpens(hellos[party]!.subarray(32), start, 'nonce', party, opened);
    });
    return this.#transcript;
  }

  #assertOpens(
    committed: Uint8Array,
    session: Uint8Array,
    what: string,
    party: number,
    bytes: Uint8Array,
  ): void {
    if (!opensCommitment(committed, session, what, party, bytes))
      throw new ProtocolError(
        `party ${party} showed another ${what} than it had committed to: the session is over`,
      );
  }

  async #setUp(
    link: MessageLink,
    secret: SecretShare,
    arena: Arena,
  ): Promise<{ evaluation: EvaluationKeys; owned: CkksCiphertext[][] }> {
    const context = this.#context;
    const { program } = this.invitation;
    const { session } = secret;
    using keys = new CollectiveKeys(context, session, program.parties, program.keyPlan);
    const count = keys.items.length;
    const nameOf = (index: number): string => (index === count ? 'rows' : `share ${index}`);
    let own = keys.share(secret, 0);
    let committed = await this.#exchange(link, 'commit', commitment(session, nameOf(0), this.party, own));
    for (let index = 0; index < count; index++) {
      // The next share is committed to in the message that shows this one: it is chosen before this round's are seen.
      const next = index + 1 < count ? keys.share(secret, index + 1) : this.#rows(keys);
      const body = concatBytes(own, commitment(session, nameOf(index + 1), this.party, next));
      const bodies = await this.#exchange(link, 'share', body, index);
      bodies.forEach((shown, party) => {
        const share = shown.subarray(0, shown.length - HASH_BYTES);
        this.#assertOpens(committed[party]!, session, nameOf(index), party, share);
        keys.add(index, share);
      });
      committed = bodies.map((shown) => shown.slice(shown.length - HASH_BYTES));
      own = next;
      this.#progress('keys', index + 1, count);
    }
    const evaluation = keys.evaluationKeys();
    try {
      const bodies = await this.#exchange(link, 'rows', own);
      const owned = bodies.map((body, party) => {
        this.#assertOpens(committed[party]!, session, 'rows', party, body);
        const reader = new ByteReader('encrypted rows', body);
        return program
          .ciphertextsOf(party)
          .map(() => CkksCiphertext.fromBytes(context, reader.bytes(this.plan.rowBytes), arena));
      });
      this.#progress('rows', program.ciphertexts, program.ciphertexts);
      return { evaluation, owned };
    } catch (error) {
      evaluation[Symbol.dispose]();
      throw error;
    }
  }

  /** Own rows as they are sent. The public key is complete by now. */
  #rows(keys: CollectiveKeys): Uint8Array {
    const context = this.#context;
    using arena = context.arena();
    using publicKey = keys.publicKey();
    const { table } = this.#options;
    const rows = encryptOwnRows(context, this.invitation.program, this.party, table, publicKey, arena);
    return concatBytes(...rows.map((ciphertext) => ciphertext.toBytes()));
  }

  async #train(
    link: MessageLink,
    secret: SecretShare,
    computation: JointComputation,
    owned: readonly (readonly CkksCiphertext[])[],
    arena: Arena,
  ): Promise<CkksCiphertext> {
    const { iterations } = this.invitation.program.spec;
    const refresh = this.plan.refresh(this.#context);
    const run = computation.run(owned, arena);
    try {
      let next = run.next();
      while (next.done !== true) {
        const { ciphertext, iteration } = next.value;
        this.#progress('training', iteration, iterations);
        await this.#agree(link, secret, iteration, ciphertext);
        const answers = await this.#exchange(link, 'refresh', refresh.share(secret, iteration, ciphertext));
        using fresh = refresh.combine(secret.session, iteration, ciphertext, answers, arena);
        next = run.next(fresh);
      }
      this.#progress('training', iterations, iterations);
      return next.value;
    } finally {
      run.return(undefined as never);
    }
  }

  /** All parties are about to answer for the same ciphertext, or none of them answers. @throws {ProtocolError} */
  async #agree(
    link: MessageLink,
    secret: SecretShare,
    step: number,
    ciphertext: CkksCiphertext,
  ): Promise<void> {
    const writer = new ByteWriter(this.plan.bodyBytes('agree', this.party));
    writer.u32(step);
    writer.bytes(ciphertextHash(ciphertext));
    const own = writer.finish();
    const bodies = await this.#exchange(link, 'agree', own);
    const other = bodies.findIndex((body) => body.some((byte, i) => byte !== own[i]));
    if (other >= 0)
      secret.end(
        `party ${other} computed another ciphertext in step ${step}: the session is over before a share of it left`,
      );
  }

  async #release(link: MessageLink, secret: SecretShare, weights: CkksCiphertext): Promise<void> {
    const { invitation, plan, party } = this;
    const step = invitation.program.spec.iterations;
    await this.#agree(link, secret, step, weights);
    using receiver = PublicKey.fromBytes(this.#context, invitation.receiverKey);
    const release = plan.release(this.#context);
    await this.#exchange(link, 'release', release.share(secret, step, weights, receiver, party === 0));
    this.#progress('release', 1, 1);
  }

  [Symbol.dispose](): void {
    this.#signing.fill(0);
  }
}

printOnOneLine(JointParty);
arg.guard('JointParty', JointParty.prototype, {
  run: { link: arg.like('a MessageLink', 'send', 'receive') },
});
