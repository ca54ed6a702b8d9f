/** The control socket: frames that are whole, cut, too long or nonsense; versions; methods; who may connect. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import fc from 'fast-check';

import { encodeFrame, FrameDecoder, MAX_REPLY_BYTES, MAX_REQUEST_BYTES } from '../../../src/control/frame.js';
import { type Handlers, isRunning, PROTOCOL_VERSION, request, type ServiceReport } from '../../../src/control/index.js';
import { ControlServer } from '../../../src/control/server.js';
import { checkRequest } from '../../../src/control/shape.js';
import { BeelineError, ip } from '../../../src/model/index.js';

const SERVER = new URL('../../../src/control/server.js', import.meta.url).href;

const HANDLERS: Handlers = {
  status: () => {
    throw new BeelineError('TABLE_FULL', 'not now', { hint: 'Later.' });
  },
  list: () => [],
  stats: () => ({ services: [], noService: {} }),
  forwarded: () => {
    throw new Error('not here');
  },
  plan: () => {
    throw new Error('not here');
  },
  apply: () => {
    throw new Error('not here');
  },
  model: () => {
    throw new Error('not here');
  },
  saved: () => ({}),
  disable: () => {
    throw new Error('not here');
  },
  enable: () => ({ warnings: [] }),
  failover: () => {
    throw new Error('not here');
  },
  checks: () => [],
  checkServer: () => [],
  explain: () => [],
  reload: () => {
    throw new Error('a defect');
  },
  flows: () => ({ flows: [] }),
  flowSummary: () => ({ states: {}, topClients: [], tables: [], stored: 0, evicted: 0, refused: 0 }),
  drain: () => {
    throw new BeelineError('NOT_FOUND', 'no such server');
  },
  drainState: () => {
    throw new BeelineError('NOT_FOUND', 'no such server');
  },
  stop: ({ detach }) => ({ pid: 1, detached: detach }),
  edit: () => ({ warnings: [] }),
  edits: () => ({ warnings: [], refused: [] }),
  zero: () => ({}),
  table: () => ({ services: [], markServices: [], markRules: [], timeouts: { tcp: 900, tcpfin: 120, udp: 300 } }),
};

interface Served {
  readonly path: string;
  readonly server: ControlServer;
  readonly errors: unknown[];
  /** Reports of clients that break the protocol. */
  readonly refusals: BeelineError[];
}

/** Some kilobytes. */
const BIG_LIST: ServiceReport[] = Array.from({ length: 100 }, (_, port) => ({
  protocol: 'tcp',
  address: ip('192.168.1.100'),
  port,
  scheduler: 'maglev',
  slots: 0,
  realServers: [],
  verdicts: {},
}));

const NO_PLAN = { differences: [], moved: 0, services: [], flowsAtRisk: 0 };

async function serve(context: TestContext, handlers: Handlers = HANDLERS, frameMs?: number): Promise<Served> {
  const directory = mkdtempSync(join(tmpdir(), 'beeline-control-'));
  const errors: unknown[] = [];
  const refusals: BeelineError[] = [];
  const path = join(directory, 'run', 'test.sock');
  const server = await ControlServer.listen({
    path,
    handlers,
    onError: (error) => errors.push(error),
    onWrongClient: (error) => refusals.push(error),
    ...(frameMs !== undefined && { frameMs }),
  });
  context.after(async () => {
    await server.close();
    rmSync(directory, { recursive: true });
  });
  return { path, server, errors, refusals };
}

/** Connects and stays. */
async function stay(context: TestContext, path: string): Promise<Socket> {
  const socket = connect(path);
  context.after(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** Sends raw bytes and returns all replies until the server ends the connection, or `count` of them came. */
function exchange(path: string, pieces: readonly Uint8Array[], count: number): Promise<Record<string, unknown>[]> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const decoder = new FrameDecoder(MAX_REPLY_BYTES);
    const replies: Record<string, unknown>[] = [];
    const finish = (): void => {
      socket.destroy();
      resolve(replies);
    };
    socket.on('error', reject);
    socket.on('close', finish);
    socket.on('data', (data) => {
      replies.push(...([...decoder.push(data)] as Record<string, unknown>[]));
      if (replies.length === count) {
        finish();
      }
    });
    for (const piece of pieces) {
      socket.write(piece);
    }
  });
}

function frame(method: string, parameters: unknown = {}, version = PROTOCOL_VERSION, id = 7): Buffer {
  return encodeFrame({ version, id, method, parameters }, MAX_REQUEST_BYTES);
}

/** msgpackr takes no key that would change an object's prototype, and neither has a message of ours one. */
const anyValue = fc.jsonValue().filter((value) => !JSON.stringify(value).includes('"__proto__"'));

