/** Checks over TLS against real servers: certificates of all kinds, servers that hang, flood, drip and break off. */

import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, type TestContext } from 'node:test';
import { setInterval } from 'node:timers';
import type { PeerCertificate } from 'node:tls';

import { judgeCertificate } from '../../../src/health/slow/certificate.js';
import { Places } from '../../../src/health/slow/places.js';
import type { TlsCheck } from '../../../src/model/index.js';
import { Authority, type Pair } from '../../support/certificates.js';
import { checked, serve } from '../../support/slow-checks.js';
import { folderFor } from '../../support/store.js';

const folder = mkdtempSync(join(tmpdir(), 'beeline-'));
after(() => {
  rmSync(folder, { recursive: true });
});
const authority = new Authority(join(folder, 'one'));
const ca = authority.path;
const good = authority.issue();

/** The result of a check of a server that has this certificate. */
async function presented(context: TestContext, pair: Pair, check: Partial<TlsCheck> = {}): Promise<string> {
  const port = await serve(context, () => undefined, { ...pair, ALPNProtocols: ['h2'] });
  return checked({ type: 'tls', ca, ...check }, port);
}

test('a certificate is valid for the VIP without a server name, and for the name with one', async (context) => {
  assert.equal(await presented(context, good), 'passed L6 TLSv1.3');
  assert.equal(await presented(context, good, { sni: 'www.example.org' }), 'passed L6 TLSv1.3');
  assert.equal(
    await presented(context, good, { sni: 'mail.example.org' }),
    'failed L6 certificate is for www.example.org, 127.0.0.1, not mail.example.org',
  );
  const wild = authority.issue({ names: 'DNS:*.example.org' });
  assert.equal(await presented(context, wild, { sni: 'mail.example.org' }), 'passed L6 TLSv1.3');
  assert.equal(await presented(context, wild), 'failed L6 certificate is for *.example.org, not 127.0.0.1');
  const many = authority.issue({ names: 'DNS:a.example,DNS:b.example,DNS:c.example,DNS:d.example' });
  assert.equal(
    await presented(context, many),
    'failed L6 certificate is for a.example, b.example, c.example, 1 more, not 127.0.0.1',
  );
});

test('a certificate that is not valid is told in words, and without verification it passes', async (context) => {
  const other = new Authority(join(folder, 'two'));
  const cases: [Pair, RegExp][] = [
    [authority.issue({ from: -20, to: -3.5 }), /^failed L6 certificate expired 3 days ago$/],
    [authority.issue({ from: -20, to: -0.5 }), /^failed L6 certificate expired less than a day ago$/],
    [authority.issue({ from: 2, to: 90 }), /^failed L6 certificate not yet valid, but from \d{4}-\d\d-\d\d on$/],
    [authority.selfSigned(), /^failed L6 self-signed certificate$/],
    [other.issue(), /^failed L6 unknown authority, or a certificate of the chain is missing$/],
  ];
  for (const [pair, expected] of cases) {
    assert.match(await presented(context, pair), expected);
    assert.equal(await presented(context, pair, { verify: false }), 'passed L6 TLSv1.3');
  }
});

test('a certificate that expires soon passes with a warning, as many days before as the check says', async (context) => {
  const soon = authority.issue({ to: 5.5 });
  const warned = /^passed L6 TLSv1.3; warning: certificate expires in 5 days \(\d{4}-\d\d-\d\d\)$/;
  assert.match(await presented(context, soon), warned);
  assert.match(await presented(context, soon, { expiryDays: 6 }), warned);
  assert.equal(await presented(context, soon, { expiryDays: 5 }), 'passed L6 TLSv1.3');
  assert.equal(await presented(context, soon, { expiryDays: 0 }), 'passed L6 TLSv1.3');
  assert.match(await presented(context, authority.issue({ to: 0.5 })), /expires in less than a day/);
  // Without verification only who asks is warned.
  assert.equal(await presented(context, soon, { verify: false }), 'passed L6 TLSv1.3');
  assert.match(await presented(context, soon, { verify: false, expiryDays: 14 }), warned);
});

test('servers that accept and say nothing keep the handshakes of others waiting for no more than a moment', async (context) => {
  const handshakes = new Places(1);
  const silent = await serve(context, () => undefined);
  const port = await serve(context, () => undefined, good);
  const hung = [1, 2, 3].map(() => checked({ type: 'tls' }, silent, { handshakes, timeoutMs: 5000 }));
  const results = await Promise.race([
    Promise.all([1, 2, 3].map(() => checked({ type: 'tls', ca }, port, { handshakes, timeoutMs: 4000 }))),
    ...hung,
  ]);
  assert.deepEqual(results, ['passed L6 TLSv1.3', 'passed L6 TLSv1.3', 'passed L6 TLSv1.3']);
  assert.deepEqual(await Promise.all(hung), ['failed L6 timeout', 'failed L6 timeout', 'failed L6 timeout']);
  // One that had no turn in its time says nothing about the server.
  const none = new Places(0);
  assert.match(await checked({ type: 'tls', ca }, port, { handshakes: none, timeoutMs: 100 }), /no time for it/);
});

