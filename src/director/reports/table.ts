/** Turns the model, its image and its statistics into the table that ipvsadm lists. Pure. */

import type { ServiceTable, TableDestination, TableEntry } from '../../control/index.js';
import type { FlowCounts } from '../../dataplane/index.js';
import type { CompiledService } from '../../image/index.js';
import {
  type AnyService,
  askedWeight,
  DEFAULT_TIMEOUTS,
  type Destination,
  serviceName,
  type Model,
  withDefaults,
} from '../../model/index.js';
import type { StatisticsCollector } from './statistics.js';

export interface TableSources {
  /** The effective model. */
  readonly model: Model;
  readonly image: readonly CompiledService[];
  readonly flowCounts: ReadonlyMap<string, readonly FlowCounts[]>;
  readonly statistics: Pick<StatisticsCollector, 'statisticsOf'>;
}

/** Returns the table. Services and real servers that are not in the image yet have zeros. */
export function reportTable({ model, image, flowCounts, statistics }: TableSources): ServiceTable {
  const compiled = new Map(image.map((each) => [each.name, each]));
  const { services, markServices = [], markRules = [], timeouts } = model;
  const entryOf = (service: AnyService): TableEntry => {
    const name = serviceName(service);
    const placed = placesOf(compiled.get(name));
    const counts = flowCounts.get(name) ?? [];
    const { scheduler, flags, persistence, onePacket, destinations } = service;
    return {
      scheduler,
      ...(flags === undefined ? {} : { flags }),
      ...(persistence === undefined ? {} : { persistence }),
      ...(onePacket === undefined ? {} : { onePacket }),
      ...statistics.statisticsOf(name),
      destinations: destinations.map((destination): TableDestination => {
        const place = placed.get(destination.address);
        const { active = 0, inactive = 0, persistent = 0 } = (place && counts[place.index]) ?? {};
        const local = place?.local ?? false;
        const counted = statistics.statisticsOf(name, destination.address);
        return { ...describe(destination), local, active, inactive, persistent, ...counted };
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

function describe(
  destination: Destination,
): Omit<TableDestination, 'local' | 'active' | 'inactive' | 'persistent' | 'counters' | 'rates'> {
  const { address, port, weight, upperThreshold, lowerThreshold, condition } = destination;
  const configured = condition?.configured ?? weight;
  // While one ramps, all weights are in smaller units.
  const shown = weight > 0 ? askedWeight(destination) : 0;
  return {
    address,
    ...(port === undefined ? {} : { port }),
    weight: shown,
    ...(configured === shown ? {} : { asked: configured }),
    ...(condition?.spare === true ? { spare: true } : {}),
    ...(upperThreshold === undefined ? {} : { upperThreshold }),
    ...(lowerThreshold === undefined ? {} : { lowerThreshold }),
  };
}

/** Returns the place of each real server in the image, which has another order than the model. */
function placesOf(compiled: CompiledService | undefined): Map<string, { index: number; local: boolean }> {
  const { destinations = [], routes = [] } = compiled ?? {};
  return new Map(
    destinations.map(({ address }, index) => [address, { index, local: routes[index]!.action === 'local' }]),
  );
}
