/** Features: what the BPF program must be able to do for an image. It is loaded without the rest (ADR 8). */

import { feature } from '../layout/index.js';
import { familyOfService, type Interface } from '../model/index.js';
import type { Compilable, CompiledService } from './image.js';

/** Returns bits of enum feature. */
export function featuresFor(
  { fragments = true, vlans, directors = [] }: Compilable,
  services: readonly CompiledService[],
  interfaces: readonly Interface[],
): number {
  const some = (test: (service: CompiledService) => boolean): boolean => services.some(test);
  const hasVlan = ({ routes }: CompiledService): boolean =>
    routes.some((route) => route.action === 'forward' && route.vlan !== undefined);
  const wanted: Record<keyof typeof feature, boolean> = {
    // Without services too: most first services are IPv4, and then wait for no other program.
    ipv4: services.length === 0 || some(({ service }) => familyOfService(service) === 4),
    ipv6: some(({ service }) => familyOfService(service) === 6),
    vlan: vlans ?? some(hasVlan),
    nics: interfaces.length > 1,
    fragments,
    ttl: some(({ service }) => service.ttl === 'decrement'),
    directors: directors.length > 0,
    // Also if no flow needs to be remembered yet: a change must not wait until another program is loaded.
    flows: true,
  };
  return Object.entries(wanted).reduce(
    (bits, [name, on]) => (on ? bits | feature[name as keyof typeof feature] : bits),
    0,
  );
}

/** Returns the names of the features whose bits are set. */
export function featureNames(features: number): string[] {
  return Object.entries(feature)
    .filter(([, bit]) => (features & bit) !== 0)
    .map(([name]) => name);
}
