/** A connection whose messages are records of a {@link SecureChannel}: what speaks over it does not know of the channel. */
import type { MessageLink } from './message-link.ts';
import { type ChannelPurpose, HandshakeInitiator } from './secure-channel.ts';

interface LinkIdentity {
  /** Shared with the other side, 32 bytes. */
  readonly key: Uint8Array;
  /** What the conversation is about, 32 bytes. */
  readonly subject: Uint8Array;
  /** 16 bytes. */
  readonly party: Uint8Array;
  readonly purpose: ChannelPurpose;
}

/** The side that opened the connection. @throws {DecodeError} {@link ProtocolError} {@link TransportError} */
export async function openSecureLink(link: MessageLink, identity: LinkIdentity): Promise<MessageLink> {
  const { key, subject, party, purpose } = identity;
  const handshake = new HandshakeInitiator(key, subject, party, purpose);
  await link.send(handshake.hello);
  const { proof, channel } = await handshake.finish(await link.receive());
  await link.send(proof);
  return {
    send: async (message) => link.send(await channel.seal(message)),
    receive: async () => channel.open(await link.receive()),
    close: () => link.close(),
  };
}
