/** Imports keepalived's configuration: services with their checks, and VRRP. Pure: files come through functions. */

import type { Names } from '../../ipvsadm/index.js';
import { BeelineError, type Model } from '../../model/index.js';
import type { Imported } from '../result.js';
import { readBlock, shown, TOP } from './block.js';
import { Collector } from './collector.js';
import type { Context } from './context.js';
import { type Globals, readGlobals, readSsl, ROOT_FATES } from './globals.js';
import { type Files, Preprocessor } from './text/preprocess.js';
import { readVirtualServer } from './servers.js';
import { servicesOf } from './services.js';
import { type MadeInstance, settle } from './settle.js';
import type { VirtualSpec } from './spec.js';
import { type Statement, TreeBuilder } from './text/tree.js';
import { readInstance } from './vrrp.js';

export type { Files } from './text/preprocess.js';

export interface KeepalivedOptions {
  /** The files, as keepalived reads them one after another. */
  readonly paths: readonly string[];
  readonly files: Files;
  readonly names: Pick<Names, 'portOf'>;
  /** keepalived's --config-id: lines of "@id" are for it. */
  readonly id: string;
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
  /** The interfaces of the configuration. Default: those of the VRRP instances, or eth0. */
  readonly interfaces?: readonly string[] | undefined;
  /** Where checks go. Default: to the real server's own address, as keepalived's. */
  readonly via?: 'vip' | 'rip' | undefined;
}

/**
 * Imports a configuration of keepalived. What the result lacks is told by its remarks; it always is a valid configuration.
 *
 * @throws BeelineError `CONFIG_UNREADABLE`, and `CONFIG_INVALID` if the files are no configuration of keepalived
 */
export function importKeepalived(options: KeepalivedOptions): Imported {
  const report = new Collector();
  const statements = readTree(options, report);
  const groups = new Map(
    statements.flatMap((each) =>
      each.words[0] === 'virtual_server_group' ? [[each.words[1] ?? '', each] as const] : [],
    ),
  );
  const context: Context = { report, portOf: options.names.portOf, via: options.via, groups };
  const read = readAll(statements, context);
  if (!read.known) {
    const [first] = statements;
    const found = first === undefined ? 'it has no statement' : `it begins with "${shown(first.words[0]!)}"`;
    throw new BeelineError(
      'CONFIG_INVALID',
      `${options.paths.join(', ')}: is no configuration of keepalived: ${found}`,
      {
        hint: "Name keepalived's configuration, usually /etc/keepalived/keepalived.conf.",
      },
    );
  }
  const made = servicesOf(read.virtuals, context);
  return settle(
    modelOf(read, options, report),
    { services: made, instances: read.instances, routerName: read.globals.routerName },
    report,
  );
}

function readTree({ paths, files, id, environment = {} }: KeepalivedOptions, report: Collector): readonly Statement[] {
  const tree = new TreeBuilder(report.tell);
  const preprocessor = new Preprocessor(files, { id, environment }, report.tell);
  for (const path of paths) {
    for (const line of preprocessor.read(path)) {
      tree.add(line);
    }
  }
  tree.finish();
  return tree.roots;
}

interface Read {
  readonly virtuals: VirtualSpec[];
  readonly instances: MadeInstance[];
  readonly globals: Globals;
  /** Whether any of it is keepalived's. */
  known: boolean;
}

function readAll(statements: readonly Statement[], context: Context): Read {
  const { report } = context;
  const all: Read = { virtuals: [], instances: [], globals: {}, known: false };
  const used = new Set<string>();
  const handlers = new Map<string, (statement: Statement, read: Read) => void>([
    [
      'global_defs',
      (statement, { globals }) => {
        readGlobals(statement, globals, context);
      },
    ],
    [
      'SSL',
      (statement) => {
        readSsl(statement, context);
      },
    ],
    [
      'virtual_server_group',
      (statement) => {
        report.keep(statement);
      },
    ],
    [
      'virtual_server',
      (statement, { virtuals }) => {
        if (statement.words[1] === 'group') {
          used.add(statement.words[2] ?? '');
        }
        const virtual = readVirtualServer(statement, context);
        if (virtual !== undefined) {
          virtuals.push(virtual);
        }
      },
    ],
    [
      'vrrp_instance',
      (statement, { instances }) => {
        addInstance(statement, instances, context);
      },
    ],
  ]);
  readBlock(statements, all, { handlers, others: ROOT_FATES }, TOP, report);
  all.known = statements.some(
    ({ words: [keyword], children }) => children !== undefined && (handlers.has(keyword!) || ROOT_FATES.has(keyword!)),
  );
  for (const [name, statement] of context.groups) {
    if (!used.has(name)) {
      report.tellBlock('translated', statement, 'virtual_server_group: no virtual_server uses it');
    }
  }
  return all;
}

const MOST_INSTANCES = 64;

function addInstance(statement: Statement, instances: MadeInstance[], context: Context): void {
  const instance = readInstance(statement, context);
  if (instance === undefined) {
    return;
  }
  if (instances.some(({ instance: { name } }) => name === instance.name)) {
    context.report.tellBlock(
      'dropped',
      statement,
      `vrrp_instance: there is one of the name ${shown(instance.name)} already`,
    );
  } else if (instances.length >= MOST_INSTANCES) {
    context.report.tellBlock('dropped', statement, `vrrp_instance: only the first ${MOST_INSTANCES} are taken`);
  } else {
    instances.push({ instance, statement });
  }
}

const MOST_INTERFACES = 64;

/** The model without its services and its instances of VRRP. */
function modelOf({ instances, globals }: Read, { interfaces, paths }: KeepalivedOptions, report: Collector): Model {
  const found = [...new Set(instances.map(({ instance: { interface: name } }) => name))].slice(0, MOST_INTERFACES);
  if (interfaces === undefined && found.length === 0) {
    const at = { file: paths[0]!, line: 1 };
    report.tell('translated', at, 'no vrrp_instance names an interface: it is eth0; --interface NAME says which');
  }
  const names = interfaces ?? (found.length === 0 ? ['eth0'] : found);
  const { timeouts } = globals;
  return {
    interfaces: names,
    mode: 'native',
    ...(timeouts !== undefined && { timeouts }),
    services: [],
  };
}
