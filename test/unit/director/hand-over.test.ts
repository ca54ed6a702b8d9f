/** Flow hand-over without tables: messages, names, and what two directors do when the other one is broken, slow or a stranger. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import fc from 'fast-check';
import { pino } from 'pino';

import {
  type CollectedPage,
  FLOW_RECORD_BYTES,
  type FlowNames,
  type Taken,
  translate,
} from '../../../src/dataplane/index.js';
import { HandOver } from '../../../src/director/hand-over/index.js';
import {
  addNames,
  encodeMessage,
  type Message,
  MessageDecoder,
  NAMES_AT_ONCE,
  namesMessages,
} from '../../../src/director/hand-over/messages.js';
import {
  BeelineError,
  type Family,
  type FlowHandOver,
  type HandOverFiles,
  ip,
  type IpAddress,
} from '../../../src/model/index.js';
import { Authority, type Pair } from '../../support/certificates.js';

const [ONE, OTHER, STRANGER] = [ip('127.0.0.1'), ip('127.0.0.2'), ip('127.0.0.3')];
const NO_NAMES: FlowNames = { services: [], realServers: [] };

const count = fc.nat();
const text = fc.string({ maxLength: 60 });
const address = fc.constantFrom(ip('10.0.0.1'), ip('fd00::1'));
const message: fc.Arbitrary<Message> = fc.oneof(
  fc.record({ type: fc.constant('hello' as const), version: count, host: text, beeline: text }),
  fc.record({ type: fc.constant('passed' as const), full: fc.boolean() }),
  fc.record({ type: fc.constant('taken' as const), taken: count, skipped: count }),
  fc.record({
    type: fc.constant('names' as const),
    begins: fc.boolean(),
    services: fc.array(fc.tuple(fc.integer({ min: 1, max: 65_535 }), text, fc.integer({ min: 1, max: 65_535 }))),
    realServers: fc.array(
      fc.tuple(fc.integer({ min: 1, max: (1 << 20) - 1 }), fc.integer({ min: 1, max: 65_535 }), address),
    ),
  }),
  fc
    .tuple(fc.constantFrom<Family>(4, 6), fc.nat({ max: 40 }), fc.integer({ min: 800, max: 1300 }))
    .map(([family, flows, unitMs]) => ({
      ...{ type: 'flows' as const, family, unitMs },
      records: new Uint8Array(flows * FLOW_RECORD_BYTES[family]).map((_, i) => i * 7),
    })),
);

test('any messages that are encoded are decoded the same, in whatever pieces they come', () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 8 }), fc.integer({ min: 1, max: 400 }), (messages, piece) => {
      const bytes = Buffer.concat(messages.map(encodeMessage));
      const decoder = new MessageDecoder();
      const decoded: Message[] = [];
      for (let at = 0; at < bytes.length; at += piece) {
        decoded.push(...decoder.push(bytes.subarray(at, at + piece)));
      }
      assert.deepEqual(plainOf(decoded), plainOf(messages));
    }),
    { numRuns: 200 },
  );
});

/** Buffers and arrays of bytes alike. */
function plainOf(messages: readonly Message[]): unknown {
  return messages.map((each) => ({ ...each, ...(each.type === 'flows' && { records: [...each.records] }) }));
}

function frame(...body: number[]): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, Buffer.from(body)]);
}

const BAD_FRAMES: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ['longer than any', Buffer.from([0x7f, 0xff, 0xff, 0xff]), /exceeds the limit/],
  ['no MessagePack', frame(0xc1), /not a MessagePack value/],
  ['cut off inside', frame(0x93, 1), /not a MessagePack value/],
  ['two values', frame(1, 1), /more than one value/],
  ['nested deep', frame(...Array.from({ length: 5000 }, () => 0x91), 1), /nested too deep/],
  ['a list of a billion', frame(0xdd, 0x40, 0, 0, 0), /not a MessagePack value/],
  ['many empty lists', frame(0xdc, 0xff, 0xff, ...Array.from({ length: 65_535 }, () => 0x90)), /more than \d+ values/],
  ['not a mapping', frame(1), /none that this version/],
  ['no known type', frame(0x81, 0xa4, ...Buffer.from('type'), 0xa1, 0x78), /none that this version/],
  ['half a flow', encodeMessage({ type: 'flows', family: 4, unitMs: 1000, records: new Uint8Array(21) }), /none that/],
  [
    'too many flows',
    encodeMessage({ type: 'flows', family: 4, unitMs: 1000, records: new Uint8Array(20 * 9000) }),
    /none/,
  ],
  ['no length of time', encodeMessage({ type: 'flows', family: 4, unitMs: 0, records: new Uint8Array() }), /none that/],
];

