/** From the model, its image and its counters to what ipvsadm lists. Pure. */

import type { ServiceTable, TableDestination, TableEntry } from '../../control/index.js';
import type { FlowCounts } from '../../dataplane/index.js';
import type { CompiledService } from '../../image/index.js';
import {
  type AnyService,
  DEFAULT_TIMEOUTS,
  type Destination,
  editKeyName,
  type Model,
  withDefaults,
} from '../../model/index.js';
import type { Tallies } from './tally.js';

export interface TableSources {
  /** As it is in force: without who is out, and without weight who is on the way out. */
  readonly model: Model;
  readonly image: readonly CompiledService[];
  readonly flowCounts: ReadonlyMap<string, readonly FlowCounts[]>;
  readonly tallies: Pick<Tallies, 'figuresOf'>;
}

/** Services and real servers that are not in the image yet have no figures. */
export function reportTable({ model, image, flowCounts, tallies }: TableSources): ServiceTable {
  const compiled = new Map(image.map((each) => [each.name, each]));
  const { services, markServices = [], markRules = [], timeouts } = model;
  const entryOf = (service: AnyService): TableEntry => {
    const name = editKeyName(service);
    const placed = placesOf(compiled.get(name));
    const counts = flowCounts.get(name) ?? [];
    const { scheduler, flags, persistence, onePacket, destinations } = service;
    return {
      scheduler,
      ...(flags === undefined ? {} : { flags }),
      ...(persistence === undefined ? {} : { persistence }),
      ...(onePacket === undefined ? {} : { onePacket }),
      ...tallies.figuresOf(name),
      destinations: destinations.map((destination): TableDestination => {
        const place = placed.get(destination.address);
        const { active = 0, inactive = 0, persistent = 0 } = (place && counts[place.index]) ?? {};
        const local = place?.local ?? false;
        const figures = tallies.figuresOf(name, destination.address);
        return { ...describe(destination), local, active, inactive, persistent, ...figures };
      }),
    };
  };
  const { established: tcp, finWait: tcpfin, udp } = withDefaults(DEFAULT_TIMEOUTS, timeouts);
  return {
    services: services.map((each) => {
      const { address, port, protocol } = each;
      return { address, port, protocol, ...entryOf(each) };
    }),
    markServices: markServices.map((each) => ({ mark: each.mark, family: each.family, ...entryOf(each) })),
    markRules,
    timeouts: { tcp, tcpfin, udp },
  };
}

function describe({
  address,
  weight,
  upperThreshold,
  lowerThreshold,
}: Destination): Omit<TableDestination, 'local' | 'active' | 'inactive' | 'persistent' | 'counters' | 'rates'> {
  return {
    address,
    weight,
    ...(upperThreshold === undefined ? {} : { upperThreshold }),
    ...(lowerThreshold === undefined ? {} : { lowerThreshold }),
  };
}

/** Where each real server stands in the image, which has an order of its own. */
function placesOf(compiled: CompiledService | undefined): Map<string, { index: number; local: boolean }> {
  const { destinations = [], routes = [] } = compiled ?? {};
  return new Map(
    destinations.map(({ address }, index) => [address, { index, local: routes[index]!.action === 'local' }]),
  );
}
