/** Flows as commands show them: entries of the flow tables with names, and queries turned into filters. */

import type { FlowReport, FlowsQuery, FlowsReport, FlowSummary, FlowTableReport } from '../../control/index.js';
import type { DataPlane, FlowEntry, FlowFilter, FlowStatistics } from '../../dataplane/index.js';
import type { DestinationNumber, ServiceNumber } from '../../image/index.js';
import type { FlowState } from '../../layout/index.js';
import {
  BeelineError,
  type Family,
  familyOf,
  type IpAddress,
  ipBytes,
  type Protocol,
  type AnyService,
  isMarkKey,
} from '../../model/index.js';

/** IPVS's names of the states ("ipvsadm -Lc"). A template is ASSURED once one of its flows was established. */
const STATE_NAMES: Readonly<Record<FlowState, string>> = {
  free: 'NONE',
  'syn-recv': 'SYN_RECV',
  unconfirmed: 'ESTABLISHED',
  'udp-new': 'UDP',
  'template-new': 'NONE',
  close: 'CLOSE',
  'time-wait': 'TIME_WAIT',
  'fin-wait': 'FIN_WAIT',
  udp: 'UDP',
  established: 'ESTABLISHED',
  template: 'ASSURED',
  busy: 'NONE',
  'udp-lasting': 'UDP',
  'established-lasting': 'ESTABLISHED',
  'template-lasting': 'ASSURED',
};

/**
 * Returns IPVS's name of a state. A UDP service's template is never assured: ip_vs_proto_udp.c has no such state.
 *
 * @param protocol of the service; undefined: the service of a mark
 */
export function shownState(state: FlowState, protocol: Protocol | undefined): string {
  return protocol === 'udp' && STATE_NAMES[state] === 'ASSURED' ? 'NONE' : STATE_NAMES[state];
}

/** No table has more entries. */
const MAX_PLACE = 0xffff_ffff;

/** How many of the busiest clients a summary has. */
const TOP_CLIENTS = 10;

/** The service that a number in a flow's entry stands for; also one that was removed. */
interface Named {
  readonly name: string;
  /** 0: any, or there is none. */
  readonly port: number;
  readonly mark?: number;
  readonly policy: Pick<AnyService, 'timeouts' | 'persistence'>;
  /** The VIP and protocol of the service, or of the entry that leads to a mark's service; a mark alone has neither. */
  readonly vip?: { readonly address: IpAddress; readonly protocol: Protocol };
}

/** Services and destinations by their numbers. */
interface Names {
  readonly services: ReadonlyMap<ServiceNumber, Named>;
  readonly destinations: ReadonlyMap<DestinationNumber, IpAddress>;
}

function namesOf(dataPlane: DataPlane): Names {
  const services = new Map<ServiceNumber, Named>();
  const destinations = new Map<DestinationNumber, IpAddress>();
  const { numbering, image } = dataPlane;
  for (const { name, service } of image?.services ?? []) {
    const numbers = numbering.get(name);
    if (numbers !== undefined) {
      const { number } = numbers;
      services.set(number, namedOf(name, service));
      numbers.destinations.forEach((number, address) => destinations.set(number, address));
    }
  }
  for (const { name, service, address, protocol } of image?.markEntries ?? []) {
    const [own, group] = [numbering.get(name)?.number, numbering.get(service)?.number];
    const marked = group === undefined ? undefined : services.get(group);
    if (own !== undefined && marked !== undefined) {
      services.set(own, { ...marked, vip: { address, protocol } });
    }
  }
  for (const { name, service, place, policy } of image?.ghosts ?? []) {
    const [own, group] = [numbering.get(name)!, numbering.get(service)];
    const mark = /^fwm (\d+)/.exec(service)?.[1];
    services.set(own.number, {
      name: service,
      port: mark === undefined ? (place?.ports[0] ?? 0) : 0,
      ...(mark !== undefined && { mark: Number(mark) }),
      policy,
      ...(place !== undefined && { vip: place }),
    });
    (group ?? own).destinations.forEach((number, address) => destinations.set(number, address));
  }
  return { services, destinations };
}

function namedOf(name: string, service: AnyService): Named {
  return isMarkKey(service)
    ? { name, port: 0, mark: service.mark, policy: service }
    : { name, port: service.port, policy: service, vip: service };
}

/**
 * Returns a page of flows.
 *
 * @throws BeelineError `NOT_FOUND`, `USAGE`
 */
export async function reportFlows(dataPlane: DataPlane, query: FlowsQuery): Promise<FlowsReport> {
  const names = namesOf(dataPlane);
  const families = familiesOf(query);
  const filter = filterOf(dataPlane, query);
  let [family, from] = placeOf(query.from, families);
  const flows: FlowReport[] = [];
  while (flows.length < query.limit) {
    const page = await dataPlane.listFlows(family, filter, from, query.limit - flows.length);
    flows.push(...page.flows.flatMap((entry) => reportFlow(entry, names, dataPlane) ?? []));
    if (page.next !== undefined) {
      from = page.next;
      continue;
    }
    const next = families[families.indexOf(family) + 1];
    if (next === undefined) {
      return { flows };
    }
    [family, from] = [next, 0];
  }
  return { flows, next: `${family}:${from}` };
}

