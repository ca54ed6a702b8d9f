/** Explaining a packet: the same answer as the director's own, by program and by oracle, and not a byte is changed by it. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import test from 'node:test';

import { formatExplanation } from '../../src/cli/index.js';
import {
  EXPLAIN_OBJECT,
  Explainer,
  explainOnce,
  Leaving,
  type Explanation,
  LiveRecall,
  type MapSet,
  type ExplainContext,
} from '../../src/dataplane/index.js';
import { explainFrames } from '../../src/director/index.js';
import * as layout from '../../src/layout/index.js';
import { ip, type IpAddress, type Service } from '../../src/model/index.js';
import { Oracle } from '../../src/oracle/index.js';
import { buildFrame } from '../../src/packet/index.js';
import { FuzzDirector } from '../fuzz/director.js';
import { Packets } from '../fuzz/packets.js';
import { Random } from '../fuzz/random.js';
import { randomScene } from '../fuzz/scenes.js';
import { PacketDirector } from '../support/director.js';
import { frameOf } from '../support/clients.js';
import { CLIENT_MAC, DIRECTOR, macFor, service, worldOf } from '../support/models.js';

/** To load the programs takes longer than to run them: few scenes, and many packets in each. */
const SCENES = 8;
const EARLIER = 1000;
const EXPLAINED = 3000;

/** An interface to redirect to; its peer is of no use. */
function makeInterface(): number {
  execFileSync('ip', ['link', 'add', 'explain0', 'type', 'veth', 'peer', 'name', 'explain1']);
  const [link] = JSON.parse(execFileSync('ip', ['-json', 'link', 'show', 'explain0'], { encoding: 'utf8' })) as {
    ifindex: number;
  }[];
  return link!.ifindex;
}

/** Every byte of every map that can be mapped. */
function snapshot(set: MapSet): ReadonlyMap<string, Buffer> {
  const mappable = [...set.maps].filter(
    ([name]) => !['devices', 'programs', 'early_ring', 'early_room'].includes(name) && !name.endsWith('.rodata'),
  );
  return new Map(
    mappable.map(([name, map]) => {
      using memory = map.mmap('read');
      return [name, Buffer.from(memory.read(0, new Uint8Array(memory.byteLength)))] as const;
    }),
  );
}

function assertSame(before: ReadonlyMap<string, Buffer>, after: ReadonlyMap<string, Buffer>): void {
  for (const [name, bytes] of before) {
    assert.ok(bytes.equals(after.get(name)!), `${name} was changed`);
  }
}

/** The output of `beeline explain` for a frame. */
async function explainedText(
  { set, image, numbering }: ExplainContext,
  explainer: Explainer,
  frame: Uint8Array,
): Promise<string> {
  const explain = (each: Uint8Array): Promise<Explanation> =>
    Promise.resolve(explainOnce(explainer, { set, image, numbering }, each, undefined));
  const [report] = await explainFrames({ image, numbering, explain }, { frames: [frame] });
  return formatExplanation(report!);
}

test('a packet gets the verdict that was explained, and explaining changes no map', async () => {
  const random = new Random(14);
  const egress = makeInterface();
  const verdicts = new Set<string>();
  for (let i = 0; i < SCENES; i += 1) {
    const scene = randomScene(random, egress);
    using director = new FuzzDirector();
    await director.publish(scene);
    using explainer = await Explainer.load(EXPLAIN_OBJECT, director.set);
    const packets = new Packets(random, scene);
    const frames = Array.from({ length: EARLIER + EXPLAINED }, () => packets.next());
    director.run(frames.slice(0, EARLIER));

    const before = snapshot(director.set);
    for (const frame of frames) {
      explainer.explain(frame);
    }
    assertSame(before, snapshot(director.set));

    for (const frame of frames.slice(EARLIER)) {
      const recall = new LiveRecall(director.set, director.numbering);
      const expected = new Oracle(director.image, undefined, undefined, recall).decide(frame);
      const { trace, frame: explained } = explainer.explain(frame);
      const [actual] = director.runMore([frame]);
      const text = await explainedText(director, explainer, frame);
      assert.doesNotMatch(text, /undefined|DISAGREES/);
      const hex = Buffer.from(frame).toString('hex');
      assert.equal(trace.verdict, actual!.verdict, hex);
      assert.deepEqual(Buffer.from(explained), Buffer.from(actual!.frame), hex);
      assert.equal(expected.verdict, actual!.verdict, hex);
      assert.deepEqual(Buffer.from(expected.frame), Buffer.from(actual!.frame), hex);
      verdicts.add(trace.verdict);
    }
  }
  assert.ok(verdicts.size > 12, [...verdicts].join());
});

