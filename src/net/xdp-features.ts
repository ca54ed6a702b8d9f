/** Asks the kernel which interfaces' drivers run XDP programs (Documentation/netlink/specs/netdev.yaml). */

import { addon } from '../native/index.js';
import { decodeAttributes, encodePayload, type NetlinkMessage, u32 } from './netlink.js';
import { NetlinkError, RequestSocket } from './socket.js';

const NETLINK_GENERIC = 16;
/** The family that tells the numbers of the others (linux/genetlink.h). */
const CONTROL = { id: 0x10, getFamily: 3, familyId: 1, familyName: 2 } as const;
/** linux/netdev.h. `basic`: the driver runs programs, and sends by XDP_TX. */
const NETDEV = { get: 1, ifindex: 1, xdpFeatures: 3, basic: 1 } as const;
/** struct genlmsghdr. */
const HEADER_BYTES = 4;

/** Sends requests to a family of generic netlink. Tests replace it by a simulated kernel. */
export type OpenGeneric = () => Pick<RequestSocket, 'request' | 'close'>;

const openGeneric: OpenGeneric = () =>
  new RequestSocket((onDatagrams) => new addon.NetlinkSocket(NETLINK_GENERIC, [], onDatagrams));

/**
 * Returns whether the driver of each interface runs XDP programs (native mode); undefined: the kernel does not tell.
 *
 * Minimum kernel version: 6.3. Before, it tells of no interface.
 */
export async function nativeXdp(
  ifindexes: readonly number[],
  open: OpenGeneric = openGeneric,
): Promise<Map<number, boolean | undefined>> {
  const socket = open();
  try {
    const found = new Map<number, boolean | undefined>();
    for (const ifindex of ifindexes) {
      found.set(ifindex, await ask(socket, ifindex));
    }
    return found;
  } finally {
    socket.close();
  }
}

async function ask(socket: Pick<RequestSocket, 'request'>, ifindex: number): Promise<boolean | undefined> {
  try {
    const name = new TextEncoder().encode('netdev\0');
    const [family] = await socket.request(
      CONTROL.id,
      0,
      encodePayload(header(CONTROL.getFamily), new Map([[CONTROL.familyName, name]])),
      'family netdev',
    );
    const bytes = family && attributesOf(family).get(CONTROL.familyId);
    if (bytes === undefined) {
      return undefined;
    }
    const id = bytes[0]! | (bytes[1]! << 8);
    const [device] = await socket.request(
      id,
      0,
      encodePayload(header(NETDEV.get), new Map([[NETDEV.ifindex, u32(ifindex)]])),
      `features of interface ${ifindex}`,
    );
    const features = device && attributesOf(device).get(NETDEV.xdpFeatures);
    return features && (features[0]! & NETDEV.basic) !== 0;
  } catch (error) {
    if (error instanceof NetlinkError) {
      return undefined;
    }
    throw error;
  }
}

function header(command: number): Uint8Array {
  return Uint8Array.of(command, 1, 0, 0);
}

function attributesOf({ payload }: NetlinkMessage) {
  return decodeAttributes(payload, HEADER_BYTES);
}