test('a frame that is no message is refused before it costs anything', () => {
  for (const [name, bytes, expected] of BAD_FRAMES) {
    const began = performance.now();
    assert.throws(() => [...new MessageDecoder().push(bytes)], expected, name);
    assert.ok(performance.now() - began < 1000, name);
  }
});

test('names go in as many messages as they need, and those of before are void', () => {
  const names = (services: number, realServers: number): FlowNames => ({
    services: Array.from({ length: services }, (_, i) => ({ number: i + 1, name: `tcp ${i}`, group: i + 1 })),
    realServers: Array.from({ length: realServers }, (_, i) => ({ number: i + 1, service: 1, address: OTHER })),
  });
  for (const each of [names(0, 0), names(1, NAMES_AT_ONCE + 1), names(NAMES_AT_ONCE * 2, 5)]) {
    const received = namesMessages(each).reduce(addNames, names(7, 7));
    assert.deepEqual(received, each);
  }
  const endless = names(40_000, 0);
  const again = namesMessages(endless).map((each) => ({ ...each, begins: false }));
  assert.throws(() => [...again, ...again].reduce(addNames, NO_NAMES), /do not end/);
});

test('numbers are translated by the names of services and the addresses of their own real servers', () => {
  const theirs: FlowNames = {
    services: [
      { number: 1, name: 'tcp a', group: 1 },
      { number: 2, name: 'fwm 1', group: 2 },
      { number: 3, name: 'fwm 1 tcp x', group: 2 },
      { number: 4, name: 'tcp gone', group: 4 },
    ],
    realServers: [
      { number: 10, service: 1, address: ONE },
      { number: 11, service: 2, address: ONE },
      { number: 12, service: 2, address: OTHER },
      { number: 13, service: 4, address: ONE },
    ],
  };
  const own: FlowNames = {
    services: [
      { number: 7, name: 'fwm 1', group: 7 },
      { number: 8, name: 'tcp a', group: 8 },
      { number: 9, name: 'fwm 1 tcp x', group: 7 },
    ],
    realServers: [
      { number: 1, service: 7, address: ONE },
      { number: 2, service: 8, address: ONE },
    ],
  };
  const { services, serviceGroups, numbers, groups } = translate(theirs, own);
  assert.deepEqual([...services], [0, 8, 7, 9, 0]);
  assert.deepEqual([...serviceGroups], [0, 8, 7, 7, 0]);
  assert.deepEqual([...numbers].slice(10), [2, 1, 0, 0]);
  assert.deepEqual([...groups].slice(10), [8, 7, 0, 0]);
});

/** The flows of a director, as numbers in records. */
class Flows {
  readonly #told = new Set<number>();
  readonly own: number[] = [];
  readonly taken: number[] = [];
  fullPasses = 0;
  /** How many times it was asked for flows. */
  asked = 0;
  readonly names: FlowNames = { services: [{ number: 1, name: 'tcp a', group: 1 }], realServers: [] };

  collect = (family: Family, _from: number, limit: number, all: boolean): Promise<CollectedPage> => {
    this.asked += 1;
    if (all && family === 4) {
      this.#told.clear();
    }
    const flows = family === 4 ? this.own.filter((each) => !this.#told.has(each)).slice(0, limit) : [];
    flows.forEach((each) => this.#told.add(each));
    const records = new Uint8Array(flows.length * 20);
    flows.forEach((each, i) => {
      new DataView(records.buffer).setUint32(i * 20, each);
    });
    return Promise.resolve({ family, records, unitMs: 1000, names: this.names, count: flows.length, next: undefined });
  };

  take = (names: FlowNames, { records }: { records: Uint8Array }): Promise<Taken> => {
    assert.deepEqual(names, this.names);
    const view = new DataView(records.buffer, records.byteOffset, records.length);
    for (let at = 0; at < records.length; at += 20) {
      this.taken.push(view.getUint32(at));
    }
    return Promise.resolve({ added: records.length / 20, changed: 0, kept: 0, unknown: 1, noRoom: 0, wrong: 0 });
  };
}

interface End {
  readonly flows: Flows;
  readonly handOver: HandOver;
  readonly settings: FlowHandOver;
  readonly log: string[];
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, ONE, () => {
      const { port } = server.address() as { port: number };
      server.close(() => {
        resolve(port);
      });
    });
  });
}

