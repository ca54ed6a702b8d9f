/** Leaves out of an imported model what a configuration cannot have, and says so at the line that it comes from. Pure. */

import { ConfigError, formatConfig, parseConfig, type PlacedProblem } from '../../config/index.js';
import { BeelineError, type Model, serviceName, type ServicePolicy } from '../../model/index.js';
import type { Report } from './report.js';
import type { Draft } from './section.js';

/** Each round leaves something out; what one removal brings to light, the next one takes. */
const MOST_ROUNDS = 20;

/**
 * Returns the model as its file means it.
 *
 * @throws ConfigError if the interface has no name that an interface can have
 */
export function settle(drafts: readonly Draft[], interfaceName: string, report: Report): Model {
  let left = withoutDoubles(drafts, report);
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    const { text, services, marks } = written(left, interfaceName);
    try {
      return parseConfig(text, 'the imported configuration');
    } catch (error) {
      if (!(error instanceof ConfigError) || error.problems.some(({ path }) => !isOfService(path))) {
        throw error;
      }
      const problems = new Map<Draft, PlacedProblem[]>(left.map((draft) => [draft, []]));
      error.problems.forEach((problem) => {
        const [list, i] = problem.path;
        problems.get((list === 'marks' ? marks : services)[Number(i)]!)!.push(problem);
      });
      left = left.flatMap((draft) => without(draft, problems.get(draft)!, report));
    }
  }
  throw new BeelineError('INTERNAL', 'the imported configuration is not valid');
}

function withoutDoubles(drafts: readonly Draft[], report: Report): Draft[] {
  const firsts = new Map<string, Draft>();
  return drafts.filter((draft) => {
    const name = serviceName(draft.service);
    const first = firsts.get(name);
    if (first === undefined) {
      firsts.set(name, draft);
      return true;
    }
    leaveOut(draft, `${name} is the service of line ${first.line} already: ldirectord refuses the file`, report);
    return false;
  });
}

function leaveOut(draft: Draft, why: string, report: Report): void {
  report.retract(new Set([draft.line, ...draft.lines]));
  report.dropped(draft.line, why);
  draft.lines.forEach((line) => {
    report.dropped(line, `belongs to the service of line ${draft.line}, which is left out`);
  });
}

function isOfService([list, i]: PlacedProblem['path']): boolean {
  return (list === 'services' || list === 'marks') && typeof i === 'number';
}

function written(drafts: readonly Draft[], interfaceName: string): { text: string; services: Draft[]; marks: Draft[] } {
  const services = drafts.filter(({ service }) => !('mark' in service));
  const marks = drafts.filter(({ service }) => 'mark' in service);
  const model = {
    interfaces: [interfaceName],
    mode: 'native',
    services: services.map(({ service }) => service),
    markServices: marks.map(({ service }) => service),
    markRules: [],
  } as unknown as Model;
  return { text: formatConfig(model), services, marks };
}

/** Settings of a service that can be left out. */
const OPTIONAL: readonly (keyof ServicePolicy)[] = ['flags', 'persistence', 'onePacket', 'health'];

function without(draft: Draft, problems: readonly PlacedProblem[], report: Report): Draft[] {
  let service = draft.service;
  const gone = new Set<number>();
  for (const { path, message } of problems) {
    const [, , key, index, part] = path;
    const option = OPTIONAL.find((each) => each === key);
    if (key === 'realServers' && typeof index === 'number') {
      const line = draft.realLines[index] ?? draft.line;
      gone.add(index);
      if (draft.realLines.every((each, i) => each !== line || gone.has(i))) {
        report.retract(new Set([line]));
      }
      report.dropped(
        line,
        `${service.destinations[index]!.address}${part === undefined ? '' : `: ${String(part)}`} ${message}`,
      );
    } else if (key === 'health' && index === 'fallback' && service.health !== undefined) {
      report.retract(new Set(draft.fallbackLine === undefined ? [] : [draft.fallbackLine]));
      report.dropped(draft.fallbackLine ?? draft.line, `the fallback ${message}`);
      service = { ...service, health: { ...service.health, fallback: undefined } };
    } else if (option !== undefined) {
      report.dropped(draft.line, `${path.slice(2).join('.')} ${message}`);
      service = { ...service, [option]: undefined };
    } else {
      leaveOut(draft, `the service ${message}`, report);
      return [];
    }
  }
  if (service.health === undefined) {
    service = { ...service, destinations: service.destinations.map(({ health: _, ...rest }) => rest) };
  }
  return [
    {
      ...draft,
      service: { ...service, destinations: service.destinations.filter((_, i) => !gone.has(i)) },
      realLines: draft.realLines.filter((_, i) => !gone.has(i)),
    },
  ];
}