test('values survive framing, however the stream is split', () => {
  fc.assert(
    fc.property(fc.array(anyValue, { maxLength: 5 }), fc.integer({ min: 1, max: 50 }), (values, size) => {
      const stream = Buffer.concat(values.map((value) => encodeFrame(value, MAX_REPLY_BYTES)));
      const decoder = new FrameDecoder(MAX_REPLY_BYTES);
      const decoded: unknown[] = [];
      for (let at = 0; at < stream.length; at += size) {
        decoded.push(...decoder.push(stream.subarray(at, at + size)));
      }
      // -0 is 0 on the wire, as in JSON.
      assert.deepEqual(JSON.stringify(decoded), JSON.stringify(values));
    }),
  );
});

test('a frame that is too long is refused before its content is read', () => {
  const decoder = new FrameDecoder(100);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(101);
  assert.throws(() => [...decoder.push(length)], { code: 'CONTROL_FRAME' });
  assert.throws(() => encodeFrame('x'.repeat(101), 100), { code: 'CONTROL_FRAME' });
});

test('any bytes are either values or a clear error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        Array.from(new FrameDecoder(1000).push(bytes));
      } catch (error) {
        assert.ok(error instanceof BeelineError && error.code === 'CONTROL_FRAME', String(error));
      }
    }),
    { numRuns: 500 },
  );
});

test('a request is answered', async (context) => {
  const { path } = await serve(context);
  assert.deepEqual(await request(path, 'list', {}), []);
  assert.deepEqual(await request(path, 'stop', { detach: true }), { pid: 1, detached: true });
  assert.equal(await isRunning(path), true);
});

test('who stops the daemon is kept until its process has ended, and has given its locks back; nobody else is', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'beeline-control-'));
  context.after(() => {
    rmSync(directory, { recursive: true });
  });
  const [path, lock] = [join(directory, 'test.sock'), join(directory, 'lock')];
  const daemon = `
    import { rmSync, writeFileSync } from 'node:fs';
    import { setTimeout as sleep } from 'node:timers/promises';
    import { ControlServer } from ${JSON.stringify(SERVER)};
    const stop = () => { setImmediate(end); return { pid: process.pid, detached: false }; };
    const server = await ControlServer.listen({ path: process.argv[1], handlers: { stop }, onError: console.error });
    writeFileSync(process.argv[2], '');
    async function end() {
      await server.close();
      await sleep(300);
      rmSync(process.argv[2]);
    }`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', daemon, path, lock], { stdio: 'inherit' });
  const exited = once(child, 'exit');
  while (!existsSync(lock)) {
    await sleep(10);
  }
  const other = await stay(context, path);
  const otherClosed = once(other.resume(), 'close').then(() => existsSync(lock));
  const { pid } = await request(path, 'stop', { detach: false }, { untilEnd: true });
  assert.equal(existsSync(lock), false);
  assert.equal(pid, child.pid);
  assert.equal(await otherClosed, true);
  assert.deepEqual(await exited, [0, null]);
});

test('an error comes back with its code, message and hint', async (context) => {
  const { path, errors } = await serve(context);
  await assert.rejects(request(path, 'status', {}), { code: 'TABLE_FULL', message: 'not now', hint: 'Later.' });
  assert.deepEqual(errors, []);
});

test('an internal error is logged, and the daemon goes on', async (context) => {
  const { path, errors } = await serve(context);
  await assert.rejects(request(path, 'reload', {}), { code: 'INTERNAL', message: 'a defect' });
  assert.equal((errors[0] as Error).message, 'a defect');
  assert.deepEqual(await request(path, 'list', {}), []);
});

test('another version is distinguished from a wrong request', async (context) => {
  const { path } = await serve(context);
  const [reply] = await exchange(path, [frame('list', {}, 99)], 1);
  assert.equal((reply!['error'] as { code: string }).code, 'CONTROL_VERSION');
});

test("unknown methods and wrong parameters are refused, also names of Object's properties", async (context) => {
  const { path } = await serve(context);
  for (const bytes of [frame('format'), frame('constructor'), frame('stop', { detach: 1 }), frame('list', { x: 1 })]) {
    const [reply] = await exchange(path, [bytes], 1);
    assert.equal(reply!['id'], 7);
    assert.equal((reply!['error'] as { code: string }).code, 'CONTROL_METHOD');
  }
});