function endOf(
  context: TestContext,
  [listen, peer]: readonly [IpAddress, IpAddress],
  port: number,
  tls?: HandOverFiles,
): End {
  const log: string[] = [];
  const logger = pino({ base: null }, { write: (line: string) => log.push((JSON.parse(line) as { msg: string }).msg) });
  const flows = new Flows();
  const handOver = new HandOver({ flows, version: '1', log: logger, silenceMs: 1_500, firstPauseMs: 50 });
  context.after(() => handOver.stop());
  return { flows, handOver, log, settings: { listen, peer, port, ...(tls && { tls }) } };
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let i = 0; !holds(); i += 1) {
    assert.ok(i < 1000, `${what}: still not so`);
    await sleep(20);
  }
}

async function twoEnds(context: TestContext, tls: readonly (HandOverFiles | undefined)[] = []): Promise<[End, End]> {
  const port = await freePort();
  const ends: [End, End] = [endOf(context, [ONE, OTHER], port, tls[0]), endOf(context, [OTHER, ONE], port, tls[1])];
  ends[0].flows.own.push(1, 2, 3);
  ends[1].flows.own.push(4, 5);
  return ends;
}

function begin(...ends: readonly End[]): void {
  for (const { handOver, settings } of ends) {
    handOver.follow(settings);
  }
}

function folderOf(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'hand-over-'));
  context.after(() => {
    rmSync(folder, { recursive: true });
  });
  return folder;
}

