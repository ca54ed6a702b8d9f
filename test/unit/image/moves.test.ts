/** Changes of real servers over the compiled tables: no flow is torn from a real server that is there. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { MoveTracker } from '../../../src/dataplane/index.js';
import { compile } from '../../../src/image/compile.js';
import { MAX_EPOCHS } from '../../../src/image/history.js';
import type { CompiledService } from '../../../src/image/image.js';
import {
  ip,
  type IpAddress,
  type Resolution,
  type Scheduler,
  type Service,
  type Tracking,
} from '../../../src/model/index.js';
import { Oracle } from '../../../src/oracle/index.js';
import { buildFrame } from '../../../src/packet/index.js';
import { Random } from '../../fuzz/random.js';
import { CLIENT_MAC, DIRECTOR, service as serviceOf, worldOf } from '../../support/models.js';

const VIP = ip('192.168.1.100');
const SYN = 0x02;
const ACK = 0x10;
/** Seconds after which flows are forgotten, short so that histories see it happen. */
const TIMEOUTS = { established: 50, synReceived: 10 };
/** For how long connections are silent, and then for one step more. */
const SILENT = 25;

/** A connection, as its client knows it. */
interface Flow {
  readonly source: IpAddress;
  readonly sourcePort: number;
  readonly server: IpAddress;
  last: number;
  /** Its handshake is complete. */
  established: boolean;
}

/** A director with a simulated clock, and its clients' connections. */
class Simulation {
  now = 0;
  opened = 0;
  readonly #random: Random;
  readonly #scheduler: Scheduler;
  readonly #weights = new Map<IpAddress, number>();
  /** The real servers that do not answer. */
  readonly #dead = new Set<IpAddress>();
  #track: Tracking;
  #slots = 64;
  #tracker = new MoveTracker(undefined, false);
  #oracle: Oracle | undefined;
  #compiled: CompiledService | undefined;
  #flows: Flow[] = [];

  constructor(seed: number, scheduler: Scheduler, track: Tracking) {
    this.#random = new Random(seed);
    this.#scheduler = scheduler;
    this.#track = track;
    for (let i = 1; i <= 1 + this.#random.below(5); i += 1) {
      this.#weights.set(ip(`10.0.0.${i}`), 1 + this.#random.below(4));
    }
    this.#publish();
  }

  run(steps: number): void {
    for (let step = 0; step < steps; step += 1) {
      this.#open(3);
      this.#change();
      this.#publish();
      // A handshake that was under way, a packet of each connection now and then, and the time that passes.
      this.#open(2);
      this.#speak();
      this.now += this.#random.pick([0, 1, 5, 20]);
      this.#sweep();
    }
  }

  get #service(): Service {
    return serviceOf(VIP, 80, [...this.#weights], {
      scheduler: this.#scheduler,
      track: this.#track,
      timeouts: TIMEOUTS,
      ...(this.#scheduler === 'maglev' && { slots: this.#slots }),
    });
  }

  #publish(): void {
    const services = [this.#service];
    const image = this.#tracker.attach(compile({ services }, worldOf(services, this.#unresolved)), this.now * 1000);
    this.#compiled = image.services[0]!;
    this.#oracle = new Oracle(image, this.#oracle, () => this.now);
  }

  get #unresolved(): Record<IpAddress, Resolution> {
    return Object.fromEntries(
      [...this.#dead].map((address) => [address, { state: 'unresolved', reason: 'no answer' }]),
    );
  }

  /** Whether another real server would take flows. */
  #spares(address: IpAddress): boolean {
    return [...this.#weights].some(([each, weight]) => each !== address && weight > 0 && !this.#dead.has(each));
  }

