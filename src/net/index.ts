/** The host's links, addresses, neighbours and routes, by netlink. */

export { readIcmpLimits } from './icmp-limits.js';
export { Network, type OnNetworkChange } from './network.js';
export { isOffloadOn, type Offload, switchOffloadOff } from './offloads.js';
export type { Peer } from './peers.js';
export type { Address, Link, Neighbour, Route } from './rtnetlink.js';
export { Resolver } from './resolver.js';
export { type NetlinkMessage } from './netlink.js';
export { NetlinkError, RequestSocket } from './socket.js';
export { BONDS, waysOut } from './stack.js';
export type { VethSpec } from './veth.js';
export { nativeXdp } from './xdp-features.js';
