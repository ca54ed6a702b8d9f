/** Handles that are not closed: garbage collection, worker threads that end, processes that exit. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test, { before } from 'node:test';

import { ip } from '../support/isolation.js';

const LIBBPF = new URL('../../src/libbpf/index.js', import.meta.url).href;
const HEALTH = new URL('../../src/health/index.js', import.meta.url).href;
const NETWORK = new URL('../../src/net/index.js', import.meta.url).href;
const OBJECT = fileURLToPath(new URL('../bpf/binding.bpf.o', import.meta.url));

/** Runs a module in another process and returns its output. Fails if it crashes. */
function runModule(source: string): string {
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    ['--expose-gc', '--input-type=module', '--eval', source],
    { encoding: 'utf8', timeout: 60_000 },
  );
  assert.deepEqual([status, signal], [0, null], stderr);
  return stdout.trim();
}

const PRELUDE = `
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { BpfObject, RingBuffer } from '${LIBBPF}';
const load = () => { const object = new BpfObject('${OBJECT}'); object.load(); return object; };
const descriptors = () => readdirSync('/proc/self/fd').length;
const mappings = async () => (await import('node:fs')).readFileSync('/proc/self/maps', 'utf8').split('bpf-map').length - 1;
const collect = async () => { for (let i = 0; i < 5; i++) { globalThis.gc(); await sleep(5); } };
`;

test('dropped handles are garbage-collected, with their descriptors and memory', () => {
  const output = runModule(`${PRELUDE}
    load().close();
    await collect();
    const before = descriptors();
    // In a function, whose variables do not keep the handles alive after it returns.
    (() => {
      for (let i = 0; i < 20; i++) {
        const object = load();
        object.map('numbers').mmap('write').store32(0, i);
        if (i % 2) object.close();
      }
    })();
    const during = descriptors();
    await collect();
    console.log(during > before + 20, descriptors() <= before, await mappings());
  `);
  assert.equal(output, 'true true 0');
});

test('a map that outlives its collected object still works', () => {
  const output = runModule(`${PRELUDE}
    const map = load().map('numbers');
    const memory = map.mmap('write');
    await collect();
    map.update(new Uint8Array(4), new Uint8Array(8).fill(7));
    console.log(memory.read(0, new Uint8Array(1))[0], map.lookup(new Uint8Array(4))[0]);
  `);
  assert.equal(output, '7 7');
});

test('an open ring buffer is not collected while records may come', () => {
  const output = runModule(`${PRELUDE}
    const object = load();
    let received = 0;
    (() => { new RingBuffer(object.map('events'), (records) => { received += records.length; }).unref(); })();
    await collect();
    object.program('report').run({ data: new Uint8Array(60) });
    while (received === 0) await sleep(1);
    console.log(received);
  `);
  assert.equal(output, '1');
});

test('a process can exit with everything open', () => {
  runModule(`${PRELUDE}
    import { Network } from '${NETWORK}';
    const object = load();
    globalThis.keep = [object, object.map('numbers').mmap('write'), new RingBuffer(object.map('events'), () => {})];
    globalThis.network = await Network.open(() => {});
    process.exit(0);
  `);
});

test('a process ends by itself when all open handles are unreferenced', () => {
  runModule(`${PRELUDE}
    const object = load();
    new RingBuffer(object.map('events'), () => {}).unref();
  `);
});

test('worker threads use the addon side by side, and end with everything open', () => {
  const output = runModule(`${PRELUDE}
    import { Worker } from 'node:worker_threads';
    const source = \`
      const { parentPort } = require('node:worker_threads');
      Promise.all([import('${LIBBPF}'), import('${NETWORK}')]).then(async ([{ BpfObject, RingBuffer, KernelError }, { Network }]) => {
        const object = new BpfObject('${OBJECT}');
        object.load();
        const memory = object.map('numbers').mmap('write');
        const ring = new RingBuffer(object.map('events'), () => {});
        const network = await Network.open(() => {});
        object.program('origin').run({ data: new Uint8Array(60), repeat: 10 });
        let error;
        try { object.map('points').lookup(new Uint8Array(1)); } catch (e) { error = e.name; }
        try { new BpfObject(new Uint8Array(9)); } catch (e) { error += e instanceof KernelError; }
        parentPort.postMessage([memory.load32(8), error].join());
      });
    \`;
    const results = await Promise.all([1, 2, 3, 4].map(() => new Promise((resolve, reject) => {
      const worker = new Worker(source, { eval: true, execArgv: [] });
      worker.once('error', reject);
      worker.once('message', async (message) => { await worker.terminate(); resolve(message); });
    })));
    console.log(results.join(' '));
    await collect();
    console.log(await mappings());
  `);
  assert.equal(output, `${new Array(4).fill('10,RangeErrortrue').join(' ')}\n0`);
});