test('a wrong frame ends the connection with a reason, and the daemon goes on', async (context) => {
  const { path } = await serve(context);
  // An array of two that has only one.
  const nonsense = Buffer.from([0, 0, 0, 2, 0x92, 0x01]);
  const oversized = Buffer.from([0xff, 0xff, 0xff, 0xff]);
  for (const bytes of [nonsense, oversized]) {
    const replies = await exchange(path, [bytes], 2);
    assert.equal(replies.length, 1);
    assert.equal((replies[0]!['error'] as { code: string }).code, 'CONTROL_FRAME');
  }
  const [reply] = await exchange(path, [encodeFrame(['no', 'request'], MAX_REQUEST_BYTES)], 1);
  assert.equal((reply!['error'] as { code: string }).code, 'CONTROL_FRAME');
  assert.deepEqual(await request(path, 'list', {}), []);
});

test('a client that disconnects in the middle of a frame disturbs no other client', async (context) => {
  const { path, errors } = await serve(context);
  await new Promise<void>((resolve) => {
    const socket = connect(path, () => {
      socket.write(frame('list').subarray(0, 6), () => {
        socket.destroy();
        resolve();
      });
    });
  });
  assert.deepEqual(await request(path, 'list', {}), []);
  assert.deepEqual(errors, []);
});

test('a frame that the end of the connection truncates is reported to the client and the log', async (context) => {
  const { path, refusals } = await serve(context);
  const socket = await stay(context, path);
  const decoder = new FrameDecoder(MAX_REPLY_BYTES);
  socket.end(frame('list').subarray(0, 6));
  const [piece] = (await once(socket, 'data')) as [Buffer];
  const [reply] = [...decoder.push(piece)] as { error: { code: string; message: string } }[];
  assert.deepEqual(reply!.error, { code: 'CONTROL_FRAME', message: 'the connection ended in the middle of a frame' });
  assert.deepEqual(
    refusals.map(({ code }) => code),
    ['CONTROL_FRAME'],
  );
});

test('clients that sent half a frame, or take no reply, do not keep the daemon from ending', async (context) => {
  const { path, server } = await serve(context, { ...HANDLERS, list: () => BIG_LIST });
  const half = await stay(context, path);
  half.write(frame('list').subarray(0, 6));
  const deaf = await stay(context, path);
  deaf.pause();
  deaf.write(Buffer.concat(Array.from({ length: 200 }, () => frame('list'))));
  await sleep(100);
  const started = performance.now();
  await server.close();
  assert.ok(performance.now() - started < 2_000);
});

test('a client that does not read its replies is throttled, and gets every reply once it reads', async (context) => {
  let calls = 0;
  const list = (): ServiceReport[] => {
    calls += 1;
    return BIG_LIST;
  };
  const { path } = await serve(context, { ...HANDLERS, list });
  const socket = await stay(context, path);
  const count = 2_000;
  socket.write(Buffer.concat(Array.from({ length: count }, (_, i) => frame('list', {}, PROTOCOL_VERSION, i))));
  // Long enough for all of them: a reply takes some microseconds.
  await sleep(500);
  assert.ok(calls < count / 4, `${calls} replies are waiting for a client that reads none`);

  const decoder = new FrameDecoder(MAX_REPLY_BYTES);
  const ids: number[] = [];
  for await (const piece of socket) {
    ids.push(...([...decoder.push(piece as Buffer)] as { id: number }[]).map(({ id }) => id));
    if (ids.length === count) {
      break;
    }
  }
  assert.deepEqual(
    ids,
    Array.from({ length: count }, (_, i) => i),
  );
});

test('more commands than are handled at once wait, none is refused, and stop gets through', async (context) => {
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  let [now, most] = [0, 0];
  const list = async (): Promise<ServiceReport[]> => {
    now += 1;
    most = Math.max(most, now);
    await released;
    now -= 1;
    return [];
  };
  const { path } = await serve(context, { ...HANDLERS, list });
  const lists = Array.from({ length: 200 }, () => request(path, 'list', {}));
  while (now < 64) {
    await sleep(5);
  }
  assert.deepEqual(await request(path, 'stop', { detach: false }), { pid: 1, detached: false });
  release();
  assert.equal((await Promise.all(lists)).length, 200);
  assert.equal(most, 64);
});

test('a client that sends a frame byte by byte has a deadline for the whole, and is told', async (context) => {
  const { path } = await serve(context, HANDLERS, 150);
  const socket = await stay(context, path);
  const decoder = new FrameDecoder(MAX_REPLY_BYTES);
  const replies: { error: { code: string; message: string } }[] = [];
  socket.on('data', (piece: Buffer) => replies.push(...([...decoder.push(piece)] as typeof replies)));
  const bytes = frame('list');
  for (let at = 0; at < bytes.length && replies.length === 0; at += 1) {
    socket.write(bytes.subarray(at, at + 1));
    await sleep(20);
  }
  assert.deepEqual(
    replies.map(({ error }) => error),
    [{ code: 'CONTROL_FRAME', message: 'a frame did not arrive as a whole within 0.15 s' }],
  );
});