test('the server must choose one of the protocols that are offered', async (context) => {
  assert.equal(await presented(context, good, { alpn: ['h2', 'http/1.1'] }), 'passed L6 TLSv1.3 h2');
  assert.equal(
    await presented(context, good, { alpn: ['http/1.1', 'imap'] }),
    'failed L6 ALPN: none of http/1.1, imap',
  );
  const silent = await serve(context, () => undefined, { ...good });
  assert.equal(await checked({ type: 'tls', ca, alpn: ['h2'] }, silent), 'failed L6 ALPN: none of h2');
});

test('a server of another protocol, or of an old version, is told from one that does not answer', async (context) => {
  const http = await serve(context, (socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  });
  assert.equal(await checked({ type: 'tls' }, http), 'failed L6 answers without TLS');
  const smtp = await serve(context, (socket) => {
    socket.write('220 mail.example ESMTP\r\n');
  });
  assert.equal(await checked({ type: 'tls' }, smtp), 'failed L6 answers without TLS');
  const old = await serve(context, () => undefined, {
    ...good,
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  });
  assert.equal(await checked({ type: 'tls', ca }, old), 'failed L6 protocol version');
  const silent = await serve(context, () => undefined);
  assert.equal(await checked({ type: 'tls' }, silent, { timeoutMs: 100 }), 'failed L6 timeout');
  const closing = await serve(context, (socket) => socket.end());
  assert.equal(await checked({ type: 'tls' }, closing), 'failed L6 closed early');
  const resetting = await serve(context, (socket) => {
    socket.once('data', () => socket.resetAndDestroy());
  });
  assert.equal(await checked({ type: 'tls' }, resetting), 'failed L6 reset');
  const half = await serve(context, (socket) => {
    socket.once('data', () => socket.write(Buffer.from([22, 3, 3, 0, 100, 2])));
  });
  assert.equal(await checked({ type: 'tls' }, half, { timeoutMs: 100 }), 'failed L6 timeout');
});

test('no server, and no way to it', async (context) => {
  const port = await serve(context, () => undefined);
  assert.equal(await checked({ type: 'tls' }, 1), 'failed L4 refused');
  // Never answers: a network for documentation.
  assert.match(
    await checked({ type: 'tls' }, port, { address: '192.0.2.1', timeoutMs: 100 }),
    /^failed (L4 (timeout|refused)|L3 .*)$/,
  );
  const controller = new AbortController();
  const running = checked({ type: 'tls' }, port, { signal: controller.signal });
  setTimeout(() => {
    controller.abort();
  }, 20);
  assert.equal(await running, 'trouble: interrupted');
  assert.equal(await checked({ type: 'tls' }, port, { signal: controller.signal }), 'trouble: interrupted');
});

