/**
 * Leaves out what the configuration's own rules refuse, until it is valid. The translation knows these rules; what it does not
 * know must still not become a file that nobody can use.
 */

import { ConfigError, formatConfig, parseConfig } from '../../config/index.js';
import { type AnyService, type Destination, isMarkKey, type Model, type VrrpInstance } from '../../model/index.js';
import type { Imported } from '../result.js';
import type { Collector } from './collector.js';
import type { Made } from './services.js';
import type { Statement } from './text/tree.js';

/** More rounds than these are a fault of the importer. */
const MOST_ROUNDS = 10;

export interface MadeInstance {
  readonly instance: VrrpInstance;
  readonly statement: Statement;
}

interface Parts {
  readonly services: readonly Made[];
  readonly instances: readonly MadeInstance[];
}

/** @param model without its services and its instances of VRRP */
export function settle(
  model: Model,
  all: Parts & { readonly routerName?: string | undefined },
  report: Collector,
): Imported {
  let parts: Parts = all;
  for (let round = 0; ; round += 1) {
    const next = withParts(model, parts, all.routerName);
    try {
      parseConfig(formatConfig(next), 'beeline.yaml');
      return { model: next, remarks: report.sorted() };
    } catch (error) {
      if (!(error instanceof ConfigError) || round === MOST_ROUNDS) {
        throw error;
      }
      const services = withoutRefused(error, parts.services, report);
      const instances = withoutRefusedInstances(error, parts.instances, report);
      if (services === undefined && instances === undefined) {
        throw error;
      }
      parts = { services: services ?? parts.services, instances: instances ?? parts.instances };
    }
  }
}

function withParts(model: Model, parts: Parts, routerName: string | undefined): Model {
  const services = parts.services.flatMap(({ service }) => (isMarkKey(service) ? [] : [service]));
  const marks = parts.services.flatMap(({ service }) => (isMarkKey(service) ? [service] : []));
  const instances = parts.instances.map(({ instance }) => instance);
  return {
    ...model,
    ...(instances.length > 0 && { vrrp: { instances, ...(routerName !== undefined && { routerName }) } }),
    services,
    ...(marks.length > 0 && { markServices: marks, markRules: [] }),
  };
}

type Problem = ConfigError['problems'][number];

/** Undefined: the problems are of no service. */
function withoutRefused({ problems }: ConfigError, made: readonly Made[], report: Collector): Made[] | undefined {
  const lists: Readonly<Record<string, readonly Made[]>> = {
    services: made.filter(({ service }) => !isMarkKey(service)),
    marks: made.filter(({ service }) => isMarkKey(service)),
  };
  const found = new Map<Made, Problem[]>();
  for (const problem of problems) {
    const [list, i] = problem.path;
    const each = lists[String(list)]?.[Number(i)];
    if (each !== undefined) {
      found.set(each, [...(found.get(each) ?? []), problem]);
      report.tell('dropped', each.statement, `left out: ${problem.path.slice(2).join('.')} ${problem.message}`);
    }
  }
  return found.size === 0 ? undefined : made.flatMap((each) => withoutParts(each, found.get(each) ?? []));
}

/** Leaves out a health, a real server, or the whole service. */
function withoutParts(made: Made, problems: readonly Problem[]): Made[] {
  let { service } = made;
  const servers: (Destination | undefined)[] = [...service.destinations];
  for (const { path } of problems) {
    const [, , part, j, inner] = path;
    const server = part === 'realServers' && typeof j === 'number' ? servers[j] : undefined;
    if (part === 'health') {
      service = withoutHealth(service);
    } else if (server === undefined) {
      return [];
    } else if (typeof j === 'number') {
      servers[j] = inner === 'health' ? withoutHealth(server) : undefined;
    }
  }
  const destinations = servers.filter((each) => each !== undefined);
  return [{ ...made, service: { ...service, destinations } }];
}

function withoutHealth<Part extends AnyService | Destination>(part: Part): Part {
  const { health: _health, ...rest } = part;
  return rest as Part;
}

/** Undefined: the problems are of no instance. */
function withoutRefusedInstances(
  { problems }: ConfigError,
  made: readonly MadeInstance[],
  report: Collector,
): MadeInstance[] | undefined {
  const found = new Map<MadeInstance, Problem[]>();
  for (const problem of problems) {
    const [top, list, i] = problem.path;
    const each = top === 'vrrp' && list === 'instances' ? made[Number(i)] : undefined;
    if (each !== undefined) {
      found.set(each, [...(found.get(each) ?? []), problem]);
      report.tell('dropped', each.statement, `left out: ${problem.path.slice(3).join('.')} ${problem.message}`);
    }
  }
  return found.size === 0
    ? undefined
    : made.flatMap(({ instance, statement }, i) => {
        const own = found.get(made[i]!) ?? [];
        const rest = own.length === 0 ? instance : withoutSettings(instance, own);
        return rest === undefined ? [] : [{ instance: rest, statement }];
      });
}

const OPTIONAL = ['source', 'preemptDelay', 'preempt', 'vmac', 'family'] as const;

/** Leaves out addresses, peers and settings; undefined: nothing is left of the instance. */
function withoutSettings(instance: VrrpInstance, problems: readonly Problem[]): VrrpInstance | undefined {
  const without = (key: string, k: number): boolean =>
    problems.some(({ path }) => path[3] === key && (path[4] === k || path[4] === undefined));
  const { addresses, peers, ...others } = instance;
  const left = addresses?.filter((_, k) => !without('addresses', k));
  const known = problems.every(({ path: [, , , key] }) =>
    ['addresses', 'peers', ...OPTIONAL].some((each) => each === key),
  );
  if (!known || left?.length === 0 || (left === undefined && without('addresses', 0))) {
    return undefined;
  }
  const directors = peers?.filter((_, k) => !without('peers', k)) ?? [];
  const kept = Object.entries(others).filter(([key]) => !OPTIONAL.some((each) => each === key && without(each, 0)));
  return {
    ...(Object.fromEntries(kept) as unknown as VrrpInstance),
    ...(left !== undefined && { addresses: left }),
    ...(directors.length > 0 && { peers: directors }),
  };
}
