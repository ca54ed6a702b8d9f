/** Logs what changed from one round to the next: interfaces, real servers, warnings. */

import { type Image, isSameRoute, type Route } from '../image/index.js';
import { type Warning, warningText } from '../model/index.js';
import { type Line, logLines } from './lines.js';
import type { Logger } from './log.js';

/** "real server 192.168.1.31", and its new state. */
type Change = readonly [name: string, state: string];

export class Transitions {
  readonly #log: Logger;
  /** By name, the states that were told since it was well: the reason of a failure may change to and fro. */
  #told: ReadonlyMap<string, ReadonlySet<string>> = new Map();
  #interfaces: ReadonlyMap<string, boolean> = new Map();
  #services: Image['services'] = [];
  #warnings: ReadonlySet<string> = new Set();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Logs each interface and real server whose state is new. @param interfaces by name, whether it is present */
  logStates(interfaces: ReadonlyMap<string, boolean>, { services }: Pick<Image, 'services'>): void {
    const before = this.#services;
    const isSame =
      interfaces.size === this.#interfaces.size &&
      [...interfaces].every(([name, isPresent]) => this.#interfaces.get(name) === isPresent) &&
      services.length === before.length &&
      services.every((each, i) => hasSameStates(each, before[i]!));
    [this.#interfaces, this.#services] = [interfaces, services];
    if (isSame) {
      return;
    }
    const states = new Map<string, string>([
      ...[...interfaces].map(([name, isPresent]) => [`interface ${name}`, isPresent ? 'present' : 'missing'] as const),
      ...[...realServerStates(services)].map(([address, state]) => [`real server ${address}`, state] as const),
    ]);
    const changed = [...states].filter(([name, state]) => this.#told.get(name)?.has(state) !== true);
    logLines(this.#log, changed.map(lineOf), 'beeline list');
    const out = new Set(takenOut(services).map((address) => `real server ${address}`));
    this.#told = new Map([
      // What comes back as it was has no news.
      ...[...this.#told].filter(([name]) => out.has(name) && !states.has(name)),
      ...[...states].map(([name, state]) => [name, withState(this.#told.get(name), state)] as const),
    ]);
  }

  /** Logs the warnings that the last round did not have. */
  logWarnings(warnings: readonly Warning[]): void {
    for (const warning of warnings) {
      if (!this.#warnings.has(warningText(warning))) {
        const { code, interface: name, service, realServer } = warning;
        this.#log.warn({ code, interface: name, service, realServer }, warningText(warning));
      }
    }
    this.#warnings = new Set(warnings.map(warningText));
  }
}

function isBad(state: string): boolean {
  return state === 'missing' || state.startsWith('unresolved');
}

/** Returns the states that were told of one that was well last before all of them. */
function withState(told: ReadonlySet<string> | undefined, state: string): ReadonlySet<string> {
  if (told?.has(state) === true) {
    return told;
  }
  return new Set(isBad(state) ? [...(told ?? [])].filter(isBad).concat(state) : [state]);
}

function lineOf(change: Change): Line {
  const [name, state] = change;
  return {
    level: isBad(state) ? 'warn' : 'info',
    kind: `real servers: ${kindOf(change)}`,
    text: `${name}: ${state}`,
  };
}

/** Returns what several changes have in common: the state without the real server's own address and MAC. */
function kindOf([name, state]: Change): string {
  const [kind, address = ''] = name.split(/ (?=[^ ]*$)/);
  if (kind !== 'real server') {
    return `${name}: ${state}`;
  }
  return state.startsWith('at ') ? 'resolved' : state.replaceAll(address, 'its address');
}

/** Most changes of a service leave its real servers where they are. */
function hasSameStates(a: Image['services'][number], b: Image['services'][number]): boolean {
  return (
    a === b ||
    (a.destinations.length === b.destinations.length &&
      a.destinations.every(
        ({ address }, i) => address === b.destinations[i]!.address && isSameRoute(a.routes[i]!, b.routes[i]!),
      ))
  );
}

/** Returns the real servers that nothing goes to because of their checks or an operator, which have log lines of their own. */
function takenOut(services: Image['services']): string[] {
  return services.flatMap(({ destinations, routes }) =>
    destinations.flatMap(({ address }, i) => (isTakenOut(routes[i]!) ? address : [])),
  );
}

function isTakenOut(route: Route): boolean {
  return route.action === 'none' && route.moves === true;
}

/** By address: "at 00:50:00:00:01:00", "local", "unresolved, …". */
function realServerStates(services: Image['services']): Map<string, string> {
  const states = new Map<string, string>();
  for (const { destinations, routes } of services) {
    destinations.forEach(({ address }, i) => {
      const route = routes[i]!;
      if (isTakenOut(route)) {
        return;
      }
      const state =
        route.action === 'forward'
          ? `at ${route.mac}`
          : route.action === 'none'
            ? `unresolved, ${route.reason}`
            : 'local';
      states.set(address, state);
    });
  }
  return states;
}