function filesOf(folder: string, name: string, { key, cert }: Pair, authority: Authority): HandOverFiles {
  const files = { certificate: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
  writeFileSync(files.certificate, cert);
  writeFileSync(files.key, key);
  return { ...files, authority: authority.path };
}

for (const protection of ['tls', 'none'] as const) {
  test(`each director gets the other one's flows, those of now and those that come (${protection})`, async (context) => {
    const folder = folderOf(context);
    const authority = new Authority(join(folder, 'authority'));
    const files = filesOf(folder, 'a', authority.issue(), authority);
    const ends = await twoEnds(context, protection === 'tls' ? [files, files] : []);
    begin(...ends);
    const [one, other] = ends;
    assert.equal(other.handOver.behind.length, 1, 'flows may come');
    await until('all flows came', () => one.flows.taken.length >= 2 && other.flows.taken.length >= 3);
    one.flows.own.push(9);
    await until('a new one came', () => other.flows.taken.includes(9));
    await until('the answer came', () => one.handOver.report!.sending.skipped > 0);
    assert.deepEqual(other.flows.taken.toSorted(), [1, 2, 3, 9]);
    assert.deepEqual(one.flows.taken.toSorted(), [4, 5]);
    const { report } = other.handOver;
    assert.deepEqual([report!.protection, report!.receiving.flows, report!.receiving.skipped], [protection, 4, 2]);
    assert.ok(report!.receiving.since !== undefined && report!.receiving.lastFullPass !== undefined);
    assert.deepEqual([...one.handOver.problems, ...other.handOver.problems, ...other.handOver.behind], []);
  });
}

test('a director that comes back gets all flows again, and both say that it was away', async (context) => {
  const [one, other] = await twoEnds(context);
  begin(one, other);
  await until('all flows came', () => other.flows.taken.length === 3 && one.flows.taken.length === 2);
  await other.handOver.stop();
  // First the connection ends, in one way or another; then nobody listens.
  await until('it is missed', () => /flow hand-over: .*ECONNREFUSED/.test(one.handOver.problems.join()));
  await until('none is told', () => one.handOver.report!.sending.since === undefined);
  const lines = (): number => one.log.filter((each) => each.includes('no flows come')).length;
  const before = lines();
  assert.ok(before >= 1);
  await sleep(500);
  assert.equal(lines(), before, 'told when it begins or changes, not at every attempt');
  begin(other);
  await until('all came again', () => other.flows.taken.length === 6);
  await until('nothing is wrong', () => one.handOver.problems.length === 0);
});

test('a certificate of another authority is refused on either side, and told', async (context) => {
  const folder = folderOf(context);
  const [right, wrong] = ['right', 'wrong'].map((name) => new Authority(join(folder, name))) as [Authority, Authority];
  const good = filesOf(folder, 'good', right.issue(), right);
  // It trusts the right authority, and has a certificate of the wrong one; or none that is valid any more.
  for (const [name, pair] of [
    ['of another authority', wrong.issue()],
    ['of its own', right.selfSigned()],
    ['that is not valid any more', right.issue({ from: -9, to: -1 })],
  ] as const) {
    await context.test(name, async (inner) => {
      const ends = await twoEnds(inner, [good, filesOf(folder, 'bad', pair, right)]);
      begin(...ends);
      for (const { handOver } of ends) {
        await until('it is told', () => handOver.problems.length > 0);
      }
      await sleep(300);
      assert.deepEqual([...ends[0].flows.taken, ...ends[1].flows.taken], []);
      assert.equal(ends[0].flows.asked, 0);
    });
  }
});

test('a file that is missing is told, and its connection comes when it is there', async (context) => {
  const folder = folderOf(context);
  const authority = new Authority(join(folder, 'authority'));
  const pair = authority.issue();
  const files = filesOf(folder, 'a', pair, authority);
  const ends = await twoEnds(context, [files, files]);
  rmSync(files.key);
  begin(...ends);
  await until('it is told', () => ends[0].handOver.problems.some((each) => each.includes('a.key')));
  writeFileSync(files.key, pair.key);
  await until('flows come', () => ends[0].flows.taken.length === 2 && ends[1].flows.taken.length === 3);
});

test('no plain connection gets flows from a director that has certificates', async (context) => {
  const folder = folderOf(context);
  const authority = new Authority(join(folder, 'authority'));
  const ends = await twoEnds(context, [filesOf(folder, 'a', authority.issue(), authority), undefined]);
  begin(...ends);
  await until('it is told', () => ends.every(({ handOver }) => handOver.problems.length > 0));
  assert.deepEqual([...ends[0].flows.taken, ...ends[1].flows.taken], []);
});

/** Connects as the other director. */
/** Connects as soon as the director listens. */
async function visit(context: TestContext, { listen, port }: FlowHandOver, from: IpAddress): Promise<Socket> {
  for (let i = 0; ; i += 1) {
    const socket = connect({ host: listen, port, localAddress: from });
    context.after(() => socket.destroy());
    const failed = once(socket, 'connect').then(
      () => undefined,
      (error: unknown) => error as NodeJS.ErrnoException,
    );
    socket.on('error', () => undefined);
    const error = await failed;
    if (error === undefined) {
      return socket;
    }
    assert.ok(error.code === 'ECONNREFUSED' && i < 1000, error.message);
    await sleep(20);
  }
}

function closed(socket: Socket): Promise<unknown> {
  socket.resume();
  return socket.closed ? Promise.resolve() : once(socket, 'close');
}

const HELLO = encodeMessage({ type: 'hello', version: 1, host: 'x', beeline: '1' });

const BAD_VISITS: readonly (readonly [string, readonly Uint8Array[]])[] = [
  ['says nothing', []],
  ['sends half a frame', [Buffer.from([0, 0, 1, 0, 0x81])]],
  ['speaks another protocol', [Buffer.from('GET / HTTP/1.1\r\n\r\n')]],
  ['announces a huge frame', [Buffer.from([0x7f, 0xff, 0xff, 0xff])]],
  ['speaks another version', [encodeMessage({ type: 'hello', version: 2, host: 'x', beeline: '2' })]],
  ['does not begin with a greeting', [encodeMessage({ type: 'passed', full: true })]],
  ['sends flows where it should take them', [HELLO, encodeMessage({ type: 'passed', full: true })]],
  ['greets, and never answers', [HELLO]],
];

test('whoever takes flows and breaks the rules is hung up on, and the next one is served', async (context) => {
  const [one, other] = await twoEnds(context);
  begin(one);
  for (const [name, pieces] of BAD_VISITS) {
    await context.test(name, async (inner) => {
      await until('it listens', () => !one.log.at(-1)?.includes('cannot listen'));
      const socket = await visit(inner, one.settings, OTHER);
      pieces.forEach((piece) => socket.write(piece));
      await closed(socket);
    });
  }
  begin(other);
  await until('flows come', () => other.flows.taken.length === 3);
});

test('a stranger gets nothing, and does not fill the log', async (context) => {
  const [one] = await twoEnds(context);
  begin(one);
  for (let i = 0; i < 20; i += 1) {
    await closed(await visit(context, one.settings, STRANGER));
  }
  assert.equal(one.log.filter((each) => each.includes('not the other director')).length, 1);
  assert.equal(one.flows.asked, 0);
});

test('whoever does not read costs one message, and is hung up on', async (context) => {
  const [one] = await twoEnds(context);
  one.flows.own.push(...Array.from({ length: 1 << 13 }, (_, i) => 1000 + i));
  const pageOf = one.flows.collect;
  // Pages without an end.
  one.flows.collect = async (_family, from, limit) => ({ ...(await pageOf(4, from, limit, true)), next: 1 });
  begin(one);
  const socket = await visit(context, one.settings, OTHER);
  socket.pause();
  socket.write(HELLO);
  await until('it is hung up on', () => one.log.some((each) => each.includes('takes no flows any more')));
  assert.ok(one.flows.asked < 100, `${one.flows.asked} pages were collected`);
});

/** A director that tells wrong things, at the address of the other one. */
async function liar(
  context: TestContext,
  { peer, port }: FlowHandOver,
  pieces: readonly Uint8Array[],
): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    pieces.forEach((piece) => socket.write(piece));
  });
  await new Promise<void>((resolve) => {
    server.listen(port, peer, resolve);
  });
  context.after(() => server.close());
  return server;
}