/** Returns how many flows are in each state, and the clients with the most flows. */
export async function summarizeFlows(
  dataPlane: DataPlane,
  statistics: FlowStatistics | undefined,
  query: FlowsQuery,
): Promise<FlowSummary> {
  const filter = filterOf(dataPlane, query);
  const sums = await Promise.all(
    familiesOf(query).map((family) => dataPlane.summarizeFlows(family, filter, TOP_CLIENTS)),
  );
  const states: Record<string, number> = {};
  for (const [state, count] of sums.flatMap((each) => Object.entries(each.states))) {
    const shown = STATE_NAMES[state as FlowState];
    states[shown] = (states[shown] ?? 0) + count;
  }
  return {
    states,
    topClients: sums
      .flatMap(({ topClients }) => topClients)
      .sort((a, b) => b.flows - a.flows)
      .slice(0, TOP_CLIENTS),
    tables: statistics === undefined ? [] : [tableReport('IPv4', statistics), tableReport('IPv6', statistics)],
    ...dataPlane.flowTotals(),
  };
}

function tableReport(family: FlowTableReport['family'], { tables }: FlowStatistics): FlowTableReport {
  const { entries, most, used, full, fullBuckets, bytes } = tables[family === 'IPv4' ? 'ipv4' : 'ipv6'];
  return { family, entries, most, used, full, fullBuckets, bytes };
}

function reportFlow(entry: FlowEntry, { services, destinations }: Names, dataPlane: DataPlane): FlowReport | undefined {
  const found = services.get(entry.service);
  const realServer = destinations.get(entry.destination);
  if (found === undefined || realServer === undefined) {
    return undefined;
  }
  const { name, port, mark, policy, vip } = found;
  const timeout = dataPlane.timeoutOf({ name, service: policy }, entry);
  return {
    ...(vip !== undefined && { protocol: vip.protocol }),
    client: entry.client,
    clientPort: entry.clientPort,
    service: name,
    ...(mark !== undefined && { mark }),
    ...(vip !== undefined && { vip: vip.address, port: entry.port === 0 ? port : entry.port }),
    realServer,
    state: shownState(entry.state, found.mark === undefined ? found.vip?.protocol : undefined),
    idleSeconds: Math.round(entry.idleSeconds),
    expiresSeconds: Math.max(0, Math.round(timeout - entry.idleSeconds)),
  };
}

/** Returns the address families that can have the flows of a query. */
function familiesOf({ client, realServer: server }: FlowsQuery): readonly Family[] {
  const known = client ?? server;
  return known === undefined ? [4, 6] : [familyOf(known)];
}

function placeOf(from: string | undefined, families: readonly Family[]): [Family, number] {
  if (from === undefined) {
    return [families[0]!, 0];
  }
  const parts = /^([46]):(\d{1,10})$/.exec(from);
  if (parts === null || Number(parts[2]) > MAX_PLACE) {
    throw new BeelineError('USAGE', `"${from}" is not the place of a page`, { hint: 'Use "next" of the page before.' });
  }
  return [Number(parts[1]) as Family, Number(parts[2])];
}

/** @throws BeelineError `NOT_FOUND`, `USAGE` */
function filterOf(dataPlane: DataPlane, { service, realServer: server, client, state }: FlowsQuery): FlowFilter {
  const numbers = service === undefined ? undefined : dataPlane.numbering.get(service);
  if (service !== undefined && numbers === undefined) {
    throw new BeelineError('NOT_FOUND', `there is no service ${service}`, { hint: 'See "beeline list".' });
  }
  const states = Object.entries(STATE_NAMES).filter(([, name]) => name === state?.toUpperCase());
  if (state !== undefined && states.length === 0) {
    const known = [...new Set(Object.values(STATE_NAMES))].join(', ');
    throw new BeelineError('USAGE', `"${state}" is not a state of a flow`, { hint: `The states are ${known}.` });
  }
  const destination = server === undefined ? undefined : destinationNumber(dataPlane, service, server);
  return {
    services: numbers === undefined ? undefined : [numbers.number, ...leadingTo(dataPlane, service!)],
    destination,
    client: client === undefined ? undefined : ipBytes(client),
    states: state === undefined ? undefined : states.map(([name]) => name as FlowState),
  };
}

/** Returns the numbers of the entries that lead to a mark's service. */
function leadingTo({ image, numbering }: DataPlane, service: string): ServiceNumber[] {
  const ghosts = image?.ghosts.filter(({ name }) => name !== service) ?? [];
  const entries = [...(image?.markEntries ?? []), ...ghosts].filter((entry) => entry.service === service);
  return entries.flatMap(({ name }) => numbering.get(name)?.number ?? []);
}

/** Returns the number of a real server within a service. A real server may be in several services. */
function destinationNumber(dataPlane: DataPlane, service: string | undefined, server: IpAddress): DestinationNumber {
  const all = [...dataPlane.numbering].filter(
    ([name, { destinations }]) => (service === undefined || name === service) && destinations.has(server),
  );
  if (all.length === 0) {
    throw new BeelineError('NOT_FOUND', `there is no real server ${server}`, { hint: 'See "beeline list".' });
  }
  if (all.length > 1) {
    throw new BeelineError('USAGE', `${server} is a real server of ${all.length} services`, {
      hint: 'Choose one with --service.',
    });
  }
  return all[0]![1].destinations.get(server)!;
}
