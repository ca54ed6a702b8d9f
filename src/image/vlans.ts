/** The VLANs whose frames are the director's: those of its real servers, and those for which the host has devices. */

import { type Interface, oncePer, type Vlan, type VlanTag } from '../model/index.js';
import type { Compilable, CompiledService, Vlans } from './image.js';

/**
 * Returns the VLANs whose frames the director forwards. As in Linux, which takes them by its VLAN devices for any VIP of
 * the host; without a device nobody here is in a VLAN, unless the configuration says so.
 */
export function ownVlans(
  { vlans }: Compilable,
  services: readonly CompiledService[],
  interfaces: readonly Interface[],
): Vlans {
  if (vlans !== undefined) {
    return vlans ? 'all' : [];
  }
  const configured = services.flatMap(vlansOf);
  const devices = interfaces.flatMap(({ above = [] }) => above.flatMap(({ vlan }) => (vlan ? [vlan] : [])));
  const all = [...configured.map(tagsOf), ...devices];
  return [...new Map(all.map((tags) => [JSON.stringify(tags), tags])).values()];
}

const vlansOf = oncePer(({ destinations, routes }: CompiledService): readonly Vlan[] =>
  destinations.flatMap(({ vlan }, i) => {
    const route = routes[i]!;
    const tagged = route.action === 'forward' ? route.vlan : undefined;
    return [vlan, tagged].filter((each) => each !== undefined);
  }),
);

function tagsOf({ id, outer }: Vlan): readonly VlanTag[] {
  return [
    ...(outer === undefined ? [] : [{ id: outer, service: true }]),
    ...(id === 0 ? [] : [{ id, service: false }]),
  ];
}
