/**
 * What a connection may do before its handshake has ended: send a few hundred bytes, for a few seconds, as one of a bounded number.
 * When there are more of these, the one that has waited longest goes: who holds connections open without a key keeps nobody out.
 */
import type { Socket } from 'node:net';

export interface AdmissionLimits {
  /** Authenticated connections at once; more are refused. */
  readonly maxConnections: number;
  /** Connections at once that have not authenticated themselves. */
  readonly maxStrangers: number;
  readonly handshakeMs: number;
}

/** Hello and proof take 148 and 36 bytes, and each up to 8 as a WebSocket frame. */
const MAX_STRANGER_BYTES = 512;
/** Messages of a handshake from the side that connects. */
const HANDSHAKE_MESSAGES = 2;

export class Admission {
  readonly #limits: AdmissionLimits;
  /** The one that waits longest first. */
  readonly #strangers = new Set<Stranger>();
  #known = 0;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  /** False when as many are connected as may be: the caller refuses the connection. */
  get hasRoom(): boolean {
    return this.#known < this.#limits.maxConnections;
  }

  /** A connection was made; `end` ends it at once. */
  enter(socket: Socket, end: () => void): Stranger {
    const [oldest] = this.#strangers;
    if (oldest !== undefined && this.#strangers.size >= this.#limits.maxStrangers) oldest.turnAway();
    const leave = (stranger: Stranger) => this.#strangers.delete(stranger);
    const admit = (change: 1 | -1) => {
      this.#known += change;
    };
    const stranger = new Stranger(socket, this.#limits.handshakeMs, { end, leave, admit });
    this.#strangers.add(stranger);
    return stranger;
  }
}

interface StrangerExits {
  readonly end: () => void;
  readonly leave: (stranger: Stranger) => void;
  readonly admit: (change: 1 | -1) => void;
}

/** One connection, from the moment it is made until it closes. */
export class Stranger {
  readonly #socket: Socket;
  readonly #exits: StrangerExits;
  readonly #timer: NodeJS.Timeout;
  #bytes = 0;
  #messages = 0;
  #isRefused = false;
  isKnown = false;

  constructor(socket: Socket, handshakeMs: number, exits: StrangerExits) {
    this.#socket = socket;
    this.#exits = exits;
    this.#timer = setTimeout(() => this.turnAway(), handshakeMs);
    socket.on('data', this.#count);
  }

  /** A whole message has come; false when it is too long for one of the handshake. */
  hears(bytes: number): boolean {
    this.#messages++;
    return this.#messages > HANDSHAKE_MESSAGES || bytes <= MAX_STRANGER_BYTES;
  }

  /** The connection is being closed: nothing that still comes is of use. */
  refuse(): void {
    this.#isRefused = true;
    this.#bytes = 0;
  }

  /** The handshake has ended well. */
  becomesKnown(): void {
    if (this.isKnown) return;
    this.isKnown = true;
    this.#exits.admit(1);
    this.#stopWatching();
  }

  turnAway(): void {
    this.#stopWatching();
    this.#exits.end();
  }

  /** The connection has closed. */
  leaves(): void {
    this.#stopWatching();
    if (this.isKnown) this.#exits.admit(-1);
    this.isKnown = false;
  }

  /**
   * Bytes of a message that is not whole yet are the WebSocket library's, up to its limit: so they are counted as they come. What
   * comes with or behind the last message of the handshake waits in the socket until that one was read.
   */
  readonly #count = (chunk: Buffer): void => {
    this.#bytes += chunk.length;
    const isOver = this.#messages >= HANDSHAKE_MESSAGES && !this.#isRefused;
    if (!isOver && this.#bytes > MAX_STRANGER_BYTES) this.turnAway();
  };

  #stopWatching(): void {
    clearTimeout(this.#timer);
    this.#socket.off('data', this.#count);
    this.#exits.leave(this);
  }
}
