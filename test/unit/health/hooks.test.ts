/** Hooks: each hears of all events in order, none delays another, and what goes wrong is told. */

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { HEALTH_EVENTS, type HealthEvent, healthEvent, Hooks } from '../../../src/health/index.js';
import type { Hook } from '../../../src/model/index.js';
import { Authority } from '../../support/certificates.js';
import { folderFor } from '../../support/store.js';

const WHO = { host: 'director', instance: 'default', now: Date.UTC(2026, 10, 30) };

function event(reason: string): HealthEvent {
  const details = { service: 'tcp 192.0.2.1:80', realServer: '192.0.2.9', reason };
  return healthEvent('real-server-down', details, WHO);
}

interface Told {
  readonly troubles: string[];
  readonly hooks: Hooks;
}

function hooksFor(context: TestContext, hooks: readonly Hook[], mostWaiting?: number): Told {
  const troubles: string[] = [];
  const all = new Hooks({
    hooks,
    onTrouble: (_hook, text) => troubles.push(text),
    ...(mostWaiting !== undefined && { mostWaiting }),
  });
  context.after(() => all.close(0));
  return { troubles, hooks: all };
}

async function until(what: string, isTrue: () => boolean): Promise<void> {
  for (let i = 0; i < 250 && !isTrue(); i += 1) {
    await sleep(20);
  }
  assert.ok(isTrue(), what);
}

interface Request {
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  readonly url: string;
}

