/** Finds where the program that configures the network has an interface, so that a file of ours can add VIPs to it. */

import { posix } from 'node:path';

import { isMap, type YAMLMap } from 'yaml';

import { BeelineError } from '../../model/index.js';
import { type AddressWay, FILE_NAMES, ownNetworkFile } from '../boot-file.js';
import { type Place, placeOfLo } from '../place.js';
import type { Machine } from './host.js';
import { readNetplan } from './netplan.js';

/** What is written into files as the name of an interface: nothing that a shell or YAML would read otherwise. */
const PLAIN_NAME = /^[A-Za-z0-9._-]{1,15}$/;

export interface PlaceRequest {
  readonly way: AddressWay;
  readonly device: string;
  readonly ifindex: number;
  /** How our files are named: FileOwner's. */
  readonly fileName: string;
}

/** @throws BeelineError `USAGE` if that program does not have the interface, or no file can add to what it has */
export function placeFor(host: Machine, request: PlaceRequest): Place {
  if (!PLAIN_NAME.test(request.device)) {
    throw unplaced(request, 'its name has characters that have a meaning in such files');
  }
  if (!PROGRAMS[request.way].some((path) => host.exists(path))) {
    throw unplaced(request, 'it is not installed on this host, and nothing else reads its files');
  }
  refuseBesideProfile(host, request);
  switch (request.way) {
    case 'systemd-networkd':
      return placeInNetworkd(host, request);
    case 'netplan':
      return placeInNetplan(host, request);
    case 'ifupdown':
      return placeInIfupdown(host, request);
    case 'networkmanager':
      return placeInNetworkManager(host, request);
  }
}

/** The program that reads the files of each way, wherever a distribution has it. */
export const PROGRAMS: Readonly<Record<AddressWay, readonly string[]>> = {
  'systemd-networkd': ['/usr/lib/systemd/systemd-networkd', '/lib/systemd/systemd-networkd'],
  netplan: ['/usr/sbin/netplan', '/sbin/netplan', '/usr/bin/netplan'],
  ifupdown: ['/usr/sbin/ifup', '/sbin/ifup'],
  networkmanager: ['/usr/sbin/NetworkManager', '/usr/bin/NetworkManager'],
};

const PROFILES = '/etc/NetworkManager/system-connections';

/** NetworkManager has one profile of lo at a time, and takes away what others add to lo when it activates that. */
function refuseBesideProfile(host: Machine, request: PlaceRequest): void {
  const { way, device, fileName } = request;
  const isActive = way === 'networkmanager' || host.exists('/run/NetworkManager');
  const profiles = device === 'lo' && isActive ? host.names(PROFILES) : [];
  const other = profiles
    .filter((name) => name !== `${fileName}.nmconnection`)
    .find((name) => /^type=loopback$/m.test(host.readText(`${PROFILES}/${name}`) ?? ''));
  if (other !== undefined) {
    throw unplaced(
      request,
      `${PROFILES}/${other} is NetworkManager's profile of lo: only one of them counts, and nothing beside it`,
    );
  }
}

/** What NetworkManager knows of each interface that it has: files named by the interfaces' numbers. */
const MANAGED = '/run/NetworkManager/devices';

/** A script adds to what an interface has. Only lo gets a profile, and has one at a time. */
function placeInNetworkManager(host: Machine, request: PlaceRequest): Place {
  const state = host.readText(`${MANAGED}/${request.ifindex}`);
  if (state === undefined ? host.names(MANAGED).length > 0 : !/^managed=true$/m.test(state)) {
    throw unplaced(request, 'it does not manage this interface ("nmcli device"), and something else configures it');
  }
  return { way: 'networkmanager' };
}

function unplaced({ way, device }: PlaceRequest, why: string): BeelineError {
  return new BeelineError('USAGE', `${way} cannot bring VIPs on ${device} back: ${why}`, {
    hint: 'Choose another way by --persist, or put the commands that "--dry-run" shows into what runs at each boot.',
  });
}

const LINKS = '/run/systemd/netif/links';

/** A drop-in of the file that the interface follows: of several files only one counts. */
function placeInNetworkd(host: Machine, request: PlaceRequest): Place {
  const networkOf = (ifindex: string): string | undefined =>
    /^NETWORK_FILE=.*\/([^/\n]+\.network)$/m.exec(host.readText(`${LINKS}/${ifindex}`) ?? '')?.[1];
  const own = String(request.ifindex);
  const network = networkOf(own) ?? (request.device === 'lo' ? fileForLo(host, request) : undefined);
  if (request.device === 'lo' && (network === undefined || network === ownNetworkFile(request.fileName))) {
    return { way: 'systemd-networkd' };
  }
  if (network === undefined) {
    throw unplaced(request, 'no file of it is for this interface');
  }
  // Of another command: the own one is handled above.
  if (FILE_NAMES.map(ownNetworkFile).includes(network)) {
    throw unplaced(request, `${network} is its file of lo, and goes with the VIPs of another command of Beeline's`);
  }
  if (host.names(LINKS).some((name) => name !== own && networkOf(name) === network)) {
    throw unplaced(request, `${network} is for other interfaces too, which would have the VIPs as well`);
  }
  return { way: 'systemd-networkd', network };
}

