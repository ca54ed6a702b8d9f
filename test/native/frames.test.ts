/** Sockets that receive frames: what a filter lets through, what is lost, and how they end. */

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import test, { before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { filterFor } from '../../src/doctor/index.js';
import { ip as address, mac } from '../../src/model/index.js';
import { FrameListener, PacketSocket, QuietPort } from '../../src/native/index.js';
import { announcement, buildFrame, tagged, whoHas } from '../../src/packet/index.js';
import { PLAIN } from '../support/frames.js';
import { ip, makeVeth, requireOwnNetwork } from '../support/isolation.js';

before(requireOwnNetwork);

const MARKS = { echoId: 0x1234, firstPort: 2_500, ports: 100 };
const FROM = { mac: mac('02:00:00:00:00:01'), address: address('192.168.1.12') };
const QUESTION = whoHas(address('192.168.1.100'), FROM);

/** Lets everything through. */
const ALL = Uint8Array.of(0x06, 0, 0, 0, 0xff, 0xff, 0xff, 0xff);

interface Listening {
  readonly listener: FrameListener;
  readonly frames: Uint8Array[];
  readonly errors: Error[];
  readonly socket: PacketSocket;
  readonly peerIfindex: number;
  readonly ifindex: number;
  readonly send: (...frames: readonly Uint8Array[]) => void;
  readonly end: () => void;
}

/** A pair of interfaces, and a listener at the one to whose peer frames are given. */
function listen(filter: Uint8Array): Listening {
  const { ifindex, peerIfindex } = makeVeth('test0', 'test1');
  const [frames, errors]: [Uint8Array[], Error[]] = [[], []];
  const listener = new FrameListener(ifindex, filter, (error, some = []) => {
    frames.push(...some);
    if (error !== undefined) {
      errors.push(error);
    }
  });
  const socket = new PacketSocket();
  const send = (...given: readonly Uint8Array[]): void => {
    given.forEach((each) => {
      socket.send(peerIfindex, each);
    });
  };
  const end = (): void => {
    listener.close();
    socket.close();
    ip('link', 'del', 'test0');
  };
  return { listener, frames, errors, socket, peerIfindex, ifindex, send, end };
}

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !holds(); i += 1) {
    await sleep(10);
  }
  assert.ok(holds());
}

const isQuestion = (frame: Uint8Array): boolean => Buffer.from(frame).equals(Buffer.from(QUESTION));

test('the kernel takes the doctor’s filter: what it listens to comes, byte for byte, and nothing else', async () => {
  const { frames, send, socket, ifindex, end } = listen(filterFor(MARKS));
  const answer = buildFrame({ ...PLAIN, sourcePort: 80, destinationPort: MARKS.firstPort, flags: 0x12 });
  const other = buildFrame({ ...PLAIN, sourcePort: 80, destinationPort: MARKS.firstPort + MARKS.ports, flags: 0x12 });
  const announced = announcement(address('fd00::100'), FROM.mac);
  // What this host sends itself by the interface is not heard, nor frames of a VLAN.
  socket.send(ifindex, announcement(address('192.168.1.100'), FROM.mac));
  send(other, tagged(QUESTION, 0x8100, 20), QUESTION, answer, announced);
  await until(() => frames.some((frame) => Buffer.from(frame).equals(Buffer.from(announced))));
  // The kernel asks for routers and groups by itself as soon as an interface is up.
  const ours = [FROM.mac, PLAIN.sourceMac].map((each) => each.replaceAll(':', ''));
  const mine = frames.filter((frame) => ours.includes(Buffer.from(frame.subarray(6, 12)).toString('hex')));
  assert.deepEqual(
    mine.map((frame) => Buffer.from(frame).toString('hex')),
    [QUESTION, answer, announced].map((frame) => Buffer.from(frame).toString('hex')),
  );
  end();
});

