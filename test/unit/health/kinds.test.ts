/** Tests of what each kind of check says, and how it judges what it hears. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type Answer, encode, streamEncode } from 'dns-packet';

import { DIALOGUES } from '../../../src/health/kinds/dialogue.js';
import { talksOf } from '../../../src/health/kinds/index.js';
import type { Ending, Judgement, Target, Turn } from '../../../src/health/kinds/kind.js';
import { type NetworkCheck, parseIp } from '../../../src/model/index.js';

const TARGET: Target = { address: parseIp('192.168.1.100')!, family: 4, port: 80, protocol: 'tcp' };

/** The result of a check whose one answer is this. */
function judged(
  check: NetworkCheck,
  received: string | Uint8Array,
  ending: Ending = 'complete',
  target = TARGET,
): string {
  const bytes = typeof received === 'string' ? Buffer.from(received) : received;
  return text(talksOf(check, target)().next(bytes, ending));
}

function text(result: Turn | Judgement): string {
  assert.ok('passed' in result, 'the talk goes on');
  return `${result.passed ? 'passed' : 'failed'} ${result.layer} ${result.words}`;
}

const sent = (turn: Turn): string => Buffer.from(turn.send ?? []).toString('latin1');

test('an HTTP request names the VIP as its host, and headers that are given replace the usual ones', () => {
  const request = sent(talksOf({ type: 'http' }, TARGET)().first);
  assert.equal(
    request,
    'GET / HTTP/1.1\r\nHost: 192.168.1.100\r\nUser-Agent: beeline\r\nAccept: */*\r\nConnection: close\r\n\r\n',
  );
  const check = {
    type: 'http',
    method: 'HEAD',
    path: '/health?x=1',
    headers: { host: 'a.example', 'X-A': '1' },
  } as const;
  assert.equal(
    sent(talksOf(check, TARGET)().first),
    'HEAD /health?x=1 HTTP/1.1\r\nUser-Agent: beeline\r\nAccept: */*\r\nConnection: close\r\nhost: a.example\r\nX-A: 1\r\n\r\n',
  );
  const v6: Target = { address: parseIp('fd00::100')!, family: 6, port: 8080, protocol: 'tcp' };
  assert.match(sent(talksOf({ type: 'http' }, v6)().first), /\r\nHost: \[fd00::100\]:8080\r\n/);
});

test('a status decides, also before the end of the body', () => {
  const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
  assert.equal(judged({ type: 'http' }, ok), 'passed L7 status 200');
  assert.equal(judged({ type: 'http' }, 'HTTP/1.1 503 no\r\n\r\n'), 'failed L7 status 503');
  assert.equal(judged({ type: 'http' }, 'HTTP/1.1 503 no\r\nX: ', 'timeout'), 'failed L7 status 503');
  assert.equal(judged({ type: 'http' }, 'HTTP/1.1 200 OK\r\nX: ', 'timeout'), 'failed L7 timeout');
  assert.equal(judged({ type: 'http' }, 'HTTP/1.0 204\r\n\r\n'), 'passed L7 status 204');
  assert.equal(judged({ type: 'http' }, ''), 'failed L7 not HTTP: ""');
  assert.equal(judged({ type: 'http' }, '', 'timeout'), 'failed L7 timeout, no answer');
  assert.equal(judged({ type: 'http' }, '', 'closed'), 'failed L7 closed early, no answer');
  const only = { type: 'http', status: [{ first: 301, last: 302 }] } as const;
  assert.equal(judged(only, 'HTTP/1.1 301 Moved\r\n\r\n'), 'passed L7 status 301');
  assert.equal(judged(only, ok), 'failed L7 status 200');
});

test('informational responses are not the response', () => {
  const early = 'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 500 no\r\n\r\n';
  assert.equal(judged({ type: 'http' }, early), 'failed L7 status 500');
});

test('a body matches by a pattern that takes time in proportion to it', () => {
  const check = { type: 'http', body: '(a+)+$|ok' } as const;
  const body = (content: string): string => `HTTP/1.1 200 OK\r\n\r\n${content}`;
  assert.equal(judged(check, body('it is ok now')), 'passed L7 status 200, body matches');
  assert.equal(judged(check, body(`${'a'.repeat(60_000)}b`)), 'failed L7 status 200, body does not match');
  assert.equal(judged(check, body('begins ok'), 'too-long'), 'passed L7 status 200, body matches');
  assert.equal(judged(check, body('not y'), 'closed'), 'failed L7 closed early');
});

test('a pattern is found across the chunks of a body', () => {
  const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhea\r\n4\r\nlthy\r\n0\r\n\r\n';
  assert.equal(judged({ type: 'http', body: '^healthy$' }, chunked), 'passed L7 status 200, body matches');
});

test('what is not HTTP is told in printable characters', () => {
  assert.equal(judged({ type: 'http' }, 'SSH-2.0-\x1b]0;evil\x07\r\n'), 'failed L7 not HTTP: "SSH-2.0-…"');
});

