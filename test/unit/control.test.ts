/** The control socket: frames that are whole, cut, too long or nonsense; versions; methods; who may connect. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';

import fc from 'fast-check';

import { encodeFrame, FrameDecoder, MAX_REPLY_BYTES, MAX_REQUEST_BYTES } from '../../src/control/frame.js';
import { ControlServer, isRunning, PROTOCOL_VERSION, request, type Handlers } from '../../src/control/index.js';
import { BeelineError } from '../../src/model/index.js';

const HANDLERS: Handlers = {
  status: () => {
    throw new BeelineError('TABLE_FULL', 'not now', { hint: 'Later.' });
  },
  list: () => [],
  stats: () => ({ services: [], noService: {} }),
  reload: () => {
    throw new Error('a defect');
  },
  stop: ({ detach }) => ({ pid: 1, detached: detach }),
};

async function serve(context: TestContext): Promise<{ path: string; errors: unknown[] }> {
  const directory = mkdtempSync(join(tmpdir(), 'beeline-control-'));
  const errors: unknown[] = [];
  const path = join(directory, 'run', 'test.sock');
  const server = await ControlServer.listen({ path, handlers: HANDLERS, onError: (error) => errors.push(error) });
  context.after(async () => {
    await server.close();
    rmSync(directory, { recursive: true });
  });
  return { path, errors };
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

/** msgpackr renames the key that would change an object's prototype: no message of ours has it. */
const anyValue = fc.jsonValue().filter((value) => !JSON.stringify(value).includes('__proto__'));

test('values survive framing, however the stream is cut', () => {
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

test('a frame that is too long is refused by its length alone', () => {
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

test('an error comes back with its code, message and hint', async (context) => {
  const { path, errors } = await serve(context);
  await assert.rejects(request(path, 'status', {}), { code: 'TABLE_FULL', message: 'not now', hint: 'Later.' });
  assert.deepEqual(errors, []);
});

test("a defect of the daemon's is reported to the log, and the daemon goes on", async (context) => {
  const { path, errors } = await serve(context);
  await assert.rejects(request(path, 'reload', {}), { code: 'INTERNAL', message: 'a defect' });
  assert.equal((errors[0] as Error).message, 'a defect');
  assert.deepEqual(await request(path, 'list', {}), []);
});

test('another version is told apart from a wrong request', async (context) => {
  const { path } = await serve(context);
  const [reply] = await exchange(path, [frame('list', {}, 99)], 1);
  assert.equal((reply!['error'] as { code: string }).code, 'CONTROL_VERSION');
});

test("unknown methods and wrong parameters are refused, also by the names of Object's own", async (context) => {
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

test('a client that goes away in the middle of a frame harms nobody', async (context) => {
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

test('several requests on one connection are answered in their order', async (context) => {
  const { path } = await serve(context);
  const frames = [1, 2, 3].map((id) => frame('list', {}, PROTOCOL_VERSION, id));
  const replies = await exchange(path, [Buffer.concat(frames)], 3);
  assert.deepEqual(
    replies.map(({ id }) => id),
    [1, 2, 3],
  );
});

test('nobody but root may connect', async (context) => {
  const { path } = await serve(context);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(join(path, '..')).mode & 0o777, 0o700);
});

test('a socket that nobody listens on means: not running', async () => {
  await assert.rejects(request('/nonexistent/beeline.sock', 'list', {}), { code: 'NOT_RUNNING' });
  assert.equal(await isRunning('/nonexistent/beeline.sock'), false);
});
