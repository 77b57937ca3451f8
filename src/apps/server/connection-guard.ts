/**
 * Keeps connections that do nothing from shutting others out. A newcomer always gets in: when there are too many connections, an
 * idle one is closed for it, of the address that has the most idle ones, the one that has been idle longest. Idle is a connection
 * without a request whose head has arrived: those that never send one, and those that are kept open between two.
 */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { addressClass } from './principal.ts';

interface Peer {
  readonly socket: Socket;
  readonly address: string;
  /** Requests under way. */
  active: number;
}

export class ConnectionGuard {
  readonly #most: number;
  /** By remote address and port, which a TLS socket shares with the one below it. Longest idle first. */
  readonly #peers = new Map<string, Peer>();
  /** Connections that were closed for others. */
  closed = 0;

  constructor(server: Server, most: number) {
    this.#most = most;
    server.on('connection', (socket: Socket) => this.#enter(socket));
    server.on('request', (request, response) => this.#serve(nameOf(request.socket), response));
  }

  get size(): number {
    return this.#peers.size;
  }

  #enter(socket: Socket): void {
    const name = nameOf(socket);
    const peer: Peer = { socket, address: addressClass(socket.remoteAddress ?? ''), active: 0 };
    if (this.#peers.size >= this.#most && !this.#closeOne()) {
      this.closed++;
      socket.destroy();
      return;
    }
    this.#peers.set(name, peer);
    socket.once('close', () => {
      if (this.#peers.get(name) === peer) this.#peers.delete(name);
    });
  }

  #serve(name: string, response: { once(event: 'close', listener: () => void): unknown }): void {
    const peer = this.#peers.get(name);
    if (peer === undefined) return;
    peer.active++;
    response.once('close', () => {
      peer.active--;
      // Moved to the end: it has been idle for the shortest time.
      if (this.#peers.delete(name) && !peer.socket.destroyed) this.#peers.set(name, peer);
    });
  }

  /** False when every connection has a request under way. */
  #closeOne(): boolean {
    const idle = new Map<string, number>();
    for (const { active, address } of this.#peers.values())
      if (active === 0) idle.set(address, (idle.get(address) ?? 0) + 1);
    const most = Math.max(0, ...idle.values());
    for (const [name, peer] of this.#peers) {
      if (peer.active > 0 || idle.get(peer.address) !== most) continue;
      this.#peers.delete(name);
      this.closed++;
      peer.socket.destroy();
      return true;
    }
    return false;
  }
}

function nameOf(socket: Pick<Socket, 'remoteAddress' | 'remotePort'>): string {
  return `${socket.remoteAddress}|${socket.remotePort}`;
}