test('clients that begin large frames and fall silent keep neither small requests nor large ones waiting', async (context) => {
  const { path } = await serve(context, { ...HANDLERS, plan: () => NO_PLAN }, 200);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(MAX_REQUEST_BYTES);
  for (let i = 0; i < 6; i += 1) {
    (await stay(context, path)).write(Buffer.concat([length, Buffer.alloc(100_000)]));
  }
  assert.deepEqual(await request(path, 'list', {}), []);
  const text = '#'.repeat(1_000_000);
  assert.deepEqual(await request(path, 'plan', { text, fileName: 'x' }), NO_PLAN);
});

test('a request of too many values, or nested too deep, is refused before it is unpacked', async (context) => {
  const { path } = await serve(context);
  const head = frame('list').subarray(4, -1);
  const inFrame = (body: Uint8Array): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(body.length);
    return Buffer.concat([length, body]);
  };
  const count = Buffer.from([0xdd, 0, 0x7a, 0x12, 0x00]);
  for (const [name, parameters] of [
    ['eight million empty lists', Buffer.concat([count, Buffer.alloc(8_000_000, 0x90)])],
    ['lists in lists', Buffer.alloc(100_000, 0x91)],
    ['a list that is longer than the frame', Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff])],
    ['a text that is longer than the frame', Buffer.from([0xdb, 0xff, 0xff, 0xff, 0xff])],
    ['two values', Buffer.from([0x80, 0x80])],
    ['a byte that begins no value', Buffer.from([0xc1])],
    ['nothing', Buffer.from([])],
  ] as const) {
    const replies = await exchange(path, [inFrame(Buffer.concat([head, parameters]))], 2);
    assert.deepEqual(
      replies.map(({ error }) => (error as { code: string }).code),
      ['CONTROL_FRAME'],
      name,
    );
  }
});

test('the look at a frame takes every request that can be written, and no other bytes surprise it', () => {
  fc.assert(
    fc.property(anyValue, (parameters) => {
      checkRequest(frame('edits', parameters).subarray(4));
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const look = (): void => {
        checkRequest(bytes);
      };
      // A mapping, which may be whole by chance: 0x80 is the empty one (fixmap, map 16 and map 32 of msgpack).
      const [first = 0] = bytes;
      if ((first & 0xf0) === 0x80 || first === 0xde || first === 0xdf) {
        try {
          look();
        } catch (error) {
          assert.equal((error as BeelineError).code, 'CONTROL_FRAME');
        }
      } else {
        assert.throws(look, { code: 'CONTROL_FRAME' });
      }
    }),
  );
});

test('mark rules are refused as a client would refuse them', async (context) => {
  const { path } = await serve(context);
  const good = { protocol: 'tcp', address: '10.0.1.0', prefixLength: 24, firstPort: 1, lastPort: 2 };
  for (const [code, change] of [
    [undefined, {}],
    ['CONTROL_METHOD', { prefixLength: 33 }],
    ['CONTROL_METHOD', { prefixLength: 16 }],
    ['CONTROL_METHOD', { firstPort: 3 }],
    ['CONTROL_METHOD', { address: 'fd00::1', prefixLength: 129 }],
    [undefined, { address: 'fd00::', prefixLength: 64 }],
  ] as const) {
    const edit = { kind: 'add-mark-rule', rule: { mark: 1, match: { ...good, ...change } } };
    const [reply] = await exchange(path, [frame('edit', { edit })], 1);
    assert.equal((reply!['error'] as { code: string } | undefined)?.code, code, JSON.stringify(change));
  }
});

test('requests on one connection are answered in order', async (context) => {
  const { path } = await serve(context);
  const frames = [1, 2, 3].map((id) => frame('list', {}, PROTOCOL_VERSION, id));
  const replies = await exchange(path, [Buffer.concat(frames)], 3);
  assert.deepEqual(
    replies.map(({ id }) => id),
    [1, 2, 3],
  );
});

test('only root may connect', async (context) => {
  const { path } = await serve(context);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(join(path, '..')).mode & 0o777, 0o700);
});

test('a socket without a listener is reported as a daemon that is not running', async () => {
  await assert.rejects(request('/nonexistent/beeline.sock', 'list', {}), { code: 'NOT_RUNNING' });
  assert.equal(await isRunning('/nonexistent/beeline.sock'), false);
});
