/**
 * subrosa/edge: two edges compute what neither may see. All of `browser.ts`, and on Node:
 *
 *   listenEdge, connectEdge   an edge's server and a device's connection, over WebSockets
 *   RelayLink                 edge B's connection to edge A
 *   counterFile, retiredFile  a device's request numbers and used-up check vectors, in files
 */
export * from './browser.ts';
export { counterFile } from './counter-file.ts';
export { type EdgeListenOptions, listenEdge } from './edge-server.ts';
export { RelayLink, type RelayTarget } from './relay-link.ts';
export { type Retirement, retiredFile } from './retired-file.ts';
export { connectEdge, type WebSocketLinkOptions } from './websocket-link.ts';
