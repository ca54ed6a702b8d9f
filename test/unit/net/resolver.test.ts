/** Real servers behind VLAN devices and bonds, which the kernels of test machines may not have. */

import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';

import { ip, type Resolution } from '../../../src/model/index.js';
import { Network, Resolver } from '../../../src/net/index.js';
import { encodePayload, type NetlinkMessage, u32 } from '../../../src/net/netlink.js';
import {
  RTM_GETLINK,
  RTM_GETNEIGH,
  RTM_GETROUTE,
  RTM_NEWLINK,
  RTM_NEWNEIGH,
  RTM_NEWROUTE,
} from '../../../src/net/rtnetlink.js';
import { type NetlinkOutcome, type NetlinkRequest, RequestSocket } from '../../../src/net/socket.js';

const ADDRESS = ip('10.6.0.2');

interface FakeLink {
  readonly ifindex: number;
  readonly name: string;
  readonly kind?: string;
  readonly master?: number;
  readonly parent?: number;
  readonly id?: number;
  readonly service?: boolean;
}

const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(`${value}\0`));
const u16 = (value: number): Uint8Array => Uint8Array.of(value & 0xff, value >> 8);

/** Returns RTM_NEWLINK as in linux/if_link.h. */
function linkMessage({ ifindex, name, kind, master, parent, id, service }: FakeLink): NetlinkMessage {
  const header = new Uint8Array(16);
  new DataView(header.buffer).setInt32(4, ifindex, true);
  new DataView(header.buffer).setUint32(8, 1, true);
  const attributes = new Map<number, Uint8Array>([
    [1, Uint8Array.of(2, 0, 0, 0, 0, ifindex)],
    [3, text(name)],
    [4, u32(1500)],
  ]);
  if (parent !== undefined) {
    attributes.set(5, u32(parent));
  }
  if (master !== undefined) {
    attributes.set(10, u32(master));
  }
  if (kind !== undefined) {
    const info = new Map([[1, text(kind)]]);
    if (id !== undefined) {
      const protocol = service === true ? Uint8Array.of(0x88, 0xa8) : Uint8Array.of(0x81, 0x00);
      info.set(
        2,
        encodePayload(
          new Uint8Array(),
          new Map([
            [1, u16(id)],
            [5, protocol],
          ]),
        ),
      );
    }
    attributes.set(18, encodePayload(new Uint8Array(), info));
  }
  return { type: RTM_NEWLINK, flags: 0, sequence: 1, payload: encodePayload(header, attributes) };
}

/** Simulates a kernel with these links, in which ADDRESS is a neighbour on the device `out`. */
class FakeKernel extends RequestSocket {
  readonly #links: readonly FakeLink[];
  readonly #out: number;

  constructor(links: readonly FakeLink[], out: number) {
    super(() => ({ send: () => undefined, setReferenced: () => undefined, close: () => undefined }));
    this.#links = links;
    this.#out = out;
  }

