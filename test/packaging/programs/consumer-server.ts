// A TypeScript program of a user: names from the entries whose declarations name Fastify, pino and zod.
import { Authority, buildAuthorityApp } from 'subrosa/cryptonn';
import { listen } from 'subrosa/server';

export const names: string[] = [Authority, buildAuthorityApp, listen].map(({ name }) => name);
