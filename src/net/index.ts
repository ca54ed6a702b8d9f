/** What the director needs to know of the network around it, from the kernel by netlink. */

export { Network, type NetworkChange } from './network.js';
export { Resolver } from './resolver.js';
export { type NetlinkMessage } from './netlink.js';
export { RequestSocket } from './socket.js';
