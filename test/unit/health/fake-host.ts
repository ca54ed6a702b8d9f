/** A host without a network, on a clock of its own: what a checker starts is counted, and answered as a test says. */

import { mock } from 'node:test';

import { Checker } from '../../../src/health/checker.js';
import type { Transition } from '../../../src/health/engine/events.js';
import type { KeptHealth } from '../../../src/health/engine/kept.js';
import type { OpenWire } from '../../../src/health/engine/line.js';
import type { WayNetwork } from '../../../src/health/engine/ways.js';
import type { runSlow } from '../../../src/health/slow/index.js';
import type { ServerHealth } from '../../../src/health/states.js';
import type { CheckLoop } from '../../../src/health/wire/check-loop.js';
import type { CheckJob } from '../../../src/health/wire/job.js';
import type { CheckResult } from '../../../src/health/wire/result.js';
import type { WireOptions } from '../../../src/health/wire/wire.js';
import {
  type Check,
  type HealthPolicy,
  ip,
  type IpAddress,
  type Model,
  type Service,
} from '../../../src/model/index.js';

const STEP_MS = 5;
const OK = { outcome: 'ok', connectMicros: 500, totalMicros: 1000, bytes: new Uint8Array() } as const;

export const VIP = ip('192.168.1.100');

export function rip(number: number): IpAddress {
  return ip(`10.0.${number >> 8}.${number & 255}`);
}

export function modelOf(services: readonly Partial<Service>[], rest: Partial<Model> = {}): Model {
  return {
    interfaces: ['eth0'],
    mode: 'auto',
    ...rest,
    services: services.map((service) => ({
      address: VIP,
      port: 80,
      protocol: 'tcp',
      scheduler: 'rr',
      destinations: [{ address: rip(1), weight: 1 }],
      ...service,
    })),
  };
}

export function health(checks: readonly Check[], policy: Partial<HealthPolicy> = {}): { health: HealthPolicy } {
  return { health: { checks, ...policy } };
}

export interface Start {
  readonly job: CheckJob;
  readonly at: number;
}

export interface HostOptions {
  readonly restore?: KeptHealth;
  readonly runSlow?: typeof runSlow;
}

export class FakeHost {
  now = 5_000_000;
  readonly starts: Start[] = [];
  readonly changes: ServerHealth[][] = [];
  readonly transitions: Transition[] = [];
  readonly troubles: [string, object][] = [];
  /** Options of the wires that were opened. */
  readonly opened: WireOptions[] = [];
  closed = 0;
  readonly followed: (readonly number[])[] = [];
  readonly jobs = new Map<number, CheckJob>();
  /** How a check ends; undefined: never. */
  answer: (job: CheckJob) => Partial<CheckResult> | undefined = () => ({});
  route: Awaited<ReturnType<WayNetwork['routes']>>[number] = {
    kind: 'unicast',
    ifindex: 7,
    gateway: undefined,
    prefixLength: 32,
    source: ip('10.0.255.1'),
  };
  /** How many routes were asked for. */
  asked = 0;
  links: readonly NonNullable<ReturnType<WayNetwork['link']>>[] = [];
  own: readonly IpAddress[] = [];
  /** Called when the checker tells of a change. */
  onTold: () => void = () => undefined;
  readonly neighbours = new Map<string, ReturnType<WayNetwork['neighbour']>>();
  inAir = 0;
  mostInAir = 0;
  readonly checker: Checker;
  #numbers = 0;
  #results: CheckResult[] = [];
  #onResults: (results: CheckResult[]) => void = () => undefined;

