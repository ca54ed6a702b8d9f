/**
 * Leaves out what the configuration's own rules refuse, until it is valid. The translation knows these rules; what it does not
 * know must still not become a file that nobody can use.
 */

import { ConfigError, formatConfig, parseConfig } from '../../config/index.js';
import { type AnyService, type Destination, isMarkKey, type Model } from '../../model/index.js';
import type { Imported } from '../result.js';
import type { Collector } from './collector.js';
import type { Made } from './services.js';

/** More rounds than these are a fault of the importer. */
const MOST_ROUNDS = 10;

/** @param model without its services */
export function settle(model: Model, all: readonly Made[], report: Collector): Imported {
  let made = all;
  for (let round = 0; ; round += 1) {
    const next = withServices(model, made);
    try {
      parseConfig(formatConfig(next), 'beeline.yaml');
      return { model: next, remarks: report.sorted() };
    } catch (error) {
      if (!(error instanceof ConfigError) || round === MOST_ROUNDS) {
        throw error;
      }
      const mended = withoutRefused(error, made, report);
      if (mended === undefined) {
        throw error;
      }
      made = mended;
    }
  }
}

function withServices(model: Model, made: readonly Made[]): Model {
  const services = made.flatMap(({ service }) => (isMarkKey(service) ? [] : [service]));
  const marks = made.flatMap(({ service }) => (isMarkKey(service) ? [service] : []));
  return { ...model, services, ...(marks.length > 0 && { markServices: marks, markRules: [] }) };
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
