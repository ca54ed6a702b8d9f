/** Who is checked: follows a model, and keeps the states of what did not change. */

import {
  allServices,
  type AnyService,
  type IpAddress,
  isMarkKey,
  type MarkRule,
  type Model,
  serviceName,
} from '../../model/index.js';
import type { ServerHealth } from '../states.js';
import type { Ended } from './exchange.js';
import type { KeptServer } from './kept.js';
import { type PlannedServer, planService, type Wish } from './plan.js';
import { Probe } from './probe.js';
import { type Group, Server, type Watch } from './servers.js';

/** A service as it was planned last. */
interface Known {
  readonly service: AnyService;
  readonly rules: readonly MarkRule[] | undefined;
  readonly servers: Map<IpAddress, Server>;
  readonly group: Group;
}

export interface RosterOptions {
  readonly onEnd: (probe: Probe, ended: Ended) => void;
  /** A check cannot be made, or can again. */
  readonly onTrouble: (watch: Watch, trouble: string | undefined) => void;
}

/** What a model changed. */
export interface Changes {
  readonly born: readonly Probe[];
  readonly gone: readonly Probe[];
}

export class Roster {
  readonly #options: RosterOptions;
  #services = new Map<string, Known>();
  /** By what they do. */
  readonly #probes = new Map<string, Probe>();
  /** Who makes a check; none, if it cannot be made. */
  readonly #makers = new WeakMap<Watch, Probe>();
  /** What the last daemon knew, until the first model. */
  #kept: ReadonlyMap<string, KeptServer> | undefined;
  #born: Probe[] = [];
  #emptied: Probe[] = [];

  constructor(kept: ReadonlyMap<string, KeptServer> | undefined, options: RosterOptions) {
    this.#kept = kept;
    this.#options = options;
  }

  get probes(): readonly Probe[] {
    return [...this.#probes.values()];
  }

  get wishes(): Map<string, Wish> {
    const wishes = new Map<string, Wish>();
    for (const { spot } of this.#probes.values()) {
      if (spot.wish !== undefined) {
        wishes.set(spot.wish.key, spot.wish);
      }
    }
    return wishes;
  }

  get needsWire(): boolean {
    return this.probes.some((probe) => probe.needsWire);
  }

  server(service: string, address: IpAddress): Server | undefined {
    return this.#services.get(service)?.servers.get(address);
  }

  healthOf(service: string, address: IpAddress): ServerHealth | undefined {
    return this.server(service, address)?.health;
  }

  /** The same object while the health of all real servers of a service is the same; undefined: none is checked. */
  stateOf(service: string): object | undefined {
    return this.#services.get(service)?.group.state;
  }

  get servers(): Server[] {
    return [...this.#services.values()].flatMap(({ servers }) => [...servers.values()]);
  }

  follow(model: Model, now: number): Changes {
    const before = this.#services;
    this.#services = new Map();
    for (const service of allServices(model)) {
      if (service.health !== undefined) {
        const name = serviceName(service);
        this.#services.set(name, this.#followService(service, model.markRules, before.get(name), now));
      }
    }
    for (const [name, { servers }] of before) {
      if (!this.#services.has(name)) {
        this.#leave(servers.values());
      }
    }
    if (this.#services.size > 0) {
      this.#kept = undefined;
    }
    return this.#takeChanges();
  }

  #followService(
    service: AnyService,
    rules: readonly MarkRule[] | undefined,
    before: Known | undefined,
    now: number,
  ): Known {
    if (before?.service === service && (!isMarkKey(service) || before.rules === rules)) {
      return before;
    }
    const servers = new Map<IpAddress, Server>();
    const group = before?.group ?? { state: {} };
    // Real servers may come and go.
    group.state = {};
    for (const planned of planService(service, rules)) {
      servers.set(planned.address, this.#followServer(planned, before?.servers.get(planned.address), group, now));
    }
    this.#leave([...(before?.servers.values() ?? [])].filter(({ address }) => !servers.has(address)));
    return { service, rules, servers, group };
  }

  #followServer(
    { service, address, checks }: PlannedServer,
    known: Server | undefined,
    group: Group,
    now: number,
  ): Server {
    const server = known ?? new Server(service, address, group);
    const before = server.watches;
    server.follow(checks, now, this.#kept?.get(`${service} ${address}`));
    for (const watch of before) {
      if (!server.watches.includes(watch)) {
        this.#unlink(watch);
      }
    }
    server.watches.forEach((watch) => {
      this.#link(watch);
    });
    return server;
  }

  #leave(servers: Iterable<Server>): void {
    for (const { watches } of servers) {
      watches.forEach((watch) => {
        this.#unlink(watch);
      });
    }
  }

  /** Brings a check to the probe that makes it. */
  #link(watch: Watch): void {
    const { planned } = watch;
    const { run, spot } = planned;
    if (run !== '' && this.#makers.get(watch)?.run === run) {
      return;
    }
    this.#unlink(watch);
    if (typeof spot === 'string') {
      this.#options.onTrouble(watch, spot);
      return;
    }
    let probe = this.#probes.get(run);
    if (probe === undefined) {
      probe = new Probe(run, planned, spot, this.#options.onEnd);
      this.#probes.set(run, probe);
      this.#born.push(probe);
    }
    this.#makers.set(watch, probe);
    probe.watches.push(watch);
    this.#options.onTrouble(watch, probe.flaw);
  }

  #unlink(watch: Watch): void {
    const probe = this.#makers.get(watch);
    if (probe !== undefined) {
      probe.watches.splice(probe.watches.indexOf(watch), 1);
      this.#makers.delete(watch);
      if (probe.watches.length === 0) {
        this.#emptied.push(probe);
      }
    }
  }

  /** One that nobody wanted for a moment may be wanted again. */
  #takeChanges(): Changes {
    const gone = new Set(this.#emptied.filter(({ watches }) => watches.length === 0));
    for (const probe of gone) {
      probe.isGone = true;
      this.#probes.delete(probe.run);
    }
    const born = this.#born.filter((probe) => !gone.has(probe));
    this.#born = [];
    this.#emptied = [];
    return { born, gone: [...gone] };
  }
}
