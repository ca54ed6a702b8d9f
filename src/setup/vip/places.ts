/** Finds where the program that configures the network has an interface, so that a file of ours can add VIPs to it. */

import { isMap, isScalar, parseDocument, type YAMLMap } from 'yaml';

import { BeelineError } from '../../model/index.js';
import type { AddressWay, Machine } from '../../steps/index.js';
import type { Place } from './wish.js';

/** What is written into files as the name of an interface: nothing that a shell or YAML would read otherwise. */
const PLAIN_NAME = /^[A-Za-z0-9._-]{1,15}$/;

export interface PlaceRequest {
  readonly way: AddressWay;
  readonly device: string;
  readonly ifindex: number;
}

/** @throws BeelineError `USAGE` if that program does not have the interface, or no file can add to what it has */
export function placeFor(host: Machine, request: PlaceRequest): Place {
  if (!PLAIN_NAME.test(request.device)) {
    throw unplaced(request, 'its name has characters that have a meaning in such files');
  }
  switch (request.way) {
    case 'systemd-networkd':
      return placeInNetworkd(host, request);
    case 'netplan':
      return placeInNetplan(host, request);
    case 'ifupdown':
      return placeInIfupdown(host, request);
    case 'networkmanager':
      return { way: 'networkmanager' };
  }
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
  const network = networkOf(own);
  if (network === undefined) {
    if (request.device === 'lo') {
      return { way: 'systemd-networkd' };
    }
    throw unplaced(request, 'no file of it is for this interface');
  }
  if (host.names(LINKS).some((name) => name !== own && networkOf(name) === network)) {
    throw unplaced(request, `${network} is for other interfaces too, which would have the VIPs as well`);
  }
  return { way: 'systemd-networkd', network };
}

const NETPLAN_FOLDERS = ['/usr/lib/netplan', '/lib/netplan', '/etc/netplan', '/run/netplan'];

function placeInNetplan(host: Machine, request: PlaceRequest): Place {
  const { device } = request;
  const paths = NETPLAN_FOLDERS.flatMap((folder) => host.names(folder).map((name) => `${folder}/${name}`));
  const found = paths
    .filter((path) => path.endsWith('.yaml') && !path.includes('beeline-'))
    .flatMap((path) => definitions(host.readText(path) ?? ''))
    .find(({ id, value }) => (namesOf(value) ?? id) === device);
  if (found !== undefined) {
    return { way: 'netplan', section: found.section, id: found.id };
  }
  if (device === 'lo') {
    return { way: 'netplan', section: 'ethernets', id: 'lo' };
  }
  throw unplaced(request, 'no definition of it is for this interface alone');
}

interface Definition {
  readonly section: string;
  readonly id: string;
  readonly value: YAMLMap;
}

function definitions(text: string): Definition[] {
  const network: unknown = parseDocument(text).get('network');
  return mapsIn(network).flatMap(({ key: section, value }) =>
    mapsIn(value).map(({ key: id, value: definition }) => ({ section, id, value: definition })),
  );
}

function mapsIn(node: unknown): { readonly key: string; readonly value: YAMLMap }[] {
  if (!isMap(node)) {
    return [];
  }
  return node.items.flatMap(({ key, value }) =>
    isScalar(key) && isMap(value) ? [{ key: String(key.value), value }] : [],
  );
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

function placeInIfupdown(host: Machine, request: PlaceRequest): Place {
  const { device } = request;
  const folder = '/etc/network/interfaces.d';
  const main = host.readText('/etc/network/interfaces') ?? '';
  if (!/^\s*source(-directory)?\s+\S*interfaces\.d/m.test(main)) {
    throw unplaced(request, '/etc/network/interfaces reads no file of /etc/network/interfaces.d');
  }
  const others = host.names(folder).filter((name) => !name.startsWith('beeline-'));
  const texts = [main, ...others.map((name) => host.readText(`${folder}/${name}`) ?? '')];
  const stanza = new RegExp(`^\\s*iface\\s+${device.replaceAll('.', '\\.')}\\s`, 'm');
  if (device !== 'lo' && !texts.some((text) => stanza.test(text))) {
    throw unplaced(request, 'no file of it has this interface');
  }
  return { way: 'ifupdown' };
}
