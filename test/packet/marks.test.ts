/** Services of marked packets in the real program: several VIPs and ports that are one to scheduler and persistence. */

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'node:test';

import { readNumbering } from '../../src/dataplane/index.js';
import { markEntries } from '../../src/image/index.js';
import {
  ip,
  type IpAddress,
  type MarkRule,
  type MarkService,
  type Model,
  parseMarkMatch,
  type Service,
  type ServiceKey,
} from '../../src/model/index.js';
import { Caller } from '../support/clients.js';
import { PacketDirector } from '../support/director.js';
import { service, worldOf } from '../support/models.js';

const [VIP, OTHER_VIP, VIP6] = [ip('10.99.0.10'), ip('10.99.0.11'), ip('fd99::10')] as const;
const SERVERS = [ip('10.99.0.31'), ip('10.99.0.32'), ip('10.99.0.33')];
const SERVERS6 = [ip('fd99::31'), ip('fd99::32')];
const FLOWS = { ipv4: 1 << 12, ipv6: 1 << 12 };

function rules(mark: number, ...matches: string[]): MarkRule[] {
  return matches.map((text) => ({ mark, match: parseMarkMatch(text)! }));
}

function marked(rest: Partial<MarkService> = {}): MarkService {
  const { family = 4 } = rest;
  const destinations = (family === 4 ? SERVERS : SERVERS6).map((address) => ({ address, weight: 1 }));
  return { mark: 1, family, scheduler: 'rr', destinations, ...rest };
}

type Marks = Pick<Model, 'markServices' | 'markRules'> & { readonly services?: readonly Service[] };

async function publish(director: PacketDirector, { services = [], ...marks }: Marks): Promise<void> {
  const all = [...services, ...(marks.markServices ?? [])] as Service[];
  await director.publishModel({ services, ...marks, flows: FLOWS }, worldOf(all));
}

async function directorOf(marks: Marks): Promise<PacketDirector> {
  const director = new PacketDirector();
  await publish(director, marks);
  return director;
}

function at(address: IpAddress, port: number, protocol: ServiceKey['protocol'] = 'tcp'): ServiceKey {
  return { address, port, protocol };
}

test('rr takes turns over all packets with the mark, not for each port', async () => {
  const markRules = rules(1, `tcp:${VIP}:80`, `tcp:${VIP}:443`, `udp:${OTHER_VIP}:53`);
  using director = await directorOf({ markServices: [marked()], markRules });
  const [http, https, dns] = [at(VIP, 80), at(VIP, 443), at(OTHER_VIP, 53, 'udp')].map(
    (key) => new Caller(director, key),
  );
  const turns = [http!.send(1000), https!.send(1001), dns!.send(1002), http!.send(1003)];
  assert.deepEqual(turns, ['33', '32', '31', '33']);
});

test('a client stays at one real server across the ports of a mark', async () => {
  const markRules = rules(1, `tcp:${VIP}:80`, `tcp:${VIP}:443`);
  using director = await directorOf({ markServices: [marked({ persistence: { timeout: 300 } })], markRules });
  const [http, https] = [new Caller(director, at(VIP, 80)), new Caller(director, at(VIP, 443))];
  const first = http.segments({ address: ip('10.50.0.7'), port: 1000 }, 'S', 'A');
  assert.equal(https.send({ address: ip('10.50.0.7'), port: 2000 }), first);
  assert.notEqual(https.send({ address: ip('10.50.0.8'), port: 2000 }), first);
});

test('flows of one client port to two VIPs, or under two protocols, are never taken for each other', async () => {
  const markRules = rules(1, `tcp:${VIP}:80`, `tcp:${OTHER_VIP}:80`, `udp:${VIP}:80`);
  using director = await directorOf({ markServices: [marked()], markRules });
  const callers = [at(VIP, 80), at(OTHER_VIP, 80), at(VIP, 80, 'udp')].map((key) => new Caller(director, key));
  assert.deepEqual(
    callers.map((caller) => caller.send(1000)),
    ['33', '32', '31'],
  );
  callers[0]!.segments(1000, 'A', 'R');
  assert.deepEqual(
    callers.slice(1).map((caller) => caller.send(1000, 'A')),
    ['32', '31'],
  );
  const statistics = await director.publisher.sweep([]);
  assert.deepEqual(statistics!.states.get('fwm 1'), { close: 1, unconfirmed: 1, udp: 1 });
});

test('a client keeps its real server as long as one of its flows lives, on any port of the mark', async () => {
  const markRules = rules(1, `tcp:${VIP}:80`, `tcp:${VIP}:443`);
  using director = await directorOf({ markServices: [marked({ persistence: { timeout: 1 } })], markRules });
  const [http, https] = [new Caller(director, at(VIP, 80)), new Caller(director, at(VIP, 443))];
  const [stays, leaves] = [
    { address: ip('10.50.0.7'), port: 1000 },
    { address: ip('10.50.0.8'), port: 1000 },
  ];
  const first = https.segments(stays, 'S', 'A');
  http.segments(leaves, 'S', 'A', 'R');
  // Longer than a unit of the data path's time, and a second one that may just have begun.
  await sleep(3_500);
  await director.publisher.sweep([]);
  const statistics = await director.publisher.sweep([]);
  assert.equal(statistics!.states.get('fwm 1')!.template, 2);
  await sleep(8_000);
  await director.publisher.sweep([]);
  assert.equal((await director.publisher.sweep([]))!.states.get('fwm 1')!.template, 1);
  assert.equal(http.send({ ...stays, port: 1001 }), first);
});

