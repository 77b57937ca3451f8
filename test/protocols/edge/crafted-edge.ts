/** An edge that holds the right key and then says what the test wants: everything that authentication does not prevent. */
import { TransportError } from '../../../src/base/errors.ts';
import type { MessageLink } from '../../../src/protocols/channel/message-link.ts';
import { type EdgeMessage, readEdgeMessage, writeEdgeMessage } from '../../../src/protocols/edge/messages.ts';
import {
  HandshakeResponder,
  readHello,
  type SecureChannel,
} from '../../../src/protocols/channel/secure-channel.ts';

/** Answers to one message of the device; null ends the connection. */
export type Craft = (message: EdgeMessage) => readonly EdgeMessage[] | null;

export interface CraftedLink extends MessageLink {
  /** Something that no message of the device asked for. */
  tell(message: EdgeMessage): Promise<void>;
}

export function craftedLink(key: Uint8Array, operator: string, craft: Craft): CraftedLink {
  const inbox: Uint8Array[] = [];
  let handshake: HandshakeResponder | null = null;
  let channel: SecureChannel | null = null;
  let gone = false;
  const hasNews = () => inbox.length > 0 || gone;
  const say = (message: Uint8Array) => void inbox.push(message);
  return {
    async send(bytes) {
      if (handshake === null) {
        const hello = readHello(bytes);
        handshake = new HandshakeResponder({ ...hello, bytes: hello.bytes.slice() }, key, operator);
        return say(handshake.welcome);
      }
      if (channel === null) {
        channel = await handshake.finish(bytes);
        return;
      }
      const answers = craft(readEdgeMessage(await channel.open(bytes)));
      if (answers === null) gone = true;
      for (const answer of answers ?? []) say(await channel.seal(writeEdgeMessage(answer)));
    },
    async tell(message) {
      say(await channel!.seal(writeEdgeMessage(message)));
    },
    async receive() {
      // The crafted edge answers at once, so what is not there after some turns never comes.
      for (let turn = 0; turn < 50 && !hasNews(); turn++)
        await new Promise((resolve) => setTimeout(resolve, 2));
      const message = inbox.shift();
      if (message === undefined) throw new TransportError('nothing came in time', true);
      return message;
    },
    close() {
      gone = true;
    },
  };
}