  #change(): void {
    switch (this.#random.below(8)) {
      case 0:
        this.#killOrRevive();
        break;
      case 1:
        this.#slots = this.#random.pick([32, 64, 128]);
        break;
      case 2:
        this.#track = this.#random.pick(['all', 'moved'] as const);
        break;
      default:
        this.#changeServers();
    }
  }

  /** Connections to a real server that dies are lost. */
  #killOrRevive(): void {
    const address = this.#random.pick([...this.#weights.keys()]);
    if (!this.#dead.delete(address) && this.#spares(address)) {
      this.#dead.add(address);
      this.#flows = this.#flows.filter(({ server }) => server !== address);
    }
  }

  /** Adds, reweights, drains, or takes out a real server that has no connection left. */
  #changeServers(): void {
    const random = this.#random;
    const address = ip(`10.0.0.${1 + random.below(8)}`);
    const weight = this.#weights.get(address);
    if (weight === undefined) {
      this.#weights.set(address, 1 + random.below(4));
    } else if (weight === 0 && !this.#flows.some(({ server }) => server === address) && random.oneIn(2)) {
      this.#weights.delete(address);
    } else if (this.#spares(address) || weight === 0) {
      this.#weights.set(address, random.pick([0, 1, 2, 4]));
    }
  }

  #send(source: IpAddress, sourcePort: number, flags: number): IpAddress | undefined {
    const frame = buildFrame({
      destinationMac: DIRECTOR.mac,
      sourceMac: CLIENT_MAC,
      source,
      destination: VIP,
      protocol: 'tcp',
      sourcePort,
      destinationPort: 80,
      flags,
    });
    const { destination } = this.#oracle!.decide(frame);
    return destination === undefined ? undefined : this.#compiled!.destinations[destination]!.address;
  }

  #open(count: number): void {
    for (let i = 0; i < count; i += 1) {
      const source = ip(`172.16.${this.#random.below(256)}.${1 + this.#random.below(250)}`);
      const sourcePort = 1024 + this.#random.below(60_000);
      const server = this.#send(source, sourcePort, SYN);
      if (server === undefined) {
        continue;
      }
      this.opened += 1;
      // Its handshake is completed at once, or not before the next change.
      const flow = { source, sourcePort, server, last: this.now, established: false };
      this.#flows.push(flow);
      if (this.#random.oneIn(2)) {
        this.#expectSame(flow);
      }
    }
  }

  #expectSame(flow: Flow): void {
    const { source, sourcePort, server } = flow;
    assert.equal(this.#send(source, sourcePort, ACK), server, `${source}:${sourcePort} at ${this.now} s`);
    flow.last = this.now;
    flow.established = true;
  }

  /** Handshakes are completed; every connection that may be silent no longer says something, and some others do; some end. */
  #speak(): void {
    for (const flow of this.#flows) {
      if (!flow.established || this.now - flow.last > SILENT || this.#random.oneIn(4)) {
        this.#expectSame(flow);
      }
    }
    this.#flows = this.#flows.filter(() => !this.#random.oneIn(6));
  }

  /** Does the work of the daemon's sweep; a restarted daemon goes on from the kept history. */
  #sweep(): void {
    this.#oracle!.sweep();
    if (this.#compiled!.previous !== undefined) {
      this.#tracker.setOccupied(this.#compiled!, this.#oracle!.occupied(this.#compiled!));
    }
    for (const flow of this.#flows) {
      if (this.now - flow.last > SILENT) {
        this.#expectSame(flow);
      }
    }
  }

  get stored(): number {
    return this.#oracle!.stored;
  }
}

/** Histories of all schedulers and policies. More by the environment: 10,000 take a minute and a half of a CPU. */
const HISTORIES = Number(process.env['HISTORIES'] ?? 1_000);

test('over thousands of random histories of changes no live flow to a live destination ever moves', (context) => {
  const kinds = [
    // The policy at the beginning; it changes now and then.
    { scheduler: 'maglev', track: 'moved', part: 0.7 },
    { scheduler: 'maglev', track: 'all', part: 0.2 },
    { scheduler: 'mh', track: 'moved', part: 0.05 },
    { scheduler: 'sh', track: 'moved', part: 0.05 },
  ] as const;
  for (const { scheduler, track, part } of kinds) {
    let [stored, opened] = [0, 0];
    for (let seed = 1; seed <= HISTORIES * part; seed += 1) {
      const simulation = new Simulation(seed, scheduler, track);
      simulation.run(10);
      stored += simulation.stored;
      opened += simulation.opened;
    }
    context.diagnostic(
      `${scheduler}, track ${track}: ${HISTORIES * part} histories, ${opened} flows, ` +
        `${((100 * stored) / opened).toFixed(0)} % of them stored`,
    );
  }
});

test('a slot whose service changes all the time keeps its first owner, while flows of that may be silent', () => {
  const [first, second, third] = [ip('10.0.0.1'), ip('10.0.0.2'), ip('10.0.0.3')];
  const tracker = new MoveTracker(undefined, false);
  const attach = (weights: readonly (readonly [IpAddress, number])[], now: number): CompiledService => {
    const services = [serviceOf(VIP, 80, [...weights], { track: 'moved' })];
    return tracker.attach(compile({ services }, worldOf(services)), now).services[0]!;
  };
  const before = attach(
    [
      [first, 1],
      [second, 1],
      [third, 1],
    ],
    0,
  );
  let after = before;
  for (let change = 1; change <= 3 * MAX_EPOCHS; change += 1) {
    // The first is drained; of the two others one flaps.
    after = attach(
      [
        [first, 0],
        [second, 1],
        [third, change % 2],
      ],
      change * 1000,
    );
  }
  const moved = [...before.ring!].flatMap((owner, slot) => (owner === 0 ? [slot] : []));
  assert.ok(moved.length > 0);
  assert.deepEqual(
    moved.filter((slot) => after.previous?.[slot] !== 0),
    [],
  );
});
