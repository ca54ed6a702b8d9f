/** Turns of rr and wrr after changes, against recordings of the kernel's IPVS. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';

import type { MapMemory } from '../../../src/dataplane/maps/memory.js';
import { sequenceBase, type Turn } from '../../../src/dataplane/publish/turns.js';
import { compile, type CompiledService, renumber } from '../../../src/image/index.js';
import * as layout from '../../../src/layout/index.js';
import { type Destination, ip, type Resolution, type Scheduler, type Service } from '../../../src/model/index.js';
import { service, worldOf } from '../../support/models.js';

const VIP = ip('10.0.0.100');

/** A service as commands change it, and the destinations that its flows go to. */
class Turns {
  readonly #turns = new Map<string, Turn>();
  readonly #scheduler: Scheduler;
  #count = 0n;
  #compiled: CompiledService | undefined;
  #base = 0;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  /** @param unresolved real servers that do not answer */
  change(destinations: readonly Destination[], unresolved: readonly string[] = [], rest: Partial<Service> = {}): void {
    const asked = { ...service(VIP, 80, [], { scheduler: this.#scheduler, ...rest }), destinations };
    const silent = unresolved.map((each): [string, Resolution] => [each, { state: 'unresolved', reason: 'silent' }]);
    const image = compile({ services: [asked] }, worldOf([asked], Object.fromEntries(silent)));
    const numbers = renumber(new Map(), image).numbering.get('tcp 10.0.0.100:80')!;
    const bytes = new Uint8Array(layout.cursor.byteLength);
    new DataView(bytes.buffer).setBigUint64(layout.cursor.count.offset, this.#count, true);
    this.#compiled = image.services[0]!;
    this.#base = sequenceBase({ read: () => bytes } as unknown as MapMemory, this.#compiled, numbers, this.#turns);
  }

  /** Returns the last part of the address of the real server that the next flow goes to. */
  flow(): string | undefined {
    const { ring, destinations } = this.#compiled!;
    if (ring === undefined) {
      return undefined;
    }
    const turn = Number((this.#count + BigInt(this.#base)) % BigInt(ring.length));
    this.#count += 1n;
    return destinations[ring[turn]!]!.address.split('.').at(-1);
  }
}

interface Step {
  readonly command: string;
  /** Where a flow went; undefined where the recording does not tell, or the step is a change. */
  readonly picked: string | undefined;
}

/** Reads the recorded commands of each service, and what each flow went to. */
function recordedSequences(): { scheduler: Scheduler; steps: Step[] }[] {
  const sequences: { scheduler: Scheduler; steps: Step[] }[] = [];
  for (const part of readFileSync('test/golden/ipvs/turns.txt', 'utf8').split(/^\$ /m).slice(1)) {
    const [command = '', picked = ''] = part.split('\n');
    const added = / -A .* -s (\w+)/.exec(command);
    if (added !== null) {
      sequences.push({ scheduler: added[1] as Scheduler, steps: [] });
    } else {
      sequences.at(-1)!.steps.push({ command, picked: /^\d+$/.test(picked) ? picked : undefined });
    }
  }
  return sequences;
}

test('rr has the turn that IPVS has, whatever commands come between flows', () => {
  const sequences = recordedSequences();
  assert.ok(sequences.length > 3);
  for (const [i, { scheduler, steps }] of sequences.entries()) {
    const turns = new Turns(scheduler);
    let destinations: readonly Destination[] = [];
    turns.change(destinations);
    for (const [j, { command, picked }] of steps.entries()) {
      const [, change, server = '', weight] = / -([ade]) .* -r (\S+)(?: -g -w (\d+))?/.exec(command) ?? [];
      if (change === undefined) {
        const found = turns.flow();
        const commands = steps.slice(0, j + 1).map((each) => each.command);
        assert.equal(
          picked === undefined ? picked : found,
          picked,
          `service ${i}, ${scheduler}: ${commands.join('; ')}`,
        );
        continue;
      }
      const address = ip(server);
      destinations =
        change === 'a'
          ? [...destinations, { address, weight: Number(weight) }]
          : change === 'd'
            ? destinations.filter((each) => each.address !== address)
            : destinations.map((each) => (each.address === address ? { address, weight: Number(weight) } : each));
      turns.change(destinations);
    }
  }
});

const [A, B, C] = ['10.0.0.31', '10.0.0.32', '10.0.0.33'].map((each) => ({ address: ip(each), weight: 1 })) as [
  Destination,
  Destination,
  Destination,
];

test('the newest real server has the first turn, also if the neighbours of all are known only later', () => {
  const turns = new Turns('rr');
  turns.change([]);
  turns.change([A], [A.address]);
  turns.change([A, B], [A.address, B.address]);
  turns.change([A, B], [B.address]);
  turns.change([A, B]);
  assert.deepEqual([turns.flow(), turns.flow(), turns.flow()], ['32', '31', '32']);
});

test('wrr goes on asking for the weight that it asked for when a real server is added (ip_vs_wrr_dest_changed)', () => {
  const turns = new Turns('wrr');
  const heavy = { ...A, weight: 3 };
  turns.change([heavy]);
  // With one weight, 1 is asked for; then 1, and 3, 2, 1 again and again.
  assert.deepEqual([turns.flow(), turns.flow()], ['31', '31']);
  turns.change([heavy, { ...B, weight: 2 }]);
  assert.deepEqual(
    Array.from({ length: 7 }, () => turns.flow()),
    ['32', '31', '31', '32', '31', '32', '31'],
  );
});

test('a change that is none of the real servers leaves the turn where it is', () => {
  for (const scheduler of ['rr', 'wrr'] as const) {
    const turns = new Turns(scheduler);
    turns.change([A, B, C]);
    assert.equal(turns.flow(), '33');
    turns.change([A, B, C], [], { noDestination: 'drop' });
    assert.equal(turns.flow(), '32');
  }
});
