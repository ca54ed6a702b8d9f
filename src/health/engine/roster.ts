/** Who is checked: follows a model, and keeps the states of what did not change. */

import {
  allServices,
  type AnyService,
  type HealthPolicy,
  type IpAddress,
  isMarkKey,
  type MarkRule,
  type Model,
  serviceName,
} from '../../model/index.js';
import type { ServerHealth } from '../states.js';
import type { Ended } from './exchange.js';
import type { KeptServer } from './kept.js';
import { Memory } from './memory.js';
import { type PlannedServer, planService, type ServicePlan, type Wish } from './plan.js';
import { Probe } from './probe.js';
import { type Group, Server, type Watch } from './servers.js';

/** A service as it was planned last. */
interface Known {
  readonly service: AnyService;
  readonly rules: readonly MarkRule[] | undefined;
  readonly plan: ServicePlan;
  readonly servers: ReadonlyMap<IpAddress, Server>;
  readonly group: Group;
}

type Checked = AnyService & { readonly health: HealthPolicy };

export interface RosterOptions {
  readonly onEnd: (probe: Probe, ended: Ended) => void;
  /** A check cannot be made, or can again. */
  readonly onTrouble: (watch: Watch, trouble: string | undefined) => void;
}

/** A real server that is up or down by another model, and by no result. */
export interface Turned {
  readonly server: Pick<Server, 'service' | 'address'>;
  readonly isUp: boolean;
  readonly reason: string;
}

/** What a model changed. */
export interface Changes {
  readonly born: readonly Probe[];
  readonly gone: readonly Probe[];
  readonly turned: readonly Turned[];
  /** Checks that are made no more… */
  readonly removed: readonly Watch[];
  /** … and those that are made again. */
  readonly revived: readonly Watch[];
  /** Real servers that left, and were down. */
  readonly lost: readonly Server[];
}

const CHANGED = 'its checks were changed';
const NOT_CHECKED = 'it is not checked any more';
const BACK = 'it was when it was checked last';

export class Roster {
  readonly #options: RosterOptions;
  #services = new Map<string, Known>();
  /** By what they do. */
  readonly #probes = new Map<string, Probe>();
  /** The wishes of probes, and of how many of them each is. */
  readonly #wishes = new Map<string, Wish>();
  readonly #wishCounts = new Map<string, number>();
  #wired = 0;
  /** Who makes a check; none, if it cannot be made. */
  readonly #makers = new WeakMap<Watch, Probe>();
  readonly #memory: Memory;
  #born: Probe[] = [];
  #emptied: Probe[] = [];
  #turned: Turned[] = [];
  #removed: Watch[] = [];
  #revived: Watch[] = [];
  #lost: Server[] = [];

  /** @param kept what the last daemon knew */
  constructor(kept: Map<string, KeptServer> | undefined, options: RosterOptions) {
    this.#memory = new Memory(kept);
    this.#options = options;
  }

