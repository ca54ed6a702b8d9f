/** Requests on a netlink socket: incomplete lists are read again, and failures are reported. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { Network } from '../../../src/net/index.js';
import { decodeMessages, encodeMessage, type NetlinkMessage } from '../../../src/net/netlink.js';
import { RequestSocket } from '../../../src/net/socket.js';

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const DUMP_INTERRUPTED = 0x10;
const RTM_GETLINK = 18;
const RTM_NEWLINK = 16;

type Answer = readonly Omit<NetlinkMessage, 'sequence'>[] | Error;

const errno = (value: number): Uint8Array => new Uint8Array(Int32Array.of(-value).buffer);
const entry = (byte: number): Omit<NetlinkMessage, 'sequence'> => ({
  type: RTM_NEWLINK,
  flags: 2,
  payload: Uint8Array.of(byte, 0, 0, 0),
});
const done = (flags = 2, error = 0): Omit<NetlinkMessage, 'sequence'> => ({
  type: NLMSG_DONE,
  flags,
  payload: errno(error),
});
const refusal = (value: number): Answer => [{ type: NLMSG_ERROR, flags: 0, payload: errno(value) }];

/** Simulates a kernel that gives these answers, one for each request, and then repeats the last. */
function kernel(...answers: Answer[]): { socket: RequestSocket; requests: () => number } {
  let requests = 0;
  const socket = new RequestSocket((onDatagram) => ({
    send: (datagram) => {
      const [{ sequence } = { sequence: 0 }] = decodeMessages(datagram);
      const answer = answers[Math.min(requests, answers.length - 1)]!;
      requests += 1;
      setImmediate(() => {
        if (answer instanceof Error) {
          onDatagram(answer);
        } else {
          onDatagram(undefined, Buffer.concat(answer.map((message) => encodeMessage({ ...message, sequence }))));
        }
      });
    },
    setReferenced: () => undefined,
    close: () => undefined,
  }));
  return { socket, requests: () => requests };
}

const list = async (socket: RequestSocket): Promise<number[]> =>
  (await socket.dump(RTM_GETLINK, new Uint8Array(16), 'list links')).map(({ payload }) => payload[0]!);

test('a list that changed while it was read is read again, and only the complete one is returned', async () => {
  const { socket, requests } = kernel(
    [entry(1), { ...entry(2), flags: 2 | DUMP_INTERRUPTED }, done()],
    [entry(1), done(2 | DUMP_INTERRUPTED)],
    [entry(1), entry(2), entry(3), done()],
  );
  assert.deepEqual(await list(socket), [1, 2, 3]);
  assert.equal(requests(), 3);
});

test('a dump that the kernel is too busy for is tried again', async () => {
  const { socket, requests } = kernel(refusal(16), refusal(16), [entry(1), done()]);
  assert.deepEqual(await list(socket), [1]);
  assert.equal(requests(), 3);
});

test('a list that is never complete is an error in the end', async () => {
  const { socket, requests } = kernel([entry(1), done(2 | DUMP_INTERRUPTED)]);
  await assert.rejects(list(socket), { name: 'NetlinkError', message: 'list links: the list changed meanwhile' });
  assert.ok(requests() > 1);
});

test('a dump that ends with an error is not an empty list', async () => {
  const { socket } = kernel([done(2, 12)]);
  await assert.rejects(list(socket), { name: 'NetlinkError', errno: 12 });
});

test('a failed request does not fail the next one', async () => {
  const { socket } = kernel(new Error('ENOBUFS'), refusal(19), [entry(7), done()]);
  await assert.rejects(list(socket), /ENOBUFS/);
  await assert.rejects(list(socket), { errno: 19 });
  assert.deepEqual(await list(socket), [7]);
});

test('tables that cannot be read are read again, and the reason is reported', async () => {
  const { socket, requests } = kernel(new Error('ENOBUFS'), refusal(12), [done()]);
  const troubles: unknown[] = [];
  using _network = await Network.open(() => undefined, {
    requests: socket,
    onTrouble: (error) => troubles.push((error as Error).message),
  });
  assert.deepEqual(troubles, ['ENOBUFS', 'list links: errno 12']);
  assert.equal(requests(), 5, 'two that failed, and three tables');
});

test('a start does not wait forever for tables that cannot be read', async () => {
  const { socket } = kernel(refusal(12));
  await assert.rejects(
    Network.open(() => undefined, { requests: socket }),
    { name: 'NetlinkError', errno: 12 },
  );
});

test('of many requests that go together each has its own outcome, and a refused one keeps no other from being done', async () => {
  const sent: number[] = [];
  const socket = new RequestSocket((onDatagram) => ({
    send: (datagram) => {
      const messages = decodeMessages(datagram);
      sent.push(messages.length);
      // As in the kernel: an error is always told, the end of a request only if that was asked for.
      const answers = messages.flatMap(({ sequence, flags, payload }) =>
        payload[0]! % 10 === 3
          ? [{ type: NLMSG_ERROR, flags: 0, sequence, payload: errno(105) }]
          : [
              { ...entry(payload[0]!), sequence },
              ...((flags & 4) === 0 ? [] : [{ type: NLMSG_ERROR, flags: 0, sequence, payload: errno(0) }]),
            ],
      );
      setImmediate(() => {
        answers.forEach((each) => {
          onDatagram(undefined, encodeMessage(each));
        });
      });
    },
    setReferenced: () => undefined,
    close: () => undefined,
  }));
  for (const count of [1, 4, 64, 65, 134, 200]) {
    sent.length = 0;
    const requests = Array.from({ length: count }, (_, i) => ({
      type: RTM_GETLINK,
      flags: 0,
      payload: Uint8Array.of(i, 0, 0, 0),
      what: `link ${i}`,
    }));
    const outcomes = await socket.requestEach(requests);
    assert.deepEqual(
      outcomes.map((each) => (each instanceof Error ? each.message : each.map(({ payload }) => payload[0]))),
      requests.map((_, i) => (i % 10 === 3 ? `link ${i}: errno 105` : [i])),
    );
    assert.equal(sent.length, Math.ceil(count / 64));
  }
});
