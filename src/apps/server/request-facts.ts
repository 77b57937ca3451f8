/**
 * What the server notes about a request. It is kept beside the request, not on it: in an application of somebody else's, names on a
 * request are that application's.
 */
import type { FastifyRequest } from 'fastify';
import type { WireCode } from '../transport/wire.ts';
import type { TenantId } from '../../protocols/inference/names.ts';

/** The tenant of requests whose route needs none. */
export const NOBODY = '' as TenantId;

export interface RequestFacts {
  /** Whom limits count against: the address, unless a hook knows better. */
  principal: string;
  /** Set before any handler of a route that needs an owner runs. */
  tenant: TenantId;
  arrivedAt: number;
  /** Bytes of this body in the budget for bodies; they are given back when the request is over, however it ends. */
  reserved: number;
  /** Of this body; the route's where it is not set. */
  bodyLimit: number | undefined;
  /** The code of the refusal that it was answered with. */
  refused: WireCode | undefined;
}

const facts = new WeakMap<FastifyRequest, RequestFacts>();

export function factsOf(request: FastifyRequest): RequestFacts {
  const known = facts.get(request);
  if (known !== undefined) return known;
  const made = {
    principal: '',
    tenant: NOBODY,
    arrivedAt: 0,
    reserved: 0,
    bodyLimit: undefined,
    refused: undefined,
  };
  facts.set(request, made);
  return made;
}