test('a process exits while worker threads are in the middle of everything', () => {
  for (const delayMs of [20, 60, 100, 150]) {
    runModule(`
      import { Worker } from 'node:worker_threads';
      const source = \`
        Promise.all([import('${LIBBPF}'), import('${NETWORK}')]).then(async ([{ BpfObject, RingBuffer }, { Network }]) => {
          const object = new BpfObject('${OBJECT}');
          object.load();
          new RingBuffer(object.map('events'), () => {});
          const network = await Network.open(() => {});
          for (;;) {
            object.program('report').run({ data: new Uint8Array(60) });
            try { object.map('points').delete(new Uint8Array(1)); } catch {}
            await network.route('127.0.0.1');
          }
        });
      \`;
      for (let i = 0; i < 4; i++) new Worker(source, { eval: true, execArgv: [] });
      setTimeout(() => process.exit(0), ${delayMs});
    `);
  }
});

before(() => {
  ip('link', 'set', 'lo', 'up');
});

/** A loop with checks of a server that accepts nothing and answers nothing. */
const CHECKS = `
import { createServer } from 'node:net';
import { once } from 'node:events';
import { CheckLoop } from '${HEALTH}';
const server = createServer((socket) => { socket.on('error', () => {}); }).listen(0, '127.0.0.1');
await once(server, 'listening');
const job = { protocol: 'tcp', local: '127.0.0.1', rip: '127.0.0.1', port: server.address().port, timeoutMs: 60000 };
`;

test('a loop of checks is not collected while results may come', () => {
  const output = runModule(`${PRELUDE}${CHECKS}
    let results = [];
    (() => {
      const loop = new CheckLoop({ onResults: (batch) => results.push(...batch) });
      loop.start(Uint32Array.of(loop.define({ ...job, until: { on: 'connected' } })));
      loop.unref();
    })();
    await collect();
    while (results.length === 0) await sleep(1);
    console.log(results[0].outcome);
    process.exit();
  `);
  assert.equal(output, 'ok');
});

test('a process exits with checks in the air, and ends by itself when its loop is unreferenced', () => {
  for (const end of [
    'process.exit(0);',
    'loop.unref(); server.unref(); server.close(); connections.forEach((c) => c.unref());',
  ]) {
    runModule(`${CHECKS}
      const connections = [];
      server.on('connection', (connection) => connections.push(connection));
      const loop = new CheckLoop({ onResults: () => {} });
      loop.start(new Uint32Array(200).fill(loop.define(job)));
      while (connections.length < 200) await new Promise((resolve) => setTimeout(resolve, 1));
      ${end}
    `);
  }
});

test('a loop of checks can be closed by the function that it calls, and a worker ends amid checks', () => {
  const output = runModule(`${PRELUDE}${CHECKS}
    import { Worker } from 'node:worker_threads';
    const before = descriptors();
    const loop = new CheckLoop({ onResults: (results) => { loop.close(); } });
    loop.start(new Uint32Array(50).fill(loop.define({ ...job, until: { on: 'connected' } })));
    while (true) { try { loop.start(new Uint32Array(0)); await sleep(1); } catch (error) { console.log(error.code); break; } }
    for (let i = 0; i < 5; i++) {
      const worker = new Worker(\`import('${HEALTH}').then(({ CheckLoop }) => {
        const loop = new CheckLoop({ onResults: (results) => loop.start(new Uint32Array(results.length).fill(number)) });
        const number = loop.define({ ...JSON.parse('\${JSON.stringify(job)}'), until: { on: 'connected' } });
        loop.start(new Uint32Array(50).fill(number));
        require('node:worker_threads').parentPort.postMessage('there');
      });\`, { eval: true, execArgv: [] });
      await new Promise((resolve) => worker.once('message', resolve));
      await sleep(20 * i);
      await worker.terminate();
    }
    for (let i = 0; i < 100 && descriptors() > before; i++) await sleep(20);
    console.log(descriptors() <= before);
    process.exit();
  `);
  assert.equal(output, 'CLOSED\ntrue');
});
