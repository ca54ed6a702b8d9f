/** Service keys: the addresses, ports and protocols by which packets are matched to services. */

import * as layout from '../../layout/index.js';
import { type Family, familyOf, type IpAddress, isMarkKey, type ServiceKey } from '../../model/index.js';
import { type GhostKey, ghostKeys } from '../ghosts.js';
import type { CompiledService, Image } from '../image.js';
import { coveredBy } from '../marks.js';

/** An entry of a service table. */
export interface Key extends ServiceKey {
  /** The name that has its number. */
  readonly name: string;
  readonly compiled: CompiledService;
}

const knownKeys = new WeakMap<Image, Readonly<Record<Family, readonly Key[]>>>();

/** Returns the entries of a family, without those that say which addresses are VIPs. */
export function keysOf(family: Family, image: Image): readonly Key[] {
  let found = knownKeys.get(image);
  if (found === undefined) {
    const all = allKeys(image);
    const of = (each: Family): Key[] => all.filter(({ address }) => familyOf(address) === each);
    found = { 4: of(4), 6: of(6) };
    knownKeys.set(image, found);
  }
  return found[family];
}

function allKeys({ services, markEntries }: Image): Key[] {
  const isCovered = markEntries.length === 0 ? () => false : coveredBy(markEntries);
  const own = services.flatMap((compiled): Key[] => {
    const { service, name } = compiled;
    if (isMarkKey(service) || isCovered(service)) {
      return [];
    }
    const { address, port, protocol } = service;
    return [{ address, port, protocol, name, compiled }];
  });
  if (markEntries.length === 0) {
    return own;
  }
  const byName = new Map(services.map((compiled) => [compiled.name, compiled]));
  return [
    ...own,
    ...markEntries.flatMap(({ name, service, address, protocol, ports }) =>
      ports.map((port): Key => ({ address, port, protocol, name, compiled: byName.get(service)! })),
    ),
  ];
}

const knownGhostKeys = new WeakMap<Image, Partial<Record<Family, readonly GhostKey[]>>>();

/** Returns the entries of a family's ghosts. */
export function ghostKeysOf(family: Family, image: Image): readonly GhostKey[] {
  const known = knownGhostKeys.get(image) ?? {};
  const found = known[family] ?? ghostKeys(family, image.ghosts, keysOf(family, image));
  knownGhostKeys.set(image, { ...known, [family]: found });
  return found;
}

const knownVips = new WeakMap<Image, Partial<Record<Family, ReadonlyMap<IpAddress, number>>>>();

/** Returns the VIPs of a family, and flags that say which protocols have a service for every port. */
export function vipsOf(family: Family, image: Image): ReadonlyMap<IpAddress, number> {
  const known = knownVips.get(image) ?? {};
  const found = known[family] ?? findVips(family, image);
  knownVips.set(image, { ...known, [family]: found });
  return found;
}

function findVips(family: Family, image: Image): Map<IpAddress, number> {
  const flags = new Map<IpAddress, number>();
  for (const { address, port, protocol } of [...keysOf(family, image), ...ghostKeysOf(family, image)]) {
    const wildcard = port === 0 ? layout.serviceFlag[`wildcard-${protocol}`] : 0;
    flags.set(address, (flags.get(address) ?? 0) | wildcard);
  }
  return flags;
}

/** Returns the host's own addresses of a family, without VIPs; none if no service could get their packets, and no ghost. */
export function ownOf(family: Family, image: Image): readonly IpAddress[] {
  return vipsOf(family, image).size === 0 ? [] : image.own.filter((address) => familyOf(address) === family);
}
