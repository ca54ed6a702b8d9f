/** Reads what netplan's files say: definitions of interfaces, and which program gets them. */

import { isMap, isScalar, parseDocument, type YAMLMap } from 'yaml';

import type { MachineToLookAt } from './host.js';

export interface Definition {
  readonly section: string;
  readonly id: string;
  readonly value: YAMLMap;
}

export interface Netplan {
  /** Without those of Beeline's own files. */
  readonly definitions: readonly Definition[];
  /** The program that gets a definition, if the definition itself names none. */
  readonly renderer: 'networkd' | 'NetworkManager';
}

const FOLDERS = ['/usr/lib/netplan', '/lib/netplan', '/etc/netplan', '/run/netplan'];

/** Reads all files, in the order of their names: the last that names a renderer counts (netplan(5)). */
export function readNetplan(host: MachineToLookAt): Netplan {
  const files = FOLDERS.flatMap((folder) => host.names(folder).map((name) => ({ name, path: `${folder}/${name}` })))
    .filter(({ name }) => name.endsWith('.yaml') && !name.includes('beeline-'))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const networks = files.map(({ path }): unknown => parseDocument(host.readText(path) ?? '').get('network'));
  const sections = networks.flatMap(mapsIn);
  const global = networks.map((network) => (isMap(network) ? network.get('renderer') : undefined));
  const ofCards = sections.filter(({ key }) => key === 'ethernets').map(({ value }) => value.get('renderer'));
  const named = [...global, ...ofCards].filter((each) => typeof each === 'string');
  return {
    definitions: sections.flatMap(({ key: section, value }) =>
      mapsIn(value).map(({ key: id, value: definition }) => ({ section, id, value: definition })),
    ),
    renderer: named.at(-1) === 'NetworkManager' ? 'NetworkManager' : 'networkd',
  };
}

function mapsIn(node: unknown): { readonly key: string; readonly value: YAMLMap }[] {
  if (!isMap(node)) {
    return [];
  }
  return node.items.flatMap(({ key, value }) =>
    isScalar(key) && isMap(value) ? [{ key: String(key.value), value }] : [],
  );
}