const NETWORK_FOLDERS = ['/etc/systemd/network', '/run/systemd/network', '/usr/lib/systemd/network'];

/** The file that lo will follow when systemd-networkd reads its files: the first that names it. */
function fileForLo(host: Machine, request: PlaceRequest): string | undefined {
  const found = NETWORK_FOLDERS.flatMap((folder) =>
    host
      .names(folder)
      .filter((file) => file.endsWith('.network') && file !== ownNetworkFile(request.fileName))
      .map((file) => ({ file, names: MATCHED.exec(host.readText(`${folder}/${file}`) ?? '')?.[1]?.trim() ?? '' })),
  ).find(({ names }) => names.split(/\s+/).includes('lo'));
  if (found !== undefined && found.names !== 'lo') {
    throw unplaced(request, `${found.file} is for other interfaces too, which would have the VIPs as well`);
  }
  return found?.file;
}

/** The names that a file of systemd-networkd is for. */
const MATCHED = /^\s*\[Match\][^[]*?^\s*Name\s*=(.*)$/m;

function placeInNetplan(host: Machine, request: PlaceRequest): Place {
  const { device } = request;
  const { definitions, renderer } = readNetplan(host);
  const found = definitions.find(({ id, value }) => (namesOf(value) ?? id) === device);
  if ((found?.value.get('renderer') ?? renderer) === 'NetworkManager') {
    const why =
      device === 'lo'
        ? 'it describes lo to NetworkManager as a network card'
        : 'it hands the interface to NetworkManager, to which it cannot say that a VIP is no source of packets';
    throw unplaced(request, `${why} ("--persist networkmanager" brings them back)`);
  }
  if (found !== undefined) {
    return { way: 'netplan', section: found.section, id: found.id };
  }
  if (device === 'lo') {
    return placeOfLo('netplan');
  }
  throw unplaced(request, 'no definition of it is for this interface alone');
}

/** The name that a definition gives its interface, or matches; "" if that is a pattern; undefined: its id is the name. */
function namesOf(definition: YAMLMap): string | undefined {
  const set = definition.get('set-name');
  if (typeof set === 'string') {
    return set;
  }
  const match = definition.get('match');
  if (!isMap(match)) {
    return undefined;
  }
  const name = match.get('name');
  return typeof name === 'string' && PLAIN_NAME.test(name) ? name : '';
}

const INTERFACES = '/etc/network/interfaces';

function placeInIfupdown(host: Machine, request: PlaceRequest): Place {
  const { device, fileName } = request;
  const main = host.readText(INTERFACES) ?? '';
  if (!main.split('\n').some((line) => readsFile(line, fileName))) {
    throw unplaced(request, `${INTERFACES} does not read ${INTERFACES}.d/${fileName}`);
  }
  const others = host.names(`${INTERFACES}.d`).filter((name) => !name.startsWith('beeline-'));
  const texts = [main, ...others.map((name) => host.readText(`${INTERFACES}.d/${name}`) ?? '')];
  const stanza = new RegExp(`^\\s*iface\\s+${device.replaceAll('.', '\\.')}\\s`, 'm');
  if (device !== 'lo' && !texts.some((text) => stanza.test(text))) {
    throw unplaced(request, 'no file of it has this interface');
  }
  return { way: 'ifupdown' };
}

/** Whether a line of /etc/network/interfaces has a file of interfaces.d read: "source" takes a pattern (interfaces(5)). */
function readsFile(line: string, fileName: string): boolean {
  const [, isFolder, path = ''] = /^\s*source(-directory)?\s+(\S+)/.exec(line) ?? [];
  const full = posix.resolve('/etc/network', path);
  return isFolder === undefined
    ? path !== '' && matchesGlob(`${INTERFACES}.d/${fileName}`, full)
    : full === `${INTERFACES}.d`;
}

/** As a shell reads "*", "?" and "[…]" in a path. */
function matchesGlob(path: string, pattern: string): boolean {
  const source = pattern
    .replaceAll(/[.+^${}()|\\]/g, String.raw`\$&`)
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]')
    .replaceAll('[!', '[^');
  try {
    return new RegExp(`^${source}$`).test(path);
  } catch {
    // Brackets that are no set: nobody writes that.
    return false;
  }
}
