/** Ghosts: what packets must know of services that were removed while flows of them are remembered. */

import { feature } from '../layout/index.js';
import {
  type AnyService,
  type AnyServiceKey,
  type Family,
  familyOf,
  familyOfService,
  type IpAddress,
  isHashing,
  isMarkKey,
  type Protocol,
} from '../model/index.js';
import type { Ghost, Image } from './image.js';
import type { MarkEntry } from './marks.js';

/** ipvsadm's timeout of persistence. A daemon that finds a ghost knows no other. */
const FOUND_POLICY: Ghost['policy'] = { persistence: { timeout: 300 } };

/** Returns the ghost that a removed service becomes, or that an earlier process left: then its policy is not known. */
export function ghostOf(name: string, key: AnyService | AnyServiceKey): Ghost {
  const known = 'scheduler' in key ? key : undefined;
  return {
    name,
    service: name,
    family: familyOfService(key),
    ...(!isMarkKey(key) && { place: { address: key.address, protocol: key.protocol, ports: [key.port] } }),
    policy: known ?? FOUND_POLICY,
    lingers: known !== undefined && leavesFlowsOut(known),
  };
}

/** Returns the ghost that the entry of a mark becomes. */
export function ghostOfEntry(
  { name, service, address, protocol, ports }: MarkEntry,
  asked: AnyService | undefined,
): Ghost {
  return {
    name,
    service,
    family: familyOf(address),
    place: { address, protocol, ports },
    policy: asked ?? FOUND_POLICY,
    lingers: asked !== undefined && leavesFlowsOut(asked),
  };
}

/** Where a slot is enough, a flow gets its entry late, or none. */
function leavesFlowsOut({ scheduler }: AnyService): boolean {
  return isHashing(scheduler);
}

/** Adds ghosts to an image. Program and tables must go on with their families. */
export function withGhosts(image: Image, ghosts: readonly Ghost[]): Image {
  const bits = ghosts.map(({ family }) => feature.flows | (family === 4 ? feature.ipv4 : feature.ipv6));
  return { ...image, ghosts, features: bits.reduce((all, each) => all | each, image.features) };
}

/** An entry of a service table that belongs to a ghost. */
export interface GhostKey {
  readonly ghost: Ghost;
  readonly address: IpAddress;
  readonly port: number;
  readonly protocol: Protocol;
}

/** Returns the entries of a family's ghosts, but for those in whose place a service is. */
export function ghostKeys(
  family: Family,
  ghosts: readonly Ghost[],
  services: readonly { readonly address: IpAddress; readonly port: number; readonly protocol: Protocol }[],
): readonly GhostKey[] {
  if (ghosts.length === 0) {
    return [];
  }
  const taken = new Set(services.map(({ address, port, protocol }) => `${protocol} ${address} ${port}`));
  return ghosts.flatMap((ghost) => {
    const { place } = ghost;
    if (place === undefined || ghost.family !== family) {
      return [];
    }
    const { address, protocol, ports } = place;
    return ports.flatMap((port) => {
      const key = `${protocol} ${address} ${port}`;
      if (taken.has(key)) {
        return [];
      }
      taken.add(key);
      return [{ ghost, address, port, protocol }];
    });
  });
}
