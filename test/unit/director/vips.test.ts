/** VIPs that no packet can reach: told soon, with the command that mends it, and never where all is as it should be. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { Vips } from '../../../src/director/vips.js';
import { compile, type Image } from '../../../src/image/index.js';
import { ip, isProblem, type IpAddress, mac, type Model, type Warning, warningText } from '../../../src/model/index.js';
import { type Link, type Neighbour, NetlinkError, type Route } from '../../../src/net/index.js';
import { macFor, service, worldOf } from '../../support/models.js';

const [VIP, REAL] = [ip('192.168.1.100'), ip('192.168.1.31')];
const VIP6 = ip('fd00::100');
const ON_NETWORK: Route = { kind: 'unicast', ifindex: 7, gateway: undefined, prefixLength: 24 };

function link(name: string, ifindex: number, rest: Partial<Link> = {}): Link {
  const none = { master: undefined, lower: undefined, vlan: undefined, peer: undefined };
  return {
    name,
    ifindex,
    mac: mac('00:50:00:00:04:00'),
    mtu: 1500,
    up: true,
    carrier: true,
    kind: '',
    ...none,
    ...rest,
  };
}

/** A host with ens3 (7), whose tables a test changes. */
class Host {
  readonly links = new Map([[7, link('ens3', 7)]]);
  readonly addresses = new Map<IpAddress, number>();
  readonly neighbours = new Map<IpAddress, Partial<Neighbour>>();
  route: Route | undefined | NetlinkError = ON_NETWORK;
  asked: IpAddress[] = [];
  looked = 0;
  now = 0;
  model: Model;
  counted = 0;
  readonly #vips: Vips;
  #compiled: { model: Model; image: Image } | undefined;

  constructor(model: Partial<Model> = {}) {
    this.model = { interfaces: ['ens3'], mode: 'native', services: [service(VIP, 80, [REAL])], ...model };
    this.#vips = new Vips({
      linksByAddress: () => new Map([...this.addresses].map(([address, index]) => [address, this.links.get(index)!])),
      routes: (addresses) => {
        this.looked += addresses.length;
        return Promise.resolve(addresses.map(() => this.route));
      },
      solicit: (neighbours) => {
        this.asked.push(...neighbours.map(({ address }) => address));
        return Promise.resolve();
      },
      neighbour: (_ifindex, address) => this.neighbours.get(address) as Neighbour | undefined,
      link: (name) => [...this.links.values()].find((each) => each.name === name),
      linkByIndex: (index) => this.links.get(index),
      leavesUnder: (index) => (index === 9 ? [this.links.get(7)!] : []),
    });
  }

  /** Gives the VIP to a link. */
  put(to: Link): void {
    this.links.set(to.ifindex, to);
    this.addresses.set(VIP, to.ifindex);
  }

  async warnings(afterMs = 0): Promise<Warning[]> {
    this.now += afterMs;
    const { services } = this.model;
    if (this.#compiled?.model !== this.model) {
      this.#compiled = { model: this.model, image: compile(this.model, worldOf(services)) };
    }
    const { image } = this.#compiled;
    const counters = image.services.map(({ name }) => ({ name, destinations: [], verdicts: { ttl: this.counted } }));
    return this.#vips.warnings(this.model, image, counters, this.now);
  }

  /** The codes when everybody had time to answer. */
  async codes(): Promise<string[]> {
    await this.warnings(3_000);
    return (await this.warnings(3_000)).map(({ code }) => code);
  }
}

test('a VIP that is on no interface is a problem as soon as others had time to answer, until it is there', async () => {
  const host = new Host();
  assert.deepEqual(await host.warnings(), []);
  assert.deepEqual(host.asked, [VIP]);
  const [warning, ...others] = await host.warnings(1_000);
  assert.deepEqual(others, []);
  assert.ok(isProblem(warning!));
  assert.match(
    warningText(warning!),
    /^VIP 192\.168\.1\.100 is on no .*: "beeline vip add 192\.168\.1\.100 --interface ens3"$/,
  );
  host.addresses.set(VIP, 7);
  assert.deepEqual(await host.warnings(), []);
  host.addresses.delete(VIP);
  assert.deepEqual(await host.warnings(10), [], 'another host may have it now');
  host.neighbours.set(VIP, { failed: true });
  assert.deepEqual((await host.warnings(10)).map(warningText), [warningText(warning!)]);
});

