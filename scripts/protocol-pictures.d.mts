import type { Protocol } from './protocol-list.d.mts';

/** The picture of a protocol, SVG. */
export function drawProtocol(protocol: Protocol): string;
