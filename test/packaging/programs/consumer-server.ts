// A TypeScript program of a user: names from the entries whose declarations name Fastify, pino and zod.
import { Authority, buildAuthorityApp } from 'subrosa/cryptonn';
import { EdgeDevice, listenEdge } from 'subrosa/edge';
import { listen } from 'subrosa/server';

export const names: string[] = [Authority, EdgeDevice, buildAuthorityApp, listen, listenEdge].map(
  ({ name }) => name,
);