test('a mark comes before a service of the same VIP and port, and leaves other packets to it', async () => {
  const own = service(VIP, 0, [ip('10.99.0.41')]);
  const markRules = rules(1, `tcp:${VIP}:8000-8002`);
  using director = await directorOf({ services: [own], markServices: [marked()], markRules });
  const caller = new Caller(director, own);
  assert.deepEqual(
    [7999, 8000, 8001, 8002, 8003].map((port) => caller.send(1000, 'S', port)),
    ['41', '33', '32', '31', '41'],
  );
});

test('a mark rule matches a network of VIPs with every port, in both address families', async () => {
  const markRules = [...rules(1, 'tcp:10.99.0.8/30:*'), ...rules(1, 'tcp:[fd99::10]:*')];
  using director = await directorOf({ markServices: [marked(), marked({ family: 6 })], markRules });
  const to = (address: IpAddress, port: number): string | undefined =>
    new Caller(director, at(address, port)).send(1000);
  assert.deepEqual(
    ['10.99.0.7', '10.99.0.8', '10.99.0.11', '10.99.0.12'].map(ip).map((address) => to(address, 25)),
    [undefined, '33', '32', undefined],
  );
  assert.equal(to(VIP6, 8080), '32');
});

test('a mark without a service takes no packets, and neither does one without a rule', async () => {
  const markRules = rules(1, `tcp:${VIP}:80`);
  using director = await directorOf({ markServices: [marked()], markRules });
  const caller = new Caller(director, at(VIP, 80));
  assert.equal(caller.send(1000), '33');
  await publish(director, { markServices: [], markRules });
  assert.equal(caller.send(1001), undefined);
  await publish(director, { markServices: [marked()], markRules: [] });
  assert.equal(caller.send(1002), undefined);
});

test("one-packet scheduling applies only to a mark's UDP packets: TCP connections stay whole", async () => {
  const markRules = rules(1, `tcp:${VIP}:80`, `udp:${VIP}:80`);
  using director = await directorOf({ markServices: [marked({ onePacket: true })], markRules });
  const [tcp, udp] = [new Caller(director, at(VIP, 80)), new Caller(director, at(VIP, 80, 'udp'))];
  assert.equal(tcp.send(1000), '33');
  assert.deepEqual([udp.send(1000), udp.send(1000), udp.send(1000)], ['32', '31', '33']);
  assert.deepEqual([tcp.send(1000, 'A'), tcp.send(1000, 'A')], ['33', '33']);
});

test('a daemon that adopts the maps finds the numbers of marks again', async () => {
  const markRules = rules(0xfffffffe, `tcp:${VIP}:80`, `udp:${VIP}:53`);
  const markServices = [marked({ mark: 0xfffffffe }), marked({ mark: 7, family: 6 })];
  using director = await directorOf({ services: [service(VIP, 0, SERVERS)], markServices, markRules });
  const found = readNumbering(director.publisher.set!.memory);
  const known = director.publisher.numbering;
  const plain = (numbering: typeof known): unknown =>
    Object.fromEntries([...numbering].map(([name, { number, destinations }]) => [name, [number, [...destinations]]]));
  assert.deepEqual(plain(found), plain(known));
  assert.ok(found.has('fwm 4294967294 tcp 10.99.0.10') && found.has('fwm 7 ipv6'));
});

test('packets of a mark that are not sent are counted under its service', async () => {
  const markRules = rules(1, `tcp:${VIP}:80`);
  using director = await directorOf({ markServices: [marked({ destinations: [] })], markRules });
  new Caller(director, at(VIP, 80)).send(1000);
  assert.deepEqual(director.verdicts('fwm 1'), { 'no-destination': 1 });
});

test('mark rules with more keys than the table holds are refused before anything changes', () => {
  const markServices = [marked()];
  assert.throws(() => markEntries({ markServices, markRules: rules(1, 'tcp:10.0.0.0/8:80') }), { code: 'TABLE_FULL' });
  assert.throws(() => markEntries({ markServices, markRules: rules(1, 'tcp:10.0.0.0/24:1-1000') }), {
    code: 'TABLE_FULL',
  });
  const [entry] = markEntries({ markServices, markRules: rules(1, 'tcp:10.0.0.0/24:80') });
  assert.deepEqual(entry, {
    name: 'fwm 1 tcp 10.0.0.0',
    service: 'fwm 1',
    address: '10.0.0.0',
    protocol: 'tcp',
    ports: [80],
  });
});