test('frames that come faster than they are read are counted once', async () => {
  const { listener, send, frames, end } = listen(ALL);
  const long = buildFrame({ ...PLAIN, protocol: 'udp', payload: new Uint8Array(1_400) });
  // No turn of the event loop between: nothing is read meanwhile.
  for (let i = 0; i < 20_000; i += 1) {
    send(long);
  }
  const dropped = listener.takeDropped();
  assert.ok(dropped > 0, 'the queue holds fewer');
  await until(() => frames.length + dropped >= 20_000);
  assert.equal(listener.takeDropped(), 0);
  end();
});

test('a frame that is longer than 2,048 bytes is cut off', async () => {
  const { frames, send, end } = listen(ALL);
  for (const name of ['test0', 'test1']) {
    ip('link', 'set', name, 'mtu', '3000');
  }
  send(buildFrame({ ...PLAIN, protocol: 'udp', payload: new Uint8Array(2_500) }));
  await until(() => frames.some(({ length }) => length === 2_048));
  end();
});

test('an interface that goes down is told once, and what comes after it is up again is heard', async () => {
  const { errors, frames, send, end } = listen(filterFor(MARKS));
  ip('link', 'set', 'test0', 'down');
  await until(() => errors.length > 0);
  await sleep(50);
  assert.deepEqual(
    errors.map((error) => (error as NodeJS.ErrnoException).code),
    ['ENETDOWN'],
  );
  ip('link', 'set', 'test0', 'up');
  send(QUESTION);
  await until(() => frames.some(isQuestion));
  end();
});

test('an interface that is removed is told, and the listener still closes', async () => {
  const { listener, errors, socket } = listen(filterFor(MARKS));
  ip('link', 'del', 'test0');
  await until(() => errors.length > 0);
  listener.close();
  socket.close();
});

test('nothing is heard after close, which may come twice or from within', async () => {
  const { listener, frames, send, end } = listen(ALL);
  send(QUESTION);
  listener.close();
  listener.close();
  await sleep(30);
  assert.deepEqual(frames, []);
  assert.throws(() => listener.takeDropped(), { code: 'CLOSED' });
  end();
  const { ifindex, peerIfindex } = makeVeth('test0', 'test1');
  using socket = new PacketSocket();
  let calls = 0;
  const closing = new FrameListener(ifindex, ALL, () => {
    calls += 1;
    closing.close();
  });
  socket.send(peerIfindex, QUESTION);
  await until(() => calls > 0);
  socket.send(peerIfindex, QUESTION);
  await sleep(30);
  assert.equal(calls, 1);
  ip('link', 'del', 'test0');
});

test('a wrong filter, a missing interface and a wrong argument are refused', () => {
  const { ifindex } = makeVeth('test0', 'test1');
  const open =
    (index: number, filter: Uint8Array): (() => void) =>
    () => {
      new FrameListener(index, filter, () => undefined).close();
    };
  assert.throws(open(ifindex, new Uint8Array(0)), { code: 'EINVAL' });
  assert.throws(open(ifindex, ALL.subarray(1)), { code: 'EINVAL' });
  assert.throws(open(ifindex, new Uint8Array(8).fill(0xff)), { code: 'EINVAL' });
  assert.throws(open(9_999, ALL), { code: 'ENODEV' });
  assert.throws(() => new FrameListener(ifindex, ALL, undefined as never), TypeError);
  ip('link', 'del', 'test0');
});

test("a quiet port answers nobody, is no other program's, and is free again once it is closed", async () => {
  ip('link', 'set', 'lo', 'up');
  const port = 2_999;
  const quiet = new QuietPort(port);
  assert.throws(() => new QuietPort(port), { code: 'EADDRINUSE' });
  for (const host of ['127.0.0.1', '::1']) {
    const client = connect({ host, port });
    const ended = await Promise.race([
      ...['connect', 'error'].map(
        (event) =>
          new Promise((resolve) =>
            client.once(event, () => {
              resolve(event);
            }),
          ),
      ),
      sleep(200).then(() => 'silence'),
    ]);
    client.destroy();
    assert.equal(ended, 'silence', host);
  }
  quiet.close();
  new QuietPort(port).close();
});
