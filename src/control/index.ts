/** The control socket: how commands talk to the daemon. */

export { isRunning, request } from './client.js';
export type * from './protocol.js';
export { PROTOCOL_VERSION } from './protocol.js';
export { ControlServer, type Handlers } from './server.js';
