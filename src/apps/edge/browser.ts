/**
 * subrosa/edge in a browser: what a device needs, and what the roles are made of. Nothing of Node is behind it.
 *
 *   EdgeDevice, EdgeInference, LayerReport   the device
 *   EdgeService, EdgeSession                 an edge, without sockets
 *   sharing, paired                          the two constructions
 *   provision, renewDevice, readDevice, readEdge   the owner, and its files
 *   RequestCounter, CounterStorage           request numbers that never repeat; the application keeps the storage
 *   openKernel                                     what `provision` computes with
 *   connectEdgeInBrowser                     a connection to an edge
 *   LinkGroup                                the connections of one device: progress on one counts for all
 */
export { openKernel, type OpenKernelOptions } from '../../kernel/open.ts';
export { type Construction, paired, sharing } from '../../protocols/edge/construction.ts';
export {
  EdgeDevice,
  type EdgeDeviceOptions,
  type EdgeInference,
  type LayerReport,
} from '../../protocols/edge/device.ts';
export type { MessageLink } from '../../protocols/channel/message-link.ts';
export { EdgeService, type EdgeServiceOptions, EdgeSession } from '../../protocols/edge/edge-service.ts';
export { type LayerPlan, longestMessage, planLayers } from '../../protocols/edge/layer-plan.ts';
export type { RelayedMessage } from '../../protocols/edge/relay-box.ts';
export { type CounterStorage, RequestCounter } from '../../protocols/edge/request-counter.ts';
export type { SamplingGoal } from '../../protocols/edge/sampling-check.ts';
export { type BrowserLinkOptions, connectEdgeInBrowser } from './browser-link.ts';
export { LinkGroup } from './message-inbox.ts';
export {
  type DeviceIdentity,
  type EdgeIdentity,
  provision,
  type Provisioning,
  type ProvisionOptions,
  readDevice,
  readEdge,
  renewDevice,
} from './provisioning.ts';
