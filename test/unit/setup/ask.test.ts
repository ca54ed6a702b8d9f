/** Whether another host has an address is asked anew: what the kernel remembers may be a host that is gone. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { ip, type IpAddress, mac, type MacAddress } from '../../../src/model/index.js';
import type { Link, Neighbour } from '../../../src/net/index.js';
import { takenBy } from '../../../src/setup/vip/ask.js';

const VIP = ip('192.168.1.100');
const OWN = mac('00:50:00:00:04:00');
const OTHER = mac('00:50:00:00:01:00');

/** A network on which some hosts answer at once. */
class Neighbours {
  readonly entries = new Map<IpAddress, Partial<Neighbour>>();
  readonly asked: IpAddress[] = [];
  most = 0;
  readonly #answers: ReadonlyMap<IpAddress, MacAddress>;

  constructor(answers: ReadonlyMap<IpAddress, MacAddress>) {
    this.#answers = answers;
  }

  neighbour(_ifindex: number, address: IpAddress): Neighbour | undefined {
    return this.entries.get(address) as Neighbour | undefined;
  }

  solicit(neighbours: readonly { readonly address: IpAddress }[]): Promise<void> {
    this.most = Math.max(this.most, neighbours.length);
    for (const { address } of neighbours) {
      this.asked.push(address);
      const answer = this.#answers.get(address);
      this.entries.set(address, answer === undefined ? { failed: true } : { mac: answer });
    }
    return Promise.resolve();
  }

  setNeighbour(_ifindex: number, address: IpAddress): Promise<void> {
    this.entries.delete(address);
    return Promise.resolve();
  }

  links(): Link[] {
    return [{ mac: OWN } as Link];
  }
}

test('a host that answers is named by its MAC', async () => {
  assert.deepEqual(await takenBy(new Neighbours(new Map([[VIP, OTHER]])), 3, [VIP]), new Map([[VIP, OTHER]]));
});

test('nobody, and this host itself by another card, have it not', async () => {
  assert.equal((await takenBy(new Neighbours(new Map()), 3, [VIP])).size, 0);
  assert.equal((await takenBy(new Neighbours(new Map([[VIP, OWN]])), 3, [VIP])).size, 0);
});

test('what the kernel remembers of a host that is gone does not count', async () => {
  const network = new Neighbours(new Map());
  network.entries.set(VIP, { mac: OTHER });
  assert.equal((await takenBy(network, 3, [VIP])).size, 0);
  assert.deepEqual(network.asked, [VIP]);
});

test('an entry that somebody made by hand stays, and is not asked about', async () => {
  const network = new Neighbours(new Map());
  network.entries.set(VIP, { mac: OTHER, permanent: true });
  assert.equal((await takenBy(network, 3, [VIP])).size, 0);
  assert.deepEqual([network.asked, network.entries.get(VIP)?.mac], [[], OTHER]);
});

test('two hundred addresses are asked for a few at a time: switches limit such requests', async () => {
  const network = new Neighbours(new Map());
  const all = Array.from({ length: 200 }, (_, i) => ip(`192.168.2.${i}`));
  const start = performance.now();
  await takenBy(network, 3, all);
  assert.deepEqual(network.asked, all);
  assert.ok(network.most <= 64);
  assert.ok(performance.now() - start > 400);
});