test('a file of authorities that cannot be used says nothing about the server, and one that changes is read again', async (context) => {
  const path = join(folderFor(context), 'ca.pem');
  const port = await serve(context, () => undefined, { ...good });
  const check: TlsCheck = { type: 'tls', ca: path };
  assert.equal(await checked(check, port), `trouble: ${path}: no such file`);
  writeFileSync(path, 'nothing');
  assert.equal(await checked(check, port), `trouble: ${path}: has no certificate in PEM`);
  writeFileSync(path, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
  assert.equal(await checked(check, port), `trouble: ${path}: has a certificate that cannot be read`);
  writeFileSync(path, readFileSync(new Authority(join(folder, 'three')).path));
  assert.match(await checked(check, port), /^failed L6 unknown authority/);
  appendFileSync(path, readFileSync(ca));
  assert.equal(await checked(check, port), 'passed L6 TLSv1.3');
  assert.equal(await checked({ ...check, ca: folder }, port), `trouble: ${folder}: is no regular file`);
});

/** A server that answers each request over TLS with this. */
function answering(context: TestContext, answer: string | ((socket: Socket) => void)): Promise<number> {
  return serve(
    context,
    (socket) => {
      socket.once('data', () => {
        if (typeof answer === 'string') {
          socket.end(answer);
        } else {
          answer(socket);
        }
      });
    },
    { ...good, ALPNProtocols: ['http/1.1', 'h2'] },
  );
}

test('https judges as http does, over TLS', async (context) => {
  const ok = await answering(context, 'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nhealthy');
  assert.equal(await checked({ type: 'https', ca }, ok), 'passed L7 status 200');
  assert.equal(await checked({ type: 'https', ca, body: '^healthy$' }, ok), 'passed L7 status 200, body matches');
  assert.equal(await checked({ type: 'https', ca, body: 'ill' }, ok), 'failed L7 status 200, body does not match');
  assert.equal(
    await checked({ type: 'https' }, ok),
    'failed L6 unknown authority, or a certificate of the chain is missing',
  );
  assert.equal(await checked({ type: 'https', ca, alpn: ['http/1.1'] }, ok), 'passed L7 status 200');
  assert.match(await checked({ type: 'https', ca, alpn: ['h2'] }, ok), /^trouble: the server chose h2/);
  const down = await answering(context, 'HTTP/1.1 503 no\r\n\r\n');
  assert.equal(await checked({ type: 'https', ca }, down), 'failed L7 status 503');
  const ssh = await answering(context, 'SSH-2.0-x\r\n');
  assert.equal(await checked({ type: 'https', ca }, ssh), 'failed L7 not HTTP: "SSH-2.0-x"');
});

test('requests follow one another until one fails, and the name of the host is that of the VIP and the port', async (context) => {
  const asked: string[] = [];
  const port = await serve(
    context,
    (socket) => {
      socket.once('data', (data: Buffer) => {
        const [, path, host] = /^GET (\S+) HTTP\/1.1\r\nHost: (\S+)\r\n/.exec(data.toString())!;
        asked.push(`${host} ${path}`);
        socket.write(`HTTP/1.1 ${path === '/c' ? 500 : 200} x\r\n\r\n`);
      });
    },
    { ...good },
  );
  const requests = [{ path: '/a' }, { path: '/b', host: 'b.example' }, { path: '/c' }, { path: '/d' }];
  assert.equal(await checked({ type: 'https', ca, requests }, port), 'failed L7 /c: status 500');
  assert.deepEqual(asked, [`127.0.0.1:${port} /a`, 'b.example /b', `127.0.0.1:${port} /c`]);
  assert.equal(await checked({ type: 'https', ca, requests: requests.slice(0, 2) }, port), 'passed L7 status 200');
});

test('a server that drips, hangs or breaks off amid its answer ends the check in time', async (context) => {
  const https = { type: 'https', ca, body: 'x' } as const;
  const drip = await answering(context, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n');
    const timer = setInterval(() => socket.write('y'), 10);
    socket.on('close', () => {
      clearInterval(timer);
    });
  });
  assert.equal(await checked(https, drip, { timeoutMs: 300 }), 'failed L7 timeout');
  const hanging = await answering(context, () => undefined);
  assert.equal(await checked(https, hanging, { timeoutMs: 300 }), 'failed L7 timeout, no answer');
  const half = await answering(context, 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
  assert.equal(await checked(https, half), 'failed L7 closed early');
  const rude = await answering(context, (socket) => socket.destroy());
  assert.match(await checked(https, rude), /^failed (L7 closed early, no answer|L4 reset)$/);
});

test('an answer of 200 MB is not read: neither into memory nor to its end', async (context) => {
  let sent = 0;
  const port = await answering(context, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n');
    const piece = Buffer.alloc(1 << 16, 'y');
    const more = (): void => {
      while (!socket.destroyed && sent < 200_000_000) {
        sent += piece.length;
        if (!socket.write(piece)) {
          socket.once('drain', more);
          return;
        }
      }
    };
    more();
  });
  const check = { type: 'https', ca, body: 'x' } as const;
  assert.equal(await checked(check, port), 'failed L7 status 200, body does not match');
  assert.ok(sent < 50_000_000, `${sent} bytes were read`);
});

test('dialogues go over TLS, with steps of their own and ready-made ones', async (context) => {
  const redis = await answering(context, '+PONG\r\n');
  assert.equal(await checked({ type: 'redis', tls: true, ca }, redis), 'passed L7 ok');
  const imap = await serve(
    context,
    (socket) => {
      socket.write('* OK rea');
      socket.write('dy\r\n');
      socket.once('data', () => socket.write('* BYE\r\na OK bye\r\n'));
    },
    { ...good },
  );
  assert.equal(await checked({ type: 'imap', tls: true, ca }, imap), 'passed L7 ok');
  const steps = [{ send: 'hello' }, { expect: 'never' }];
  assert.equal(await checked({ type: 'send-expect', tls: true, ca, steps }, redis), 'failed L7 answered "+PONG"');
  assert.equal(
    await checked({ type: 'send-expect', tls: true, ca, steps: [{ send: 'hello' }] }, redis),
    'passed L4 ok',
  );
});

test("a server that wants a client's certificate fails the check that talks, in words", async (context) => {
  const port = await serve(context, (socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n'), {
    ...good,
    requestCert: true,
    rejectUnauthorized: true,
    ca: readFileSync(ca),
  });
  assert.match(
    await checked({ type: 'https', ca, body: 'x' }, port),
    /^failed L[46] (wants a client's certificate|reset)/,
  );
});

test('an IPv6 address is the same in every spelling that a library gives it', () => {
  const certificate = {
    raw: Buffer.alloc(1),
    valid_from: 'Jan  1 00:00:00 2020 GMT',
    valid_to: 'Jan  1 00:00:00 2120 GMT',
    subjectaltname: 'DNS:fd00::200, IP Address:192.168.1.100, IP Address:FD00:0:0:0:0:0:0:100',
  } as unknown as PeerCertificate;
  const judged = (name: string): string | undefined => judgeCertificate({ certificate }, name, Date.now())?.words;
  assert.deepEqual(['fd00::100', '192.168.1.100'].map(judged), [undefined, undefined]);
  const others = 'certificate is for fd00::200, 192.168.1.100, FD00:0:0:0:0:0:0:100, not';
  assert.deepEqual(['fd00::200', '192.168.1.10'].map(judged), [`${others} fd00::200`, `${others} 192.168.1.10`]);
});