test('a director that tells nonsense is left, told of, and asked again with growing pauses', async (context) => {
  const cases = [
    ...BAD_FRAMES.map(([name, bytes]): [string, Uint8Array[]] => [name, [HELLO, bytes]]),
    ['an answer', [HELLO, encodeMessage({ type: 'taken', taken: 1, skipped: 1 })]] as [string, Uint8Array[]],
    ['silence', []] as [string, Uint8Array[]],
  ];
  await Promise.all(
    cases.map(async ([name, pieces]) => {
      const [one] = await twoEnds(context);
      let connections = 0;
      (await liar(context, one.settings, pieces)).on('connection', () => {
        connections += 1;
      });
      begin(one);
      await until(`${name} is told`, () => one.handOver.problems.length > 0);
      await sleep(1_000);
      assert.ok(connections <= 10, `${name}: ${connections} connections`);
      assert.deepEqual(one.flows.taken, [], name);
    }),
  );
});

test('settings that change end the connections of before; those that do not, nothing', async (context) => {
  const [one, other] = await twoEnds(context);
  begin(one, other);
  await until('all flows came', () => other.flows.taken.length === 3);
  begin(one, other, { ...one, settings: { ...one.settings } });
  await sleep(700);
  assert.equal(other.flows.taken.length, 3);
  const port = await freePort();
  const moved = [one, other].map((each) => ({ ...each, settings: { ...each.settings, port } }));
  begin(...moved);
  await until('all came again', () => other.flows.taken.length === 6);
  one.handOver.follow(undefined);
  await until('it has ended', () => other.handOver.problems.length > 0);
  assert.equal(one.handOver.report, undefined);
  assert.deepEqual([one.handOver.problems, one.handOver.behind], [[], []]);
});

test('the errors of the hand-over have codes', () => {
  const [, , bad] = BAD_FRAMES.at(-1)!;
  assert.throws(
    () => [...new MessageDecoder().push(BAD_FRAMES.at(-1)![1])],
    (error) => error instanceof BeelineError && error.code === 'HAND_OVER_MESSAGE' && bad.test(error.message),
  );
});
