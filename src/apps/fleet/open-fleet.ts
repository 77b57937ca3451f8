/** What every process of a fleet opens first: the broker, the blob store, the catalogue, and the secret that all must share. */
import { hostname } from 'node:os';
import type { BlobStore } from './blobs/blob-store.ts';
import { FleetBroker } from './broker/broker.ts';
import type { QueueRules } from './broker/broker-settings.ts';
import { FleetCatalogue } from './catalogue.ts';
import { agreeOnSecret, fleetSecret } from './fleet-secret.ts';
import { openBlobs } from './blobs/open-blobs.ts';

export interface FleetPlace {
  readonly fleet: string;
  readonly blobs: string;
  readonly fleetCredentials?: string;
  readonly fleetSecret?: string;
}

export interface OpenFleet extends AsyncDisposable {
  readonly broker: FleetBroker;
  readonly store: BlobStore;
  readonly catalogue: FleetCatalogue;
  readonly secret: Uint8Array;
}

/** @throws {UsageError} with what is missing or set wrongly, {@link BlobStoreError} */
export async function openFleet(
  place: FleetPlace,
  role: string,
  rules: Partial<QueueRules> = {},
  env: NodeJS.ProcessEnv = process.env,
): Promise<OpenFleet> {
  const secret = fleetSecret(place.fleetSecret, env);
  const store = await openBlobs(place.blobs, env);
  const broker = await FleetBroker.open({
    ...{ url: place.fleet, name: `subrosa ${role} ${hostname()}`, rules },
    ...(place.fleetCredentials !== undefined && { credentials: place.fleetCredentials }),
  });
  try {
    await agreeOnSecret(broker, secret);
  } catch (error) {
    await broker[Symbol.asyncDispose]();
    throw error;
  }
  return {
    ...{ broker, store, secret, catalogue: new FleetCatalogue(broker, store) },
    [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose](),
  };
}
