/** Listings as ipvsadm prints them, byte by byte (ipvsadm.c: print_title, print_service_entry, print_conn). Pure. */

import type {
  FlowReport,
  ServiceTable,
  Statistics,
  TableDestination,
  TableMarkService,
  TableService,
} from '../control/index.js';
import { type Family, familyOf, type IpAddress, ipFromBytes, isMarkKey, type Protocol } from '../model/index.js';
import type { ListFormat } from './command.js';
import { destinationsSorted, inKernelOrder, inSortedOrder } from './sort.js';

/** The version of IPVS that listings claim; the size is that of its connection table. */
const TITLE = 'IP Virtual Server version 1.2.1 (size=4096)\n';

/** The names of addresses and ports. */
export interface Labels {
  host(address: IpAddress): string;
  port(port: number, protocol: Protocol | undefined): string;
}

export const NUMBERS: Labels = { host: (address) => address, port: String };

export type ListedService = TableService | TableMarkService;

/** Returns the services of a table in the order of a listing. */
export function listedServices(table: ServiceTable, sorted: boolean, salt?: number): ListedService[] {
  const services = inKernelOrder<ListedService>([...table.services, ...table.markServices], salt);
  return sorted ? inSortedOrder(services) : services;
}

/** Returns a service's destinations in the order of a listing. */
function listedDestinations({ destinations }: ListedService, sorted: boolean): TableDestination[] {
  const newestFirst = [...destinations].reverse();
  return sorted ? destinationsSorted(newestFirst) : newestFirst;
}

/** Prints services and destinations. @param titled print the version of IPVS first: ipvsadm does not for a single service */
export function formatList(
  services: readonly ListedService[],
  format: ListFormat,
  labels: Labels,
  titled: boolean,
): string {
  const rows = services.flatMap((service) => [
    formatService(service, format, labels),
    ...listedDestinations(service, format.sorted)
      .filter(isListed)
      .map((each) => formatDestination(service, each, format, labels)),
  ]);
  return (titled ? TITLE : '') + columnTitles(format) + rows.join('');
}

/** A fallback that is not needed is listed while it has flows: keepalived and ldirectord add theirs only when it is needed. */
function isListed({ spare, weight, active, inactive }: TableDestination): boolean {
  return spare !== true || weight > 0 || active + inactive > 0;
}

function columnTitles({ columns }: ListFormat): string {
  const first = 'Prot LocalAddress:Port';
  const second = '  -> RemoteAddress:Port';
  const figures = (names: readonly string[]): string => names.map((name) => ` ${name.padStart(8)}`).join('');
  switch (columns) {
    case 'stats':
      return `${first.padEnd(33)}${figures(['Conns', 'InPkts', 'OutPkts', 'InBytes', 'OutBytes'])}\n${second}\n`;
    case 'rate':
      return `${first.padEnd(33)}${figures(['CPS', 'InPPS', 'OutPPS', 'InBPS', 'OutBPS'])}\n${second}\n`;
    case 'thresholds':
      return `${first.padEnd(33)} ${cells(['Uthreshold', 'Lthreshold', 'ActiveConn', 'InActConn'], [10, 10, 10, 10])}\n${second}\n`;
    case 'persistent-conn':
      return `${first.padEnd(33)} ${cells(['Weight', 'PersistConn', 'ActiveConn', 'InActConn'], [9, 11, 10, 10])}\n${second}\n`;
    case 'tun-info':
      return `${first} Scheduler Flags\n${second}           Forward TunnelInfo    Weight ActiveConn InActConn\n`;
    case 'default':
      return `${first} Scheduler Flags\n${second}           Forward Weight ActiveConn InActConn\n`;
  }
}

function cells(values: readonly (string | number)[], widths: readonly number[]): string {
  return values.map((value, i) => String(value).padEnd(widths[i]!)).join(' ');
}

/** The width of a name; names with an IPv6 address may be longer. */
const SERVICE_WIDTH = 33;
const DESTINATION_WIDTH = 28;

