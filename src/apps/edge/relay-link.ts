/** Edge B's connection to edge A: opened when the first relay is due, opened again when it was lost. */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { EdgeLink } from '../../protocols/edge/edge-link.ts';
import type { LayerPlan } from '../../protocols/edge/layer-plan.ts';
import type { RelayedMessage } from '../../protocols/edge/relay-box.ts';
import type { EdgeIdentity } from './provisioning.ts';
import { connectEdge, type WebSocketLinkOptions } from './websocket-link.ts';

export interface RelayTarget {
  /** Of edge A: wss://, or ws:// on this machine. */
  readonly url: string;
  readonly identity: Pick<EdgeIdentity, 'peer'> & { readonly plan: Pick<LayerPlan, 'modelId'> };
  readonly link: WebSocketLinkOptions;
}

export class RelayLink implements Disposable {
  readonly #target: RelayTarget;
  #opening: Promise<EdgeLink> | undefined;

  constructor(target: RelayTarget) {
    arg.checkArguments('new RelayLink', [target], { target: arg.options });
    this.#target = target;
  }

  /** For an edge service's `relay`. @throws {TransportError} {@link ProtocolError} after one attempt with a new connection */
  readonly relay = async (message: RelayedMessage): Promise<void> => {
    const known = this.#opening;
    try {
      await (await this.#connection()).send(message);
    } catch (error) {
      // A closes idle connections. Should it have read the message after all, it refuses the second one and closes this, too.
      if (known === undefined) throw error;
      this.#forget(known);
      await (await this.#connection()).send(message);
    }
  };

  [Symbol.dispose](): void {
    this.#opening?.then(
      (link) => link.close(),
      () => undefined,
    );
    this.#opening = undefined;
  }

  #connection(): Promise<EdgeLink> {
    if (this.#opening === undefined) {
      const opening = this.#open();
      this.#opening = opening;
      opening.catch(() => this.#forget(opening));
    }
    return this.#opening;
  }

  async #open(): Promise<EdgeLink> {
    const { url, identity, link } = this.#target;
    const { peer, plan } = identity;
    const socket = await connectEdge(url, link);
    return await EdgeLink.open('edge A', socket, { key: peer.key, modelId: plan.modelId, partyId: peer.id });
  }

  #forget(opening: Promise<EdgeLink>): void {
    if (this.#opening === opening) this.#opening = undefined;
  }
}

printOnOneLine(RelayLink);
