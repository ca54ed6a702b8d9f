/** Logs what changed from one round to the next: interfaces, real servers, warnings. */

import type { Image } from '../image/index.js';
import { type Warning, warningText } from '../model/index.js';
import type { Logger } from './log.js';

export class Transitions {
  readonly #log: Logger;
  #interfaces: ReadonlyMap<string, string> = new Map();
  #services: Image['services'] = [];
  #realServers: ReadonlyMap<string, string> = new Map();
  #warnings: ReadonlySet<string> = new Set();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Logs each interface and real server whose state is new. @param interfaces by name, whether it is present */
  logStates(interfaces: ReadonlyMap<string, boolean>, { services }: Pick<Image, 'services'>): void {
    const states = new Map([...interfaces].map(([name, isPresent]) => [name, isPresent ? 'present' : 'missing']));
    this.#logNew('interface', this.#interfaces, states);
    this.#interfaces = states;
    const isSame = services.length === this.#services.length && services.every((each, i) => each === this.#services[i]);
    if (!isSame) {
      this.#services = services;
      const realServers = realServerStates(services);
      this.#logNew('real server', this.#realServers, realServers);
      this.#realServers = realServers;
    }
  }

  #logNew(what: string, before: ReadonlyMap<string, string>, states: ReadonlyMap<string, string>): void {
    for (const [name, state] of states) {
      if (before.get(name) !== state) {
        const isBad = state === 'missing' || state.startsWith('unresolved');
        this.#log[isBad ? 'warn' : 'info'](`${what} ${name}: ${state}`);
      }
    }
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

/** By address: "at 00:50:00:00:01:00", "local", "unresolved, …". */
function realServerStates(services: Image['services']): Map<string, string> {
  const states = new Map<string, string>();
  for (const { destinations, routes } of services) {
    destinations.forEach(({ address }, i) => {
      const route = routes[i]!;
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