function formatService(service: ListedService, format: ListFormat, labels: Labels): string {
  const name = isMarkKey(service)
    ? `FWM  ${service.mark | 0}${service.family === 6 ? ' IPv6' : ''}`
    : shortened(`${service.protocol.toUpperCase().padEnd(4)} ${endpointOf(service, labels)}`, service, SERVICE_WIDTH);
  switch (format.columns) {
    case 'stats':
      return `${name.padEnd(SERVICE_WIDTH)}${countsOf(service.counters, format)}\n`;
    case 'rate':
      return `${name.padEnd(SERVICE_WIDTH)}${countsOf(service.rates, format)}\n`;
    case 'default':
    case 'thresholds':
    case 'persistent-conn':
    case 'tun-info':
      return `${name} ${schedulingOf(service)}\n`;
  }
}

function shortened(name: string, service: ListedService, width: number): string {
  return familyOfService(service) === 6 ? name : name.slice(0, width);
}

/** "wlc (flags) persistent 300 mask 255.255.255.0 ops" */
function schedulingOf(service: ListedService): string {
  const { scheduler, flags = [], persistence, onePacket } = service;
  const mask = shownMask(service);
  return [
    scheduler,
    ...(flags.length === 0 ? [] : [`(${flagsOf(service)})`]),
    ...(persistence === undefined ? [] : [`persistent ${persistence.timeout}`]),
    ...(mask === undefined ? [] : [`mask ${mask}`]),
    ...(onePacket === true ? ['ops'] : []),
  ].join(' ');
}

/** Prints the flags in the order of their bits: fallback, then port. */
function flagsOf({ flags = [] }: ListedService): string {
  return [...flags].sort().join(',');
}

/** Returns the mask if it makes several clients one. */
function shownMask({ persistence }: ListedService): IpAddress | number | undefined {
  const mask = persistence?.mask;
  return mask === '255.255.255.255' || mask === 128 ? undefined : mask;
}

function formatDestination(
  service: ListedService,
  destination: TableDestination,
  format: ListFormat,
  labels: Labels,
): string {
  const { weight, upperThreshold = 0, lowerThreshold = 0, local, active, inactive, persistent } = destination;
  const name = shortened(destinationEndpoint(service, destination, labels), service, DESTINATION_WIDTH);
  const start = `  -> ${name.padEnd(DESTINATION_WIDTH)}`;
  const forward = (local ? 'Local' : 'Route').padEnd(7);
  switch (format.columns) {
    case 'stats':
      return `${start}${countsOf(destination.counters, format)}\n`;
    case 'rate':
      return `${start}${ratesOf(destination.rates, format)}\n`;
    case 'thresholds':
      return `${start} ${cells([upperThreshold, lowerThreshold, active, inactive], [10, 10, 10, 10])}\n`;
    case 'persistent-conn':
      return `${start} ${cells([weight, persistent, active, inactive], [9, 11, 10, 10])}\n`;
    case 'tun-info':
      return `${start} ${forward} ${cells(['n/a', weight, active, inactive], [13, 6, 10, 10])}\n`;
    case 'default':
      return `${start} ${forward} ${cells([weight, active, inactive], [6, 10, 10])}\n`;
  }
}

/** Prints connections, and packets and bytes in. Those out are 0: in direct routing replies bypass the director. */
function countsOf({ connections, packets, bytes }: Statistics, { exact }: ListFormat): string {
  return [connections, packets, 0, bytes, 0].map((count) => largeNumber(count, exact)).join('');
}

/** Prints a destination's rates; those of connections and packets in full. */
function ratesOf({ connections, packets, bytes }: Statistics, { exact }: ListFormat): string {
  const full = [connections, packets, 0].map((rate) => ` ${String(Math.round(rate)).padStart(8)}`);
  return [...full, ...[bytes, 0].map((rate) => largeNumber(rate, exact))].join('');
}

/** ipvsadm's print_largenum: nine characters, or more if the number must be exact. */
export function largeNumber(value: number | bigint, exact: boolean): string {
  const whole = typeof value === 'bigint' ? value : BigInt(Math.round(value));
  const text = String(whole);
  if (exact) {
    return text.length <= 8 ? text.padStart(9) : ` ${text}`;
  }
  const inUnits = (unit: bigint, letter: string): string => String(whole / unit).padStart(8) + letter;
  if (whole < 100_000_000n) {
    return text.padStart(9);
  }
  if (whole < 1_000_000_000n) {
    return inUnits(1_000n, 'K');
  }
  if (whole < 100_000_000_000n) {
    return inUnits(1_000_000n, 'M');
  }
  return whole < 100_000_000_000_000n ? inUnits(1_000_000_000n, 'G') : inUnits(1_000_000_000_000n, 'T');
}