  get probes(): readonly Probe[] {
    return [...this.#probes.values()];
  }

  /** Always the same object. */
  get wishes(): ReadonlyMap<string, Wish> {
    return this.#wishes;
  }

  get needsWire(): boolean {
    return this.#wired > 0;
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
    const unchecked = new Map<string, AnyService>();
    for (const service of allServices(model)) {
      if (isChecked(service)) {
        const name = serviceName(service);
        this.#services.set(name, this.#followService(service, name, model.markRules, before.get(name), now));
      } else if (before.size > 0) {
        unchecked.set(serviceName(service), service);
      }
    }
    for (const [name, { servers }] of before) {
      if (!this.#services.has(name)) {
        this.#leave([...servers.values()], unchecked.get(name), now);
      }
    }
    if (this.#services.size > 0) {
      this.#memory.forget(now);
    }
    return this.#takeChanges();
  }

  #followService(
    service: Checked,
    name: string,
    rules: readonly MarkRule[] | undefined,
    before: Known | undefined,
    now: number,
  ): Known {
    if (before?.service === service && (!isMarkKey(service) || before.rules === rules)) {
      return before;
    }
    const plan = planService(service, name, rules, before?.plan);
    if (before?.plan.servers === plan.servers) {
      return { ...before, service, rules, plan };
    }
    const servers = new Map<IpAddress, Server>();
    const group = before?.group ?? { state: {} };
    // Real servers may come and go.
    group.state = {};
    for (const [address, planned] of plan.servers) {
      const known = before?.servers.get(address);
      const isSame = known !== undefined && before?.plan.servers.get(address) === planned;
      servers.set(address, isSame ? known : this.#followServer(planned, known, group, now));
    }
    const left = [...(before?.servers.values() ?? [])].filter(({ address }) => !servers.has(address));
    this.#leave(left, service, now);
    return { service, rules, plan, servers, group };
  }

  #followServer(
    { service, address, checks }: PlannedServer,
    known: Server | undefined,
    group: Group,
    now: number,
  ): Server {
    const { left, kept } = this.#memory.take(service, address, now);
    const server = known ?? left?.server ?? new Server(service, address, group);
    server.group = group;
    // Of one that left, nobody was told that it is down still.
    const isBack = known === undefined && left !== undefined;
    const toldUp = isBack || (known?.health.isUp ?? kept?.isUp);
    for (const watch of server.follow(checks, now, kept)) {
      this.#remove(watch);
    }
    server.watches.forEach((watch) => {
      this.#link(watch);
      if (watch.isRemoved) {
        watch.isRemoved = false;
        this.#revived.push(watch);
      }
    });
    const { isUp } = server.health;
    if (toldUp !== undefined && toldUp !== isUp) {
      this.#turned.push({ server, isUp, reason: isBack ? BACK : CHANGED });
    }
    return server;
  }

  #remove(watch: Watch): void {
    this.#unlink(watch);
    if (!watch.isRemoved) {
      watch.isRemoved = true;
      this.#removed.push(watch);
    }
  }

  /** @param service what has them as real servers still, and checks them no more */
  #leave(servers: readonly Server[], service: AnyService | undefined, now: number): void {
    if (servers.length === 0) {
      return;
    }
    const still = new Set(service?.destinations.map(({ address }) => address));
    for (const server of servers) {
      server.watches.forEach((watch) => {
        this.#remove(watch);
      });
      if (!server.health.isUp && still.has(server.address)) {
        this.#turned.push({ server, isUp: true, reason: NOT_CHECKED });
      } else if (!server.health.isUp) {
        this.#lost.push(server);
      }
      this.#memory.add({ server, at: now });
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
      this.#count(probe, 1);
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

  /** Counts what a probe needs that comes, or goes. */
  #count({ spot: { wish }, needsWire }: Probe, by: 1 | -1): void {
    this.#wired += needsWire ? by : 0;
    if (wish === undefined) {
      return;
    }
    const count = (this.#wishCounts.get(wish.key) ?? 0) + by;
    if (count > 0) {
      this.#wishCounts.set(wish.key, count);
      this.#wishes.set(wish.key, wish);
    } else {
      this.#wishCounts.delete(wish.key);
      this.#wishes.delete(wish.key);
    }
  }

  /** One that nobody wanted for a moment may be wanted again. */
  #takeChanges(): Changes {
    const gone = new Set(this.#emptied.filter(({ watches }) => watches.length === 0));
    for (const probe of gone) {
      probe.isGone = true;
      this.#probes.delete(probe.run);
      this.#count(probe, -1);
    }
    const born = this.#born.filter((probe) => !gone.has(probe));
    const [turned, removed, revived, lost] = [this.#turned, this.#removed, this.#revived, this.#lost];
    this.#born = [];
    this.#emptied = [];
    this.#turned = [];
    this.#removed = [];
    this.#revived = [];
    this.#lost = [];
    return { born, gone: [...gone], turned, removed, revived, lost };
  }
}

function isChecked(service: AnyService): service is Checked {
  return service.health !== undefined;
}
