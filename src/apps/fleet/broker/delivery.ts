/** One message out of a queue, in the hands of one worker until it says what became of it, or is silent for too long. */
import type { QueueName } from './broker-settings.ts';
import type { Msg, NatsConnection } from '@nats-io/transport-node';

/** What a worker says about a message: NATS JetStream, "Acknowledgement models". */
const DONE = '+ACK';
const WORKING = '+WPI';
const DROP = '+TERM';

export class Delivery {
  readonly bytes: Uint8Array;
  readonly subject: string;
  /** Which queue it is out of. */
  readonly queue: QueueName;
  /** 1 when it is given out for the first time. */
  readonly count: number;
  /** Messages behind it in the same queue. */
  readonly behind: number;
  readonly #reply: string;
  readonly #connection: NatsConnection;

  constructor(message: Msg, connection: NatsConnection) {
    this.bytes = message.data;
    this.subject = message.subject;
    this.queue = message.subject.startsWith('blocks.') ? 'blocks' : 'jobs';
    this.#reply = message.reply ?? '';
    this.#connection = connection;
    // $JS.ACK.[domain.account.]stream.consumer.delivered.stream sequence.consumer sequence.time.pending[.random]
    const tokens = this.#reply.split('.');
    const at = tokens.length > 9 ? 6 : 4;
    this.count = Number(tokens[at]);
    this.behind = Number(tokens[at + 4]);
  }

  /** Asks for more time. */
  working(): void {
    this.#say(WORKING);
  }

  /** It is done, and the broker knows. False when the broker did not say so: it may be given out once more. */
  async done(): Promise<boolean> {
    return this.#confirmed(DONE);
  }

  /** Nobody shall get it again. */
  async drop(): Promise<boolean> {
    return this.#confirmed(DROP);
  }

  /** Somebody shall get it again, after a while. */
  again(afterMs: number): void {
    this.#say(`-NAK ${JSON.stringify({ delay: Math.round(afterMs * 1e6) })}`);
  }

  #say(what: string): void {
    if (!this.#connection.isClosed()) this.#connection.publish(this.#reply, what);
  }

  async #confirmed(what: string): Promise<boolean> {
    try {
      await this.#connection.request(this.#reply, what, { timeout: 2000 });
      return true;
    } catch {
      return false;
    }
  }
}