function familyOfService(service: ListedService): Family {
  return isMarkKey(service) ? service.family : familyOf(service.address);
}

function endpointOf({ address, port, protocol }: TableService, labels: Labels): string {
  return endpoint(address, labels.host(address), labels.port(port, protocol));
}

/** Prints a destination with the port of its service, which it always has in direct routing; of a mark's, as it was given. */
function destinationEndpoint(service: ListedService, destination: TableDestination, labels: Labels): string {
  const { address, port: given = 0 } = destination;
  const port = isMarkKey(service) ? String(given) : labels.port(service.port, service.protocol);
  return endpoint(address, labels.host(address), port);
}

function endpoint(address: IpAddress, host: string, port: string): string {
  return familyOf(address) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Prints commands that recreate the services, for `-R`. ipvsadm leaves thresholds out. */
export function formatSave(services: readonly ListedService[], labels: Labels): string {
  return services.map((service) => formatRules(service, labels)).join('');
}

function formatRules(service: ListedService, labels: Labels): string {
  const { scheduler, flags = [], persistence, onePacket } = service;
  const key = isMarkKey(service)
    ? `-f ${service.mark | 0}${service.family === 6 ? ' -6' : ''}`
    : `-${service.protocol === 'udp' ? 'u' : 't'} ${endpointOf(service, labels)}`;
  const mask = shownMask(service);
  const rule = [
    `-A ${key} -s ${scheduler}`,
    ...(persistence === undefined ? [] : [`-p ${persistence.timeout}`]),
    ...(mask === undefined ? [] : [`-M ${mask}`]),
    ...(onePacket === true ? ['-o'] : []),
    ...(flags.length === 0 ? [] : [`-b ${flagsOf(service)}`]),
  ].join(' ');
  const servers = listedDestinations(service, true)
    .filter(({ spare }) => spare !== true)
    .map((each) => `-a ${key} -r ${destinationEndpoint(service, each, labels)} -g -w ${each.asked ?? each.weight}\n`);
  return `${rule}\n${servers.join('')}`;
}

/** The title of a list of connections. @param engines add columns for persistence engines, which Beeline leaves empty */
export function connectionTitle(engines: boolean): string {
  const columns = ['state'.padEnd(11), 'source'.padEnd(18), 'virtual'.padEnd(18)];
  const last = engines ? ['destination'.padEnd(18), 'pe name'.padEnd(16), 'pe_data'] : ['destination'];
  return `IPVS connection entries\npro expire ${[...columns, ...last].join(' ')}\n`;
}

export function formatConnection(flow: FlowReport, labels: Labels): string {
  const { protocol, client, clientPort, vip, port, realServer: server, state, expiresSeconds, mark } = flow;
  const at = (address: IpAddress, number: number): string =>
    endpoint(address, labels.host(address), labels.port(number, protocol));
  const virtual =
    vip === undefined || port === undefined ? endpoint(client, markAddress(mark ?? 0, client), '0') : at(vip, port);
  const columns = [
    (protocol?.toUpperCase() ?? 'IP').padEnd(3),
    timer(expiresSeconds).padEnd(6),
    state.padEnd(11),
    at(client, clientPort).padEnd(18),
    virtual.padEnd(18),
    at(server, port ?? 0),
  ];
  return `${columns.join(' ')}\n`;
}

/** IPVS keeps a template's mark in the first word of its VIP: 7 is 0.0.0.7, or 0:7:: for IPv6. */
function markAddress(mark: number, client: IpAddress): IpAddress {
  const bytes = new Uint8Array(familyOf(client) === 6 ? 16 : 4);
  new DataView(bytes.buffer).setUint32(0, mark);
  return ipFromBytes(bytes);
}

/** Minutes and seconds. */
function timer(seconds: number): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(Math.floor(seconds / 60))}:${two(Math.floor(seconds % 60))}`;
}

export function formatTimeouts({ tcp, tcpfin, udp }: ServiceTable['timeouts']): string {
  return `Timeout (tcp tcpfin udp): ${tcp} ${tcpfin} ${udp}\n`;
}