/** A server that answers its n-th request by this. */
async function webServer(
  context: TestContext,
  answer: (response: ServerResponse, n: number) => void,
): Promise<{ url: string; requests: Request[] }> {
  const requests: Request[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => (body += piece.toString()));
    request.on('end', () => {
      requests.push({ headers: request.headers, body, url: request.url! });
      answer(response, requests.length);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, requests };
}

const status =
  (...codes: number[]) =>
  (response: ServerResponse, n: number): void => {
    response.writeHead(codes[n - 1] ?? codes.at(-1)!, { Location: '/elsewhere' }).end('thanks');
  };

test('an event is plain JSON, with a version, a time and an id of its own', () => {
  const { id, ...rest } = JSON.parse(JSON.stringify(event('L4 refused'))) as HealthEvent;
  assert.match(id, /^[0-9a-f-]{36}$/);
  assert.deepEqual(rest, {
    version: 1,
    time: '2026-11-30T00:00:00.000Z',
    host: 'director',
    instance: 'default',
    type: 'real-server-down',
    service: 'tcp 192.0.2.1:80',
    realServer: '192.0.2.9',
    reason: 'L4 refused',
  });
});

test('every event is explained', () => {
  const page = readFileSync('docs/json.md', 'utf8');
  for (const type of HEALTH_EVENTS) {
    assert.ok(page.includes(`\`${type}\``), type);
  }
});

test('a program reads each event, in the order in which they were told', async (context) => {
  const path = join(folderFor(context), 'told');
  const { hooks, troubles } = hooksFor(context, [
    { command: ['/bin/sh', '-c', `echo "$BEELINE_EVENT $(cat)" >> ${path}`] },
  ]);
  const reasons = Array.from({ length: 20 }, (_, i) => `reason ${i}`);
  reasons.forEach((reason) => {
    hooks.tell(event(reason));
  });
  const lines = (): string[] => (existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : []);
  await until('all events are told', () => lines().length === 20);
  assert.deepEqual(
    lines().map((line) => (JSON.parse(line.replace('real-server-down ', '')) as HealthEvent).reason),
    reasons,
  );
  assert.deepEqual(troubles, []);
});

test('a program that fails, hangs, does not read or does not exist is told, and delays no other hook', async (context) => {
  const path = join(folderFor(context), 'told');
  const { hooks, troubles } = hooksFor(context, [
    { command: ['/bin/sh', '-c', 'sleep 1000'], timeout: 0.5 },
    { command: ['/bin/sh', '-c', 'exec <&-; echo no; exit 3'] },
    { command: ['/nowhere/hook'] },
    { command: ['/bin/sh', '-c', `cat > ${path}`] },
  ]);
  hooks.tell(event('x'.repeat(1_000_000)));
  await until('three fail', () => troubles.length === 3);
  assert.deepEqual(troubles.sort(), [
    'real-server-down: cannot run /nowhere/hook: no such file',
    'real-server-down: exit 3: "no"',
    'real-server-down: timeout',
  ]);
  assert.ok(readFileSync(path).length > 1_000_000);
});

test('a webhook is signed by the secret of its file, as the file is at that moment', async (context) => {
  const { url, requests } = await webServer(context, status(204));
  const secretFile = join(folderFor(context), 'secret');
  const { hooks, troubles } = hooksFor(context, [{ url, secretFile }]);
  hooks.tell(event('a'));
  await until('a secret that is missing is told', () => troubles.length === 1);
  assert.equal(troubles[0], `real-server-down: ${secretFile}: no such file`);
  for (const secret of ['one', 'two']) {
    writeFileSync(secretFile, ` ${secret}\n`);
    const count = requests.length;
    hooks.tell(event(secret));
    await until('it is posted', () => requests.length > count);
    const { headers, body } = requests.at(-1)!;
    const signature = createHmac('sha256', secret).update(body).digest('hex');
    assert.equal(headers['x-beeline-signature'], `sha256=${signature}`);
    assert.equal(headers['content-type'], 'application/json');
    assert.equal((JSON.parse(body) as HealthEvent).reason, secret);
  }
  writeFileSync(secretFile, '\n');
  hooks.tell(event('b'));
  await until('an empty secret signs nothing', () => troubles.length === 2);
  assert.equal(requests.length, 2);
});

test('a server that fails is asked three times with the same event, one that refuses once', async (context) => {
  const flaky = await webServer(context, status(500, 503, 200));
  const first = hooksFor(context, [{ url: flaky.url }]);
  first.hooks.tell(event('a'));
  await until('the third attempt succeeds', () => flaky.requests.length === 3);
  assert.equal(new Set(flaky.requests.map(({ body }) => body)).size, 1);
  const broken = await webServer(context, status(500));
  const refusing = await webServer(context, status(403));
  const resetting = await webServer(context, (response) => response.destroy());
  const { hooks, troubles } = hooksFor(context, [{ url: broken.url }, { url: refusing.url }, { url: resetting.url }]);
  hooks.tell(event('a'));
  await until('all are told', () => troubles.length === 3);
  assert.deepEqual(troubles.sort(), [
    'real-server-down: reset',
    'real-server-down: status 403',
    'real-server-down: status 500',
  ]);
  assert.deepEqual(
    [broken, refusing, resetting].map(({ requests }) => requests.length),
    [3, 1, 3],
  );
  assert.deepEqual(first.troubles, []);
});

test('a redirect is not followed: the event goes nowhere else', async (context) => {
  const { url, requests } = await webServer(context, status(307));
  const { hooks, troubles } = hooksFor(context, [{ url }]);
  hooks.tell(event('a'));
  await until('it fails', () => troubles.length === 1);
  assert.equal(troubles[0], 'real-server-down: status 307');
  assert.deepEqual(
    requests.map((request) => request.url),
    ['/hook'],
  );
});

test('a server that hangs, or answers without end, holds the hook no longer than its timeout', async (context) => {
  const hanging = await webServer(context, () => undefined);
  const endless = await webServer(context, (response) => {
    response.writeHead(200);
    const timer = setInterval(() => response.write('y'.repeat(100_000)), 1);
    response.on('close', () => {
      clearInterval(timer);
    });
  });
  const { hooks, troubles } = hooksFor(context, [{ url: hanging.url, timeout: 2.4 }, { url: endless.url }]);
  hooks.tell(event('a'));
  await until('it fails', () => troubles.length === 1);
  assert.equal(troubles[0], 'real-server-down: timeout');
  assert.equal(endless.requests.length, 1);
  assert.ok(hanging.requests.length > 1);
});

test("a webhook's certificate is verified", async (context) => {
  const authority = new Authority(folderFor(context));
  const server = createTlsServer(authority.issue(), () => {
    assert.fail('the event was posted');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const { hooks, troubles } = hooksFor(context, [{ url: `https://127.0.0.1:${port}/` }, { url: 'no url' }]);
  hooks.tell(event('a'));
  await until('both fail', () => troubles.length === 2);
  assert.ok(
    troubles.some((text) => text.includes('UNABLE_TO_VERIFY_LEAF_SIGNATURE')),
    troubles.join(),
  );
});

test('of more events than may wait the oldest are dropped, and their number is told once', async (context) => {
  const path = join(folderFor(context), 'told');
  const { hooks, troubles } = hooksFor(context, [{ command: ['/bin/sh', '-c', `cat >> ${path}`] }], 3);
  for (let i = 0; i < 10; i += 1) {
    hooks.tell(event(`reason ${i}`));
  }
  await until('it is told', () => troubles.length === 1);
  assert.equal(troubles[0], '6 events were not told: too many waited');
  const told = readFileSync(path, 'utf8').trim().split('\n');
  assert.deepEqual(
    told.map((line) => (JSON.parse(line) as HealthEvent).reason),
    ['reason 0', 'reason 7', 'reason 8', 'reason 9'],
  );
});

test('closing waits for what is under way, but not for long, and tells nobody afterwards', async (context) => {
  const folder = folderFor(context);
  const quick = hooksFor(context, [{ command: ['/bin/sh', '-c', `sleep 0.2; cat > ${folder}/quick`] }]);
  quick.hooks.tell(event('a'));
  await quick.hooks.close();
  assert.ok(existsSync(`${folder}/quick`));
  const slow = hooksFor(context, [{ command: ['/bin/sh', '-c', `sleep 1000; cat > ${folder}/slow`] }]);
  slow.hooks.tell(event('a'));
  slow.hooks.tell(event('b'));
  await slow.hooks.close(100);
  slow.hooks.tell(event('c'));
  assert.deepEqual(slow.troubles, ['real-server-down: interrupted', '1 events were not told: the daemon ends']);
  assert.ok(!existsSync(`${folder}/slow`));
});