  override dump(type: number): Promise<NetlinkMessage[]> {
    const neighbour = new Uint8Array(12);
    neighbour[0] = 2;
    new DataView(neighbour.buffer).setInt32(4, this.#out, true);
    new DataView(neighbour.buffer).setUint16(8, 2, true);
    const attributes = new Map([
      [1, Uint8Array.of(10, 6, 0, 2)],
      [2, Uint8Array.of(2, 0, 0, 0, 6, 2)],
      [15, u32(1)],
    ]);
    const found: Record<number, NetlinkMessage[]> = {
      [RTM_GETLINK]: this.#links.map(linkMessage),
      [RTM_GETNEIGH]: [{ type: RTM_NEWNEIGH, flags: 0, sequence: 1, payload: encodePayload(neighbour, attributes) }],
    };
    return Promise.resolve(found[type] ?? []);
  }

  override requestEach(requests: readonly NetlinkRequest[]): Promise<NetlinkOutcome[]> {
    const header = new Uint8Array(12);
    header[7] = 1;
    const payload = encodePayload(header, new Map([[4, u32(this.#out)]]));
    return Promise.resolve(
      requests.map(({ type }) =>
        type === RTM_GETROUTE ? [{ type: RTM_NEWROUTE, flags: 0, sequence: 1, payload }] : [],
      ),
    );
  }
}

async function resolutionOf(
  context: TestContext,
  links: readonly FakeLink[],
  out: number,
  interfaces: readonly string[],
): Promise<Resolution | undefined> {
  const network = await Network.open(() => undefined, { requests: new FakeKernel(links, out) });
  const resolver = new Resolver(network, () => undefined);
  context.after(() => {
    resolver.close();
    network.close();
  });
  await resolver.track(
    new Set([ADDRESS]),
    interfaces.map((name) => network.interface(name)!),
  );
  return resolver.resolutions().get(ADDRESS);
}

const mac = '02:00:00:00:06:02';
const NIC: FakeLink = { ifindex: 2001, name: 'ens3' };
const VLAN20: FakeLink = { ifindex: 2002, name: 'ens3.20', kind: 'vlan', parent: 2001, id: 20 };
const SERVICE100: FakeLink = { ifindex: 2003, name: 'ens3.100', kind: 'vlan', parent: 2001, id: 100, service: true };
const IN_SERVICE: FakeLink = { ifindex: 2004, name: 'ens3.100.30', kind: 'vlan', parent: 2003, id: 30 };

test('a real server reached through a VLAN device is on that VLAN of the interface under it', async (context) => {
  const links = [NIC, VLAN20, SERVICE100, IN_SERVICE];
  const resolved = { state: 'resolved', mac, ifindex: 2001 };
  assert.deepEqual(await resolutionOf(context, links, 2002, ['ens3']), { ...resolved, vlan: { id: 20 } });
  assert.deepEqual(await resolutionOf(context, links, 2004, ['ens3']), { ...resolved, vlan: { id: 30, outer: 100 } });
  assert.deepEqual(await resolutionOf(context, links, 2003, ['ens3']), { ...resolved, vlan: { id: 0, outer: 100 } });
});

test('VLAN devices above an interface tell the VLANs of its frames, with or without an address', async () => {
  const network = await Network.open(() => undefined, {
    requests: new FakeKernel([NIC, VLAN20, SERVICE100, IN_SERVICE], 2001),
  });
  const of = (name: string): unknown => network.interface(name)!.above?.map(({ name: device, vlan }) => [device, vlan]);
  const outer = { id: 100, service: true };
  assert.deepEqual(of('ens3'), [
    ['ens3.20', [{ id: 20, service: false }]],
    ['ens3.100', [outer]],
    ['ens3.100.30', [outer, { id: 30, service: false }]],
  ]);
  assert.deepEqual(of('ens3.100'), [['ens3.100.30', [{ id: 30, service: false }]]]);
  assert.equal(of('ens3.20'), undefined);
  network.close();
});

test('with the program on the VLAN device, frames have no tag', async (context) => {
  const resolution = await resolutionOf(context, [NIC, VLAN20], 2002, ['ens3.20']);
  assert.deepEqual(resolution, { state: 'resolved', mac, ifindex: 2002 });
});

test('a real server behind a bond is reached by a member of it, and the members are one group', async (context) => {
  const bond: FakeLink = { ifindex: 2010, name: 'bond0', kind: 'bond' };
  const members = [2011, 2012].map((ifindex, i): FakeLink => ({ ifindex, name: `ens${i}`, master: 2010 }));
  const links = [bond, ...members, { ...VLAN20, parent: 2010 }];
  const resolved = { state: 'resolved', mac, ifindex: 2011 };
  assert.deepEqual(await resolutionOf(context, links, 2010, ['ens0', 'ens1']), resolved);
  assert.deepEqual(await resolutionOf(context, links, 2002, ['ens0', 'ens1']), { ...resolved, vlan: { id: 20 } });
  const network = await Network.open(() => undefined, { requests: new FakeKernel(links, 2010) });
  assert.deepEqual(
    ['ens0', 'ens1', 'bond0'].map((name) => network.interface(name)!.group),
    [2010, 2010, 2010],
  );
  network.close();
});

test('a port of a bridge is not a member of a bond', async (context) => {
  const links: FakeLink[] = [
    { ifindex: 2020, name: 'br0', kind: 'bridge' },
    { ifindex: 2021, name: 'ens0', master: 2020 },
  ];
  const resolution = await resolutionOf(context, links, 2020, ['ens0']);
  assert.deepEqual(resolution, {
    state: 'unresolved',
    reason: "is reached through br0, which is not an interface of the director's",
  });
});