  constructor({ restore, runSlow }: HostOptions = {}) {
    this.checker = new Checker({
      clock: () => this.now,
      network: this.#network(),
      ...(restore && { restore }),
      ...(runSlow && { runSlow }),
      onChange: (changed) => {
        this.changes.push([...changed]);
        this.onTold();
      },
      onTransition: (transition) => {
        this.transitions.push(transition);
        this.onTold();
      },
      onTrouble: (message, details) => {
        this.troubles.push([message, details]);
      },
      openWire: (options) => Promise.resolve(this.#wire(options)),
    });
  }

  #network(): WayNetwork {
    return {
      routes: (addresses) => {
        this.asked += addresses.length;
        return Promise.resolve(addresses.map(() => this.route));
      },
      link: (name) => this.links.find((each) => each.name === name),
      neighbour: (ifindex, address) => this.neighbours.get(`${ifindex} ${address}`),
      linkByIndex: (ifindex) => this.links.find((each) => each.ifindex === ifindex),
      hasAddress: (address) => this.own.includes(address),
      sourcesOn: () => [VIP, ip('10.0.255.2'), ip('172.16.0.1')],
      ownNeighbours: () => [...this.neighbours.values()].flatMap((each) => (each?.ours === true ? [each] : [])),
      setNeighbour: (ifindex, address, mac) => {
        if (mac === undefined) {
          this.neighbours.delete(`${ifindex} ${address}`);
        } else {
          const entry = { ifindex, address, mac, failed: false, permanent: true, managed: false, ours: true };
          this.neighbours.set(`${ifindex} ${address}`, entry);
        }
        return Promise.resolve();
      },
    };
  }

  #wire(options: WireOptions): OpenWire {
    this.opened.push(options);
    this.#onResults = options.onResults;
    return {
      checks: this.#loop(),
      portsInUse: undefined,
      follow: (interfaces) => {
        this.followed.push(interfaces);
        return [];
      },
      close: () => {
        this.closed += 1;
        this.#results = [];
        this.inAir = 0;
        this.jobs.clear();
      },
    };
  }

  #loop(): CheckLoop {
    const loop: Pick<CheckLoop, 'define' | 'undefine' | 'start' | 'proceed' | 'end' | 'usage'> = {
      usage: { inAir: 0, waiting: 0, portsFree: 0, portsTaken: 0, portsResting: 0, entries: 0 },
      define: (job) => {
        this.#numbers += 1;
        this.jobs.set(this.#numbers, job);
        return this.#numbers;
      },
      undefine: (number) => {
        if (!this.jobs.delete(number)) {
          throw new RangeError(`there is no job ${number}`);
        }
      },
      start: (numbers) => {
        for (const number of numbers) {
          this.#start(number);
        }
      },
      proceed: () => true,
      end: () => true,
    };
    return loop as CheckLoop;
  }

  #start(number: number): void {
    const job = this.jobs.get(number);
    if (job === undefined) {
      throw new RangeError(`there is no job ${number}`);
    }
    this.starts.push({ job, at: this.now });
    this.inAir += 1;
    this.mostInAir = Math.max(this.mostInAir, this.inAir);
    const answer = this.answer(job);
    if (answer !== undefined) {
      this.#results.push({ job: number, ...OK, ...answer });
    }
  }

  follow(model: Model, state: object | undefined = this): void {
    this.checker.follow(model, { state, own: this.own });
  }

  /** Lets time pass, as on a machine with nothing else to do. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      this.now += STEP_MS;
      mock.timers.tick(STEP_MS);
      this.#deliver();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Lets time pass until it is so, within a minute. */
  async until(isSo: () => boolean): Promise<void> {
    for (const end = this.now + 60_000; !isSo();) {
      if (this.now > end) {
        throw new Error('it is not so after a minute');
      }
      await this.pass(STEP_MS);
    }
  }

  /** The process does not run for a time. */
  async stall(ms: number): Promise<void> {
    this.now += ms;
    mock.timers.tick(ms);
    await this.pass(STEP_MS);
  }

  #deliver(): void {
    const results = this.#results;
    this.#results = [];
    this.inAir -= results.length;
    if (results.length > 0) {
      this.#onResults(results);
    }
  }

  /** Starts so far, by where they went. */
  get destinations(): string[] {
    return this.starts.map(({ job }) => `${job.vip ?? job.rip}:${job.port} by ${job.rip}`);
  }

  isUp(service = `tcp ${VIP}:80`, address = rip(1)): boolean | undefined {
    return this.checker.healthOf(service, address)?.isUp;
  }
}
