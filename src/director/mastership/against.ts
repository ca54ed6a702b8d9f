/** What speaks against mastership in the last round: interfaces, essential services, real servers that are missing. Pure. */

import type { InterfaceReport } from '../../control/index.js';
import type { CompiledService } from '../../image/index.js';
import type { HealthOf, ServerHealth } from '../../health/rules.js';
import type { Destination } from '../../model/index.js';
import type { Against } from './decision.js';

/** The most things of one kind that are named. */
const FEW = 3;

export interface Seen {
  readonly interfaces: readonly (InterfaceReport & { readonly up: boolean })[];
  /** As packets follow them; undefined: nothing was published yet. */
  readonly services: readonly Pick<CompiledService, 'service' | 'name' | 'destinations' | 'routes'>[] | undefined;
  readonly healthOf: HealthOf;
}

export function againstMastership({ interfaces, services, healthOf }: Seen): Omit<Against, 'asked'> {
  const forwarding = interfaces.flatMap(({ name, state, up }) =>
    state !== 'attached'
      ? [`${name}: packets are not forwarded (${state})`]
      : up
        ? []
        : [`${name} is down, or has no carrier`],
  );
  if (services === undefined) {
    return { forwarding: [...forwarding, 'nothing was published yet'], essential: [], missing: [] };
  }
  const isUp = (name: string, destination: Destination, i: number, routes: CompiledService['routes']): boolean =>
    routes[i]?.action !== 'none' && isHealthy(destination, healthOf(name, destination.address));
  const lacking = services.filter(
    ({ service, name, destinations, routes }) =>
      service.essential === true && !destinations.some((each, i) => isUp(name, each, i, routes)),
  );
  const missing = new Set(
    services.flatMap(({ destinations, routes }) =>
      destinations.flatMap(({ address, weight }, i) =>
        weight > 0 && routes[i]?.action === 'none' ? [address as string] : [],
      ),
    ),
  );
  return {
    forwarding,
    essential: few(lacking.map(({ name }) => `${name}: no real server is up, and it is essential`)),
    missing: few([...missing].map((address) => `the MAC of ${address} is not known`)),
  };
}

/** Whether a real server takes new flows because it is well, and not because nothing else is left. */
function isHealthy({ weight, condition }: Destination, health: ServerHealth | undefined): boolean {
  const isSpare = condition?.spare === true || condition?.word === 'panic';
  return weight > 0 && !isSpare && (health === undefined || (health.isUp && isKnown(health)));
}

/** A check that has not ended yet says nothing; one that cannot be made never will. */
function isKnown({ checks }: ServerHealth): boolean {
  return checks.every(({ state, trouble }) => state.last !== undefined || trouble !== undefined);
}

function few(all: readonly string[]): readonly string[] {
  return all.length <= FEW ? all : [...all.slice(0, FEW), `and ${all.length - FEW} more like these`];
}
