/** Where a fleet is, as the flags of a command say. */
import { UsageError } from '../../../base/errors.ts';
import type { FleetPlace } from '../../fleet/open-fleet.ts';

export interface FleetFlags {
  readonly fleet?: string;
  readonly blobs?: string;
  readonly fleetSecret?: string;
  readonly fleetCredentials?: string;
}

/** @throws {UsageError} when broker or store are missing. */
export function fleetPlace({ fleet, blobs, fleetSecret, fleetCredentials }: FleetFlags): FleetPlace {
  if (fleet === undefined || blobs === undefined)
    throw new UsageError('a fleet needs --fleet nats://HOST:PORT and --blobs file:FOLDER or s3://BUCKET');
  return {
    ...{ fleet, blobs },
    ...(fleetSecret !== undefined && { fleetSecret }),
    ...(fleetCredentials !== undefined && { fleetCredentials }),
  };
}
