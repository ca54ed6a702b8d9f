/** What a director does while no daemon listens: read from the pinned maps, which packets follow all the same. */

import { statSync } from 'node:fs';

import type { InterfaceReport, ServiceReport, ServiceTable, StatsReport, UnattendedReport } from '../control/index.js';
import { type Counters, Leftovers } from '../dataplane/index.js';
import { compile, type Image } from '../image/index.js';
import {
  allServices,
  type AnyService,
  type Instance,
  type IpAddress,
  type MacAddress,
  mac,
  type Model,
  type Resolution,
  serviceName,
} from '../model/index.js';
import { Network } from '../net/index.js';
import { readStored } from '../store/index.js';
import { moment } from './clock.js';
import { reportServices, reportStats, reportTotals } from './reports/services.js';
import { baselinesFormat, StatisticsCollector } from './reports/statistics.js';
import { reportTable } from './reports/table.js';
import { type Running, runningFormat } from './running-file.js';

/** The only interface of the image: by which one packets leave is in the maps, and in no report. */
const INTERFACE = { name: '', ifindex: 1, mac: mac('00:00:00:00:00:00'), up: true, mtu: 1500, group: 1 };

/** What stands for a MAC in the maps (enum no_mac in bpf/layout.h). */
const LOCAL = mac('00:00:00:00:00:00');
const HELD = mac('01:00:00:00:00:00');

/** Reads only, and holds for the moment at which it was opened. */
export class Unattended implements Disposable {
  /** When a daemon was last there. */
  readonly since: Date;
  readonly #left: Leftovers;
  readonly #instance: Instance;
  readonly #configPath: string;
  readonly #model: Model;
  readonly #image: Pick<Image, 'services' | 'markEntries'>;
  readonly #counters: Counters;

  private constructor(left: Leftovers, instance: Instance, since: Date, { configPath, model }: Running) {
    this.since = since;
    this.#configPath = configPath;
    this.#left = left;
    this.#instance = instance;
    this.#model = model;
    this.#image = imageOf(model, left);
    this.#counters = left.counters(this.#image);
  }

  /** @returns undefined if no daemon left anything, or nothing that this version can read */
  static open(instance: Instance): Unattended | undefined {
    const since = statSync(instance.runningPath, { throwIfNoEntry: false })?.mtime;
    const left = since && Leftovers.open(instance.pinDirectory);
    const running = left && readStored(instance.runningPath, runningFormat, moment());
    if (since === undefined || left === undefined || running === undefined) {
      left?.[Symbol.dispose]();
      return undefined;
    }
    return new Unattended(left, instance, since, { ...running, model: inMaps(running.model, left) });
  }

  /** What packets follow. */
  get model(): Model {
    return this.#model;
  }

  get configPath(): string {
    return this.#configPath;
  }

  list(): ServiceReport[] {
    const { services } = this.#image;
    return reportServices(services, this.#counters, this.#left.flowCounts(services));
  }

  stats(): StatsReport {
    return reportStats(this.#image.services, this.#counters);
  }

  table(): ServiceTable {
    const statistics = new StatisticsCollector(readStored(this.#instance.baselinesPath, baselinesFormat, moment()));
    statistics.observe(this.#counters);
    const { services } = this.#image;
    return reportTable({
      model: this.#model,
      image: services,
      flowCounts: this.#left.flowCounts(services),
      statistics,
    });
  }

  async status(): Promise<UnattendedReport> {
    const interfaces = await this.#interfaces();
    const forwarding = interfaces.some(({ state }) => state === 'attached');
    return {
      forwarding,
      unattendedSince: this.since.toISOString(),
      configPath: this.#configPath,
      interfaces,
      programId: this.#left.programId,
      generation: this.#left.generation,
      ...reportTotals(this.#image.services, this.#counters),
      problems: [
        'no daemon follows the network: real servers that change their MAC, or come and go, are not noticed',
        ...interfaces.flatMap(({ name, state }) => (state === 'attached' ? [] : [`${name}: no packets are forwarded`])),
      ],
    };
  }

  async #interfaces(): Promise<InterfaceReport[]> {
    using network = await Network.open(() => undefined);
    return this.#model.interfaces.map((name) => {
      const link = network.link(name);
      const left = this.#left.links.find(({ ifindex }) => ifindex === link?.ifindex);
      return {
        name,
        state: link === undefined ? 'missing' : left?.mode === undefined ? 'failed' : 'attached',
        mode: left?.mode,
        ifindex: link?.ifindex,
        mac: link?.mac,
      };
    });
  }

  [Symbol.dispose](): void {
    this.#left[Symbol.dispose]();
  }
}

/** Returns the part of a model that the maps have. */
function inMaps(model: Model, { numbering }: Leftovers): Model {
  const known = <Each extends AnyService>(services: readonly Each[]): Each[] =>
    services.flatMap((service) => {
      const numbers = numbering.get(serviceName(service));
      const destinations = service.destinations.filter(({ address }) => numbers?.destinations.has(address));
      return numbers === undefined ? [] : [{ ...service, destinations }];
    });
  const { markServices, services } = model;
  return { ...model, services: known(services), ...(markServices && { markServices: known(markServices) }) };
}

function imageOf(model: Model, left: Leftovers): Pick<Image, 'services' | 'markEntries'> {
  const all = allServices(model);
  const resolutions = new Map<IpAddress, Resolution>(
    all.flatMap((service) =>
      service.destinations.map(({ address }): [IpAddress, Resolution] => [
        address,
        resolutionOf(left.macOf(serviceName(service), address)),
      ]),
    ),
  );
  // The MAC in the maps is the one that packets get, whoever configured it.
  const { services, markEntries } = compile(withoutRoutes(model), { interfaces: [INTERFACE], resolutions });
  return {
    services,
    markEntries: markEntries.filter(({ name }) => left.numbering.has(name)),
  };
}

function withoutRoutes(model: Model): Model {
  const plain = <Each extends AnyService>(services: readonly Each[]): Each[] =>
    services.map((service) => ({
      ...service,
      destinations: service.destinations.map(({ mac: _mac, interface: _interface, vlan: _vlan, ...rest }) => rest),
    }));
  const { markServices, services } = model;
  return { ...model, services: plain(services), ...(markServices && { markServices: plain(markServices) }) };
}

function resolutionOf(known: MacAddress | undefined): Resolution {
  switch (known) {
    case undefined:
    case HELD:
      return { state: 'unresolved', reason: 'it did not answer when a daemon was last there' };
    case LOCAL:
      return { state: 'local' };
    default:
      return { state: 'resolved', mac: known, ifindex: INTERFACE.ifindex };
  }
}
