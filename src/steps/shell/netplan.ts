/** Reads what netplan's files say: definitions of interfaces, and which program gets them. */

import { isMap, isScalar, parseDocument, type YAMLMap } from 'yaml';

import { FILE_NAMES, netplanFile } from '../boot-file.js';
import type { MachineToLookAt } from './host.js';

export interface Definition {
  readonly section: string;
  readonly id: string;
  readonly value: YAMLMap;
}

export interface Netplan {
  /** Whether there is a file that is not Beeline's. */
  readonly hasFiles: boolean;
  /** Without those of Beeline's own files. */
  readonly definitions: readonly Definition[];
  /** The program that gets a definition, if the definition itself names none. */
  readonly renderer: 'networkd' | 'NetworkManager';
}

/** Of files of one name, that of the last folder counts. */
const FOLDERS = ['/usr/lib/netplan', '/lib/netplan', '/etc/netplan', '/run/netplan'];

const OWN: readonly string[] = FILE_NAMES.map(netplanFile);

/** Reads all files, in the order of their names: the last that names a renderer counts (netplan(5)). */
export function readNetplan(host: MachineToLookAt): Netplan {
  const paths = new Map(FOLDERS.flatMap((folder) => host.names(folder).map((name) => [name, `${folder}/${name}`])));
  const files = [...paths.keys()].filter((name) => name.endsWith('.yaml') && !OWN.includes(name)).sort();
  const networks = files.map((name): unknown => parseDocument(host.readText(paths.get(name)!) ?? '').get('network'));
  const sections = networks.flatMap(mapsIn);
  const global = networks.map((network) => (isMap(network) ? network.get('renderer') : undefined));
  const ofCards = sections.filter(({ key }) => key === 'ethernets').map(({ value }) => value.get('renderer'));
  const named = [...global, ...ofCards].filter((each) => typeof each === 'string');
  return {
    hasFiles: files.length > 0,
    definitions: joined(
      sections.flatMap(({ key: section, value }) =>
        mapsIn(value).map(({ key: id, value: definition }) => ({ section, id, value: definition })),
      ),
    ),
    renderer: named.at(-1) === 'NetworkManager' ? 'NetworkManager' : 'networkd',
  };
}

/** Files add to the definition of an id: a later one may have its match, its set-name or its renderer. */
function joined(definitions: readonly Definition[]): Definition[] {
  const found = new Map<string, Definition>();
  for (const each of definitions) {
    const before = found.get(each.id);
    each.value.items.forEach((pair) => before?.value.set(pair.key, pair.value));
    found.set(each.id, before ?? each);
  }
  return [...found.values()];
}

function mapsIn(node: unknown): { readonly key: string; readonly value: YAMLMap }[] {
  if (!isMap(node)) {
    return [];
  }
  return node.items.flatMap(({ key, value }) =>
    isScalar(key) && isMap(value) ? [{ key: String(key.value), value }] : [],
  );
}