test('the network is asked for a VIP now and then, and the warning stays meanwhile', async () => {
  const host = new Host();
  await host.warnings();
  for (let round = 1; round <= 9; round += 1) {
    assert.equal((await host.warnings(3_000)).length, 1);
    // The kernel begins to ask again.
    host.neighbours.set(VIP, round % 2 === 0 ? { failed: true } : {});
  }
  assert.equal(host.asked.length, 1);
  await host.warnings(3_000);
  assert.equal(host.asked.length, 2);
});

const FINE: Record<string, (host: Host) => void> = {
  'on lo': (host) => {
    host.put(link('lo', 1));
  },
  'on a dummy': (host) => {
    host.put(link('dummy0', 3, { kind: 'dummy' }));
  },
  'on a macvlan above, as with use_vmac': (host) => {
    host.put(link('vrrp.1', 8, { lower: 7 }));
  },
  'made local by a route': (host) => {
    host.route = { ...ON_NETWORK, kind: 'local', ifindex: 1, prefixLength: 32 };
  },
  'in a network that is local': (host) => {
    host.route = { ...ON_NETWORK, kind: 'local', ifindex: 1, prefixLength: 0 };
  },
  'routed to the other director by keepalived': (host) => {
    host.route = { ...ON_NETWORK, gateway: ip('192.168.1.22'), prefixLength: 32 };
  },
  'refused by a route of its own on the standby': (host) => {
    host.route = { ...ON_NETWORK, kind: 'other', prefixLength: 32 };
  },
  'on the active director': (host) => {
    host.neighbours.set(VIP, { mac: mac('00:50:00:00:05:00') });
  },
  'on a real server that is a director': (host) => {
    host.model = { ...host.model, directors: [macFor(REAL)] };
    host.neighbours.set(VIP, { mac: macFor(REAL) });
  },
  'of another network, and packets come': (host) => {
    host.route = { ...ON_NETWORK, gateway: ip('192.168.1.1'), prefixLength: 0 };
    host.counted = 1;
  },
  'of another network, and another director may have it': (host) => {
    host.route = undefined;
    host.model = { ...host.model, directors: [ip('192.168.1.22')] };
  },
  'not told of by the kernel': (host) => {
    host.route = new NetlinkError('route', 105, 'No buffer space available');
  },
  'a mark whose rule is for a network': (host) => {
    const match = { protocol: 'tcp', address: ip('192.168.1.0'), prefixLength: 24, firstPort: 0, lastPort: 9 } as const;
    const { port: _port, address: _address, protocol: _protocol, ...policy } = service(VIP, 80, [REAL]);
    const markServices = [{ ...policy, mark: 1, family: 4 } as const];
    host.model = { ...host.model, services: [], markServices, markRules: [{ mark: 1, match }] };
  },
  'beside an interface that is missing': (host) => {
    host.links.clear();
  },
};

for (const [where, change] of Object.entries(FINE)) {
  test(`no false alarm: a VIP ${where}`, async () => {
    const host = new Host();
    change(host);
    assert.deepEqual(await host.codes(), []);
  });
}

test('a VIP that only a network card that is down has is missing, and the card is named', async () => {
  const host = new Host();
  host.put(link('dummy0', 3, { up: false }));
  host.neighbours.set(VIP, { failed: true });
  const [warning] = await host.warnings();
  assert.equal(warning?.code, 'VIP_MISSING');
  assert.match(warningText(warning), /on dummy0 alone.*: "ip link set dummy0 up"$/);
});