const VIP = ip('192.168.1.100');

function frameTo(port: number, flags: number): Uint8Array {
  return buildFrame({
    destinationMac: DIRECTOR.mac,
    sourceMac: CLIENT_MAC,
    source: ip('192.168.1.12'),
    destination: VIP,
    protocol: 'tcp',
    sourcePort: 40_000,
    destinationPort: port,
    flags,
  });
}

const SERVERS = [ip('192.168.1.31'), ip('192.168.1.32'), ip('192.168.1.33')];

for (const scheduler of ['rr', 'wlc', 'lblcr', 'twos', 'maglev'] as const satisfies readonly Service['scheduler'][]) {
  test(`under ${scheduler} a hundred explanations have no effect on the next flow`, async () => {
    using director = await PacketDirector.with([service(VIP, 80, SERVERS, { scheduler })]);
    const set = director.publisher.set!;
    using explainer = await Explainer.load(EXPLAIN_OBJECT, set);
    const before = snapshot(set);
    const answers = new Set<string>();
    for (let i = 0; i < 100; i += 1) {
      const { trace, frame } = explainer.explain(frameTo(80, 0x02));
      assert.equal(trace.verdict, 'forwarded');
      answers.add(Buffer.from(frame).toString('hex'));
    }
    assertSame(before, snapshot(set));
    assert.equal(answers.size, 1);
    assert.equal(Buffer.from(director.send(frameTo(80, 0x02)).frame).toString('hex'), [...answers][0]);
  });
}

test('a flow that would be stored is explained so, and is found once it is stored', async () => {
  using director = await PacketDirector.with([
    service(VIP, 80, SERVERS, { scheduler: 'rr', persistence: { timeout: 300, mask: ip('255.255.255.0') } }),
  ]);
  using explainer = await Explainer.load(EXPLAIN_OBJECT, director.publisher.set!);
  const first = explainer.explain(frameTo(80, 0x02)).trace;
  assert.deepEqual(
    [first.stored?.state, first.templateStored?.state, first.found],
    ['syn-recv', 'template-new', undefined],
  );
  assert.deepEqual(first.match, { service: 1, protocol: 'tcp', client: '192.168.1.12', clientPort: 40_000, port: 80 });
  assert.ok(first.opens && first.number !== 0 && first.counted === first.number);
  director.send(frameTo(80, 0x02));
  const second = explainer.explain(frameTo(80, 0x10)).trace;
  assert.deepEqual([second.found?.state, second.changed?.state, second.stored], ['syn-recv', 'unconfirmed', undefined]);
  assert.equal(second.found?.number, second.number);
  director.send(frameTo(80, 0x10));
  const third = explainer.explain(frameTo(80, 0x10)).trace;
  assert.deepEqual([third.found?.state, third.changed?.state], ['unconfirmed', 'established']);
  director.send(frameTo(80, 0x10));
  const fourth = explainer.explain(frameTo(80, 0x10)).trace;
  assert.ok(fourth.steps.has('hit'));
  assert.equal(fourth.found?.state, 'established');
});

