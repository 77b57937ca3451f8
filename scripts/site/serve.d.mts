import type { Server } from 'node:http';

/** Serves a built site on 127.0.0.1. */
export function serve(site: string, port?: number): Promise<Server>;
