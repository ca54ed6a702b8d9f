/** Logs what changed from one round to the next: interfaces, real servers, problems. */

import type { Image } from '../image/index.js';
import type { IpAddress } from '../model/index.js';
import type { Logger } from './log.js';

export class Transitions {
  readonly #log: Logger;
  #states: ReadonlyMap<string, string> = new Map();
  #problems: ReadonlySet<string> = new Set();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Logs each interface and real server whose state is new. @param interfaces by name, whether it is present */
  logStates(interfaces: ReadonlyMap<string, boolean>, image: Image): void {
    const states = new Map([
      ...[...interfaces].map(([name, isPresent]) => [`interface ${name}`, isPresent ? 'present' : 'missing'] as const),
      ...[...realServerStates(image)].map(([address, state]) => [`real server ${address}`, state] as const),
    ]);
    for (const [name, state] of states) {
      if (this.#states.get(name) !== state) {
        const isBad = state === 'missing' || state.startsWith('unresolved');
        this.#log[isBad ? 'warn' : 'info'](`${name}: ${state}`);
      }
    }
    this.#states = states;
  }

  /** Logs the problems that the last round did not have. */
  logProblems(problems: readonly string[]): void {
    for (const problem of problems) {
      if (!this.#problems.has(problem)) {
        this.#log.warn(problem);
      }
    }
    this.#problems = new Set(problems);
  }
}

/** By address: "at 00:50:00:00:01:00", "local", "unresolved, …". */
function realServerStates({ services }: Image): Map<IpAddress, string> {
  const states = new Map<IpAddress, string>();
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