test('a flow that waits for a real server that was removed is explained so, and no other counts that one', async () => {
  const asked = service(VIP, 80, SERVERS, { scheduler: 'rr' });
  using director = new PacketDirector();
  const leaving = new Leaving();
  director.past = (image) => {
    const result = leaving.apply(image, director.publisher.numbering, 0);
    leaving.confirm();
    return result;
  };
  await director.publish([asked]);
  director.send(frameTo(80, 0x02));
  await director.publish([{ ...asked, destinations: asked.destinations.slice(0, 2) }]);
  const { set, image, numbering } = director.publisher;
  using explainer = await Explainer.load(EXPLAIN_OBJECT, set!);
  const text = await explainedText({ set: set!, image: image!, numbering }, explainer, frameTo(80, 0x10));
  assert.match(text, /rr, 2 real servers/);
  assert.match(text, /192\.168\.1\.33, weight 0, at no known MAC \(was removed a moment ago: its flows wait/);
  assert.match(text, /verdict +unresolved/);
});

/** Makes all flows such as give way to no other. */
function makeLasting(set: MapSet): void {
  const memory = set.memory.mapping('flows4');
  const bytes = memory.read(0, Buffer.alloc(memory.byteLength));
  const state = BigInt(layout.flowState['established-lasting']) << 24n;
  for (let at = layout.flow4.data.offset; at < bytes.length; at += layout.flow4.byteLength) {
    const word = bytes.readBigUInt64LE(at);
    if (word !== 0n) {
      bytes.writeBigUInt64LE((word & ~(15n << 24n)) | state, at);
    }
  }
  memory.write(0, bytes);
}

test('a full table is no disagreement of program and oracle, under any scheduler and for any packet', async () => {
  const tracked = ['rr', 'wlc', 'lblc', 'sh', 'ovf', 'twos'] as const;
  const services = [
    ...tracked.map((scheduler, i) => service(VIP, 8000 + i, SERVERS, { scheduler })),
    service(VIP, 8100, SERVERS, { track: 'all' }),
    service(VIP, 8101, SERVERS, { scheduler: 'wlc', persistence: { timeout: 300 } }),
    service(VIP, 53, SERVERS, { scheduler: 'rr', protocol: 'udp' }),
  ];
  using director = await PacketDirector.with(services, {}, { ipv4: 4096, ipv6: 4096 });
  const { set, image, numbering } = director.publisher;
  using explainer = await Explainer.load(EXPLAIN_OBJECT, set!);
  const steps = new Set<string>();
  for (let port = 1; port <= 16_000; port += 1) {
    director.send(frameOf(services[0]!, { port }));
  }
  for (const lasting of [false, true]) {
    if (lasting) {
      makeLasting(set!);
    }
    for (const each of services) {
      for (const flags of ['S', 'A', 'FA', 'R']) {
        for (let port = 50_000; port < 50_050; port += 1) {
          const context = { set: set!, image: image!, numbering };
          const { explained, differences } = explainOnce(explainer, context, frameOf(each, { port }, flags), undefined);
          assert.deepEqual(differences, [], `${each.port} ${flags}`);
          explained.trace.steps.forEach((step) => steps.add(step));
        }
      }
    }
  }
  assert.ok(steps.has('crowded') && steps.has('no-room'), [...steps].join());
});

test("the printed explanation matches the packet's path", async () => {
  const [first, second] = [ip('192.168.1.31'), ip('192.168.1.32')] as const;
  const servers = [first, second];
  using director = new FuzzDirector();
  const services = [
    service(VIP, 80, servers, { track: 'moved' }),
    service(VIP, 443, servers, { scheduler: 'rr', persistence: { timeout: 300, mask: ip('255.255.255.0') } }),
  ];
  await director.publish({ model: { services }, world: worldOf(services) });
  using explainer = await Explainer.load(EXPLAIN_OBJECT, director.set);
  const explained = (frame: Uint8Array): Promise<string> => explainedText(director, explainer, frame);
  const packet = (flags: string, port: number): string =>
    `packet       tcp ${flags} 192.168.1.12:40000 > 192.168.1.100:${port}, to 00:50:00:00:04:00 (ens3)\n`;
  const sent = (address: IpAddress): string =>
    `frame        00:50:00:00:04:00 > ${macFor(address)}\nverdict      forwarded (sent back out of ens3)\n`;

  const slot = director.image.services[0]!.ring!;
  const web = await explained(frameTo(80, 0x02));
  const [, index, owner] = /slot +(\d+) of \d+ -> (\S+)/.exec(web)!;
  assert.equal(servers[slot[Number(index)]!], owner);
  assert.equal(
    web,
    packet('SYN', 80) +
      'service      tcp 192.168.1.100:80, maglev, 2 real servers\n' +
      'flow         not looked up: no change touched its slot\n' +
      `slot         ${index!} of 1024 -> ${owner!}\n` +
      `real server  ${owner!}, weight 1, at ${macFor(ip(owner!))}\n` +
      sent(ip(owner!)),
  );

  const rr = 'service      tcp 192.168.1.100:443, rr, 2 real servers\n';
  assert.equal(
    await explained(frameTo(443, 0x02)),
    packet('SYN', 443) +
      rr +
      'flow         not known; would be remembered as SYN_RECV\n' +
      'persistence  not known; the client would stay at the real server of this flow\n' +
      `slot         0 of 2 -> ${second}\n` +
      `real server  ${second}, weight 1, at ${macFor(second)}, chosen by the scheduler now\n` +
      sent(second),
  );
  director.runMore([frameTo(443, 0x02)]);
  assert.equal(
    await explained(frameTo(443, 0x10)),
    packet('ACK', 443) +
      rr +
      `flow         known: SYN_RECV, last packet just now, at ${second}; becomes ESTABLISHED\n` +
      `persistence  known: the client stays at ${second}\n` +
      `real server  ${second}, weight 1, at ${macFor(second)}, as in the flow's entry\n` +
      sent(second),
  );
  assert.notEqual(first, second);
  assert.match(await explained(frameTo(22, 0x02)), /service      none\nverdict      no-service \(for a VIP, /);
});
