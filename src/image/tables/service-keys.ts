/** Service keys: the addresses, ports and protocols by which packets are matched to services. */

import * as layout from '../../layout/index.js';
import { type Family, familyOf, type IpAddress, isMarkKey, oncePer, type ServiceKey } from '../../model/index.js';
import { type GhostKey, ghostKeys } from '../ghosts.js';
import type { CompiledService, Image } from '../image.js';
import { coveredBy } from '../marks.js';

/** An entry of a service table. */
export interface Key extends ServiceKey {
  /** The name that has its number. */
  readonly name: string;
  readonly compiled: CompiledService;
}

/** Returns a function that computes once for each family and image. */
function oncePerFamily<Value extends object>(
  compute: (family: Family, image: Image) => Value,
): (family: Family, image: Image) => Value {
  const of = { 4: oncePer((image: Image) => compute(4, image)), 6: oncePer((image: Image) => compute(6, image)) };
  return (family, image) => of[family](image);
}

/** Returns the entries of a family, without those that say which addresses are VIPs. */
export const keysOf = oncePerFamily((family, image): readonly Key[] =>
  allKeys(image).filter(({ address }) => familyOf(address) === family),
);

const allKeys = oncePer(({ services, markEntries }: Image): readonly Key[] => {
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
});

/** Returns the entries of a family's ghosts. */
export const ghostKeysOf = oncePerFamily((family, image): readonly GhostKey[] =>
  ghostKeys(family, image.ghosts, keysOf(family, image)),
);

/** Returns the VIPs of a family, and flags that say which protocols have a service for every port. */
export const vipsOf = oncePerFamily((family, image): ReadonlyMap<IpAddress, number> => {
  const flags = new Map<IpAddress, number>();
  for (const { address, port, protocol } of [...keysOf(family, image), ...ghostKeysOf(family, image)]) {
    const wildcard = port === 0 ? layout.serviceFlag[`wildcard-${protocol}`] : 0;
    flags.set(address, (flags.get(address) ?? 0) | wildcard);
  }
  return flags;
});

/** Returns the host's own addresses of a family, without VIPs; none if no service could get their packets, and no ghost. */
export function ownOf(family: Family, image: Image): readonly IpAddress[] {
  return vipsOf(family, image).size === 0 ? [] : image.own.filter((address) => familyOf(address) === family);
}