test('a VIP on a bridge or VLAN device above the interface is asked for there', async () => {
  const host = new Host();
  host.links.set(9, link('br0', 9, { kind: 'bridge' }));
  host.route = { ...ON_NETWORK, ifindex: 9 };
  await host.warnings();
  assert.match(warningText((await host.warnings(2_000))[0]!), /--interface br0"$/);
});

test('a real server that answers for the VIP is named, with what keeps it from that', async () => {
  const host = new Host();
  host.neighbours.set(VIP, { mac: macFor(REAL) });
  const [warning] = await host.warnings();
  assert.deepEqual([warning?.code, warning?.realServer], ['VIP_ELSEWHERE', REAL]);
  assert.match(
    warningText(warning!),
    /"beeline realserver setup --vip 192\.168\.1\.100", and then here "beeline vip add/,
  );
  assert.ok(!isProblem(warning!));
});

test('a VIP of another network is doubtful until packets come after it went away', async () => {
  for (const route of [undefined, { ...ON_NETWORK, gateway: ip('192.168.1.1'), prefixLength: 0 }]) {
    const host = new Host();
    host.route = route;
    assert.deepEqual(await host.codes(), ['VIP_UNROUTED']);
    assert.deepEqual(host.asked, []);
    host.addresses.set(VIP, 7);
    host.counted = 5;
    assert.deepEqual(await host.codes(), []);
    host.addresses.delete(VIP);
    assert.deepEqual(await host.codes(), ['VIP_UNROUTED']);
    host.counted = 6;
    assert.deepEqual(await host.codes(), []);
  }
});

test('a mark whose rule is for one address has that as its VIP; IPv6 is told with its prefix', async () => {
  const match = { protocol: 'tcp', address: VIP6, prefixLength: 128, firstPort: 80, lastPort: 81 } as const;
  const { port: _port, address: _address, protocol: _protocol, ...policy } = service(VIP6, 80, [ip('fd00::31')]);
  const markServices = [{ ...policy, mark: 1, family: 6 } as const];
  const host = new Host({ services: [], markServices, markRules: [{ mark: 1, match }] });
  await host.warnings();
  const [warning] = await host.warnings(1_000);
  assert.equal(warning?.vip, VIP6);
  assert.match(warningText(warning), /"beeline vip add fd00::100 --interface ens3"$/);
});

test('a thousand VIPs are looked for a few at a time, and are one warning; another configuration forgets them', async () => {
  const vips = Array.from({ length: 1_000 }, (_, i) => ip(`10.0.${i >> 8}.${i & 255}`));
  const host = new Host({ services: vips.map((vip) => service(vip, 80, [REAL])) });
  await host.warnings();
  assert.equal(host.looked, 64);
  for (let round = 0; round < 20; round += 1) {
    await host.warnings(3_000);
  }
  const [warning, ...others] = await host.warnings(3_000);
  assert.deepEqual(others, []);
  assert.match(warningText(warning!), /^VIP 10\.0\.0\.0 \(and 999 other VIPs\) .*, and so for each$/);
  assert.deepEqual(new Set(host.asked).size, 1_000);
  host.model = { ...host.model, services: [service(VIP, 80, [REAL])] };
  assert.deepEqual(await host.codes(), ['VIP_MISSING']);
});

test('a VIP that VRRP has is not to be added by hand: its virtual router is named', async () => {
  const host = new Host({
    vrrp: { instances: [{ name: 'VI_51', interface: 'ens3', id: 51, priority: 250, interval: 1 }] },
  });
  await host.warnings();
  const [warning] = await host.warnings(1_000);
  assert.equal(warning?.code, 'VIP_MISSING');
  assert.match(warningText(warning), /keepalived.*VI_51/);
  assert.doesNotMatch(warningText(warning), /vip add/);
});

test('what the kernel cannot do once does not keep from looking again', async () => {
  const host = new Host();
  let fails = true;
  Object.defineProperty(host, 'route', {
    get: () => {
      if (fails) {
        throw new Error('the socket is closed');
      }
      return ON_NETWORK;
    },
  });
  await assert.rejects(host.warnings(), /socket is closed/);
  fails = false;
  assert.deepEqual(await host.codes(), ['VIP_MISSING']);
});