test('a question asks for an address of the VIP’s family, by the protocol of the service', () => {
  const udp: Target = { ...TARGET, port: 53, protocol: 'udp' };
  const check = { type: 'dns', name: 'www.example.org' } as const;
  const reply = (answers: Answer[], flags = 0x8180, type: 'A' | 'AAAA' = 'A'): Buffer =>
    encode({ type: 'response', id: 0x6265, flags, questions: [{ type, name: 'www.example.org' }], answers });
  const address: Answer = { type: 'A', name: 'www.example.org', data: '192.0.2.1' };

  assert.equal(judged(check, reply([address]), 'complete', udp), 'passed L7 NOERROR');
  assert.equal(judged(check, reply([]), 'complete', udp), 'failed L7 no answers');
  assert.equal(judged(check, reply([], 0x8183), 'complete', udp), 'failed L7 NXDOMAIN');
  assert.equal(judged({ ...check, rcode: 'NXDOMAIN' }, reply([], 0x8183), 'complete', udp), 'passed L7 NXDOMAIN');
  assert.equal(judged({ ...check, answer: '192.0.2.1' }, reply([address]), 'complete', udp), 'passed L7 NOERROR');
  assert.equal(
    judged({ ...check, answer: '192.0.2.9' }, reply([address]), 'complete', udp),
    'failed L7 NOERROR, other answers',
  );
  assert.equal(judged(check, Buffer.from('?'), 'complete', udp), 'failed L7 not DNS');
  assert.equal(judged(check, Buffer.alloc(0), 'timeout', udp), 'failed L7 timeout, no answer');

  const tcp = talksOf(check, { ...TARGET, port: 53 })();
  assert.equal(tcp.transport, 'tcp');
  const [low, high] = tcp.first.send!;
  assert.equal((low! << 8) | high!, tcp.first.send!.length - 2);
  const stream = streamEncode({ type: 'response', id: 0x6265, flags: 0x8180, answers: [address] });
  assert.equal(text(tcp.next(stream, 'complete')), 'passed L7 NOERROR');
});

test('an echo of the question is no answer', () => {
  const udp: Target = { ...TARGET, protocol: 'udp' };
  const talk = talksOf({ type: 'dns', name: 'a.example' }, udp)();
  assert.equal(text(talk.next(talk.first.send!, 'complete')), 'failed L7 not an answer to the question');
});

test('a datagram without an expected reply passes in silence, and one with a mask compares the bits that count', () => {
  assert.equal(judged({ type: 'udp' }, '', 'timeout'), 'passed L4 no ICMP error');
  const [reply, mask] = [Buffer.from([0x80, 0x01]), Buffer.from([0xf0, 0xff])];
  assert.equal(judged({ type: 'udp', reply, mask }, Buffer.from([0x8f, 0x01, 0x77])), 'passed L7 ok');
  assert.equal(judged({ type: 'udp', reply, mask }, Buffer.from([0x8f, 0x02])), 'failed L7 another reply');
  assert.equal(judged({ type: 'udp', reply, mask }, Buffer.from([0x8f])), 'failed L7 another reply');
  assert.equal(judged({ type: 'udp', reply, mask }, '', 'timeout'), 'failed L7 timeout, no answer');
});

test('a dialogue waits for a whole answer, however it is cut', () => {
  const talk = talksOf({ type: 'dialogue', steps: DIALOGUES['smtp']! }, TARGET)();
  assert.equal(sent(talk.first), '');
  assert.deepEqual(talk.next(Buffer.from('22'), 'complete'), { until: { what: 'data' } });
  const quit = talk.next(Buffer.from('0 mail.example ESMTP\r\n'), 'complete');
  assert.ok(!('passed' in quit));
  assert.equal(sent(quit), 'QUIT\r\n');
  assert.equal(text(talk.next(Buffer.from('221 bye\r\n'), 'complete')), 'passed L7 ok');
});

test('a dialogue tells what it heard instead', () => {
  const steps = DIALOGUES['redis']!;
  const talk = (): ReturnType<ReturnType<typeof talksOf>> => talksOf({ type: 'dialogue', steps }, TARGET)();
  assert.equal(sent(talk().first), 'PING\r\n');
  assert.equal(text(talk().next(Buffer.from('-NOAUTH\r\n'), 'timeout')), 'failed L7 answered "-NOAUTH"');
  assert.equal(text(talk().next(Buffer.alloc(0), 'closed')), 'failed L7 closed early, no answer');
  const greeting = Buffer.from([74, 0, 0, 0, 10, 56]);
  assert.equal(judged({ type: 'dialogue', steps: DIALOGUES['mysql']! }, greeting), 'passed L7 ok');
});

test('what a dialogue says last is said', () => {
  const talk = talksOf({ type: 'dialogue', steps: [{ expect: 'hello', send: 'bye\n' }] }, TARGET)();
  const last = talk.next(Buffer.from('hello'), 'complete');
  assert.ok(!('passed' in last));
  assert.equal(sent(last), 'bye\n');
  assert.equal(last.until.what, 'connected');
  assert.equal(text(talk.next(Buffer.alloc(0), 'complete')), 'passed L7 ok');
});
