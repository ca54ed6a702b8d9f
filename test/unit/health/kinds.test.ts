/** Tests of what each kind of check says, and how it judges what it hears. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type Answer, encode, type Packet, streamEncode } from 'dns-packet';

import { DIALOGUES } from '../../../src/health/kinds/dialogue.js';
import { requestsOf, talksOf } from '../../../src/health/kinds/index.js';
import type { Ending, HttpHead, Judgement, Target, Turn } from '../../../src/health/kinds/kind.js';
import { type DnsCheck, type NetworkCheck, parseIp } from '../../../src/model/index.js';

const TARGET: Target = { address: parseIp('192.168.1.100')!, family: 4, port: 80, protocol: 'tcp' };

/** The result of a check whose one answer is this. */
function judged(
  check: NetworkCheck,
  received: string | Uint8Array,
  ending: Ending = 'complete',
  target = TARGET,
): string {
  const bytes = typeof received === 'string' ? Buffer.from(received) : received;
  return text(talksOf(check, target)().next(bytes, ending, check.type === 'http' ? headOf(bytes) : undefined));
}

/** What the wire reads of a response. */
function headOf(bytes: Uint8Array): HttpHead | undefined {
  const latin1 = Buffer.from(bytes).toString('latin1');
  const status = /^HTTP\/1\.\d (\d{3})/.exec(latin1)?.[1];
  const end = latin1.indexOf('\r\n\r\n');
  return status === undefined ? undefined : { status: Number(status), bodyOffset: end < 0 ? 0 : end + 4 };
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

test('the response is what the wire says, not what stands first', () => {
  const early = Buffer.from('HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 500 no\n\nok');
  const talk = talksOf({ type: 'http', body: '^ok$', status: [{ first: 500, last: 500 }] }, TARGET)();
  const http = { status: 500, bodyOffset: early.length - 2 };
  assert.equal(text(talk.next(early, 'complete', http)), 'passed L7 status 500, body matches');
});

test('a check of the status alone does not wait for a body that may have no end', () => {
  assert.deepEqual(talksOf({ type: 'http' }, TARGET)().first.until, { on: 'http-headers' });
  const until = { on: 'http', head: false };
  assert.deepEqual(talksOf({ type: 'http', body: 'x' }, TARGET)().first.until, until);
  const endless = 'HTTP/1.1 200 OK\r\nX: yyyyy';
  assert.equal(judged({ type: 'http' }, endless, 'too-long'), 'failed L7 answer too long');
  const twoLengths = 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n';
  assert.equal(judged({ type: 'http' }, twoLengths, 'malformed'), 'failed L7 not HTTP: "HTTP/1.1 200 OK…"');
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

/** The result of a DNS check by UDP whose question is answered by this. */
function answered(check: DnsCheck, reply: Partial<Packet> & { readonly idChange?: number }): string {
  const talk = talksOf(check, { ...TARGET, port: 53, protocol: 'udp' })();
  const { idChange = 0, ...rest } = reply;
  return text(
    talk.next(
      encode({
        type: 'response',
        id: Buffer.from(talk.first.send!).readUInt16BE() ^ idChange,
        flags: 0x8180,
        questions: [{ type: 'A', name: check.name }],
        ...rest,
      }),
      'complete',
    ),
  );
}

test('an answer to another question, or to the last one, is none', () => {
  const check = { type: 'dns', name: 'www.example.org' } as const;
  const answers: Answer[] = [{ type: 'A', name: 'www.example.org', data: '192.0.2.1' }];
  const other = 'failed L7 not an answer to the question';
  assert.equal(answered(check, { answers, questions: [{ type: 'A', name: 'WWW.Example.org' }] }), 'passed L7 NOERROR');
  assert.equal(answered(check, { answers, idChange: 1 }), other);
  assert.equal(answered(check, { answers, questions: [{ type: 'A', name: 'example.org' }] }), other);
  assert.equal(answered(check, { answers, questions: [{ type: 'AAAA', name: 'www.example.org' }] }), other);
  assert.equal(answered(check, { answers, questions: [] }), other);
  // Whoever could not read the question cannot repeat it.
  assert.equal(answered({ ...check, rcode: 'FORMERR' }, { flags: 0x8181, questions: [] }), 'passed L7 FORMERR');
  const talks = talksOf(check, { ...TARGET, protocol: 'udp' });
  const ids = Array.from({ length: 20 }, () => Buffer.from(talks().first.send!).readUInt16BE());
  assert.ok(new Set(ids).size > 10);
});

test('an address is the same however it is spelled, and an alias alone is no address', () => {
  const name = 'www.example.org';
  const check = { type: 'dns', name, record: 'AAAA' } as const;
  const questions = [{ type: 'AAAA', name }] as const;
  const address: Answer = { type: 'AAAA', name: 'a.example', data: 'fd00::1' };
  const alias: Answer = { type: 'CNAME', name, data: 'a.example' };
  for (const answer of ['FD00:0:0::1', 'fd00::0001', 'fd00:0:0:0:0:0:0:1']) {
    assert.equal(
      answered({ ...check, answer }, { questions: [...questions], answers: [alias, address] }),
      'passed L7 NOERROR',
      answer,
    );
  }
  assert.equal(answered(check, { questions: [...questions], answers: [alias, address] }), 'passed L7 NOERROR');
  assert.equal(answered(check, { questions: [...questions], answers: [alias] }), 'failed L7 no answers');
});

test('a question asks for an address of the VIP’s family, by the protocol of the service', () => {
  const udp: Target = { ...TARGET, port: 53, protocol: 'udp' };
  const check = { type: 'dns', name: 'www.example.org' } as const;
  const address: Answer = { type: 'A', name: 'www.example.org', data: '192.0.2.1' };
  const nxdomain = { answers: [], flags: 0x8183 };

  assert.equal(answered(check, { answers: [address] }), 'passed L7 NOERROR');
  assert.equal(answered(check, { answers: [] }), 'failed L7 no answers');
  assert.equal(answered(check, nxdomain), 'failed L7 NXDOMAIN');
  assert.equal(answered({ ...check, rcode: 'NXDOMAIN' }, nxdomain), 'passed L7 NXDOMAIN');
  assert.equal(answered({ ...check, answer: '192.0.2.1' }, { answers: [address] }), 'passed L7 NOERROR');
  assert.equal(answered({ ...check, answer: '192.0.2.9' }, { answers: [address] }), 'failed L7 NOERROR, other answers');
  assert.equal(judged(check, Buffer.from('?'), 'complete', udp), 'failed L7 not DNS');
  assert.equal(judged(check, Buffer.alloc(0), 'timeout', udp), 'failed L7 timeout, no answer');

  const tcp = talksOf(check, { ...TARGET, port: 53 })();
  assert.equal(tcp.transport, 'tcp');
  const [low, high] = tcp.first.send!;
  assert.equal((low! << 8) | high!, tcp.first.send!.length - 2);
  const stream = streamEncode({
    type: 'response',
    id: Buffer.from(tcp.first.send!).readUInt16BE(2),
    flags: 0x8180,
    questions: [{ type: 'A', name: 'www.example.org' }],
    answers: [address],
  });
  assert.equal(text(tcp.next(stream, 'complete')), 'passed L7 NOERROR');
});

test('an echo of the question is no answer', () => {
  const udp: Target = { ...TARGET, protocol: 'udp' };
  const talk = talksOf({ type: 'dns', name: 'a.example' }, udp)();
  assert.equal(text(talk.next(talk.first.send!, 'complete')), 'failed L7 not an answer to the question');
});

test('a datagram without an expected reply passes in silence, and one with a mask compares the bits that count', () => {
  assert.equal(judged({ type: 'udp' }, '', 'timeout'), 'passed L4 no ICMP error');
  const [reply, mask] = ['\x80\x01', '\xf0\xff'];
  assert.equal(judged({ type: 'udp', reply, mask }, Buffer.from([0x8f, 0x01, 0x77])), 'passed L7 ok');
  assert.equal(judged({ type: 'udp', reply, mask }, Buffer.from([0x8f, 0x02])), 'failed L7 another reply');
  assert.equal(judged({ type: 'udp', reply, mask }, Buffer.from([0x8f])), 'failed L7 another reply');
  assert.equal(judged({ type: 'udp', reply, mask }, '', 'timeout'), 'failed L7 timeout, no answer');
});

test('a dialogue waits for a whole answer, however it is cut', () => {
  const talk = talksOf({ type: 'smtp' }, TARGET)();
  assert.equal(sent(talk.first), '');
  assert.deepEqual(talk.next(Buffer.from('22'), 'complete'), { until: { on: 'data' } });
  const quit = talk.next(Buffer.from('0 mail.example ESMTP\r\n'), 'complete');
  assert.ok(!('passed' in quit));
  assert.equal(sent(quit), 'QUIT\r\n');
  assert.equal(text(talk.next(Buffer.from('221 bye\r\n'), 'complete')), 'passed L7 ok');
});

test('a dialogue is not fed for ever: neither by much nor by many pieces', () => {
  const talks = talksOf({ type: 'send-expect', steps: [{ expect: 'hello' }] }, TARGET);
  const goesOn = { until: { on: 'data' } };
  const much = talks();
  assert.deepEqual(much.next(Buffer.alloc(8192, 'x'), 'complete'), goesOn);
  assert.equal(text(much.next(Buffer.from('x'), 'complete')), 'failed L7 answer too long');
  const slow = talks();
  for (let i = 1; i < 200; i += 1) {
    assert.deepEqual(slow.next(Buffer.from('x'), 'complete'), goesOn);
  }
  assert.equal(text(slow.next(Buffer.from('x'), 'complete')), 'failed L7 answer in too many pieces');
  assert.equal(text(talks().next(Buffer.from(`${'x'.repeat(60_000)}hello`), 'complete')), 'passed L7 ok');
});

test('what comes together is heard step by step, unless something is said in between', () => {
  const both = Buffer.from('one two');
  const steps = [{ expect: 'one' }, { expect: 'two' }];
  assert.equal(judged({ type: 'send-expect', steps }, both), 'passed L7 ok');
  const backwards = talksOf({ type: 'send-expect', steps: [{ expect: 'two' }, { expect: 'one' }] }, TARGET)();
  const turn = backwards.next(both, 'complete');
  assert.ok(!('passed' in turn));
  const spoken = talksOf({ type: 'send-expect', steps: [{ expect: 'one', send: 'x' }, { expect: 'two' }] }, TARGET)();
  assert.equal(sent(spoken.next(both, 'complete') as Turn), 'x');
  assert.equal(text(spoken.next(Buffer.from('no'), 'timeout')), 'failed L7 answered "no"');
  const asked = talksOf(
    { type: 'send-expect', steps: [{ expect: 'one' }, { send: 'y' }, { expect: 'two' }] },
    TARGET,
  )();
  assert.equal(sent(asked.next(both, 'complete') as Turn), 'y');
  assert.equal(text(asked.next(Buffer.from('two'), 'complete')), 'passed L7 ok');
});

test('a dialogue tells what it heard instead', () => {
  const steps = DIALOGUES.redis;
  const talk = (): ReturnType<ReturnType<typeof talksOf>> => talksOf({ type: 'send-expect', steps }, TARGET)();
  assert.equal(sent(talk().first), 'PING\r\n');
  assert.equal(text(talk().next(Buffer.from('-NOAUTH\r\n'), 'timeout')), 'failed L7 answered "-NOAUTH"');
  assert.equal(text(talk().next(Buffer.alloc(0), 'closed')), 'failed L7 closed early, no answer');
});

test('MySQL hears a login before the connection ends, whatever it says to that', () => {
  for (const answer of [0x00, 0xff]) {
    const talk = talksOf({ type: 'mysql' }, TARGET)();
    const login = talk.next(Buffer.from([74, 0, 0, 0, 10, 56]), 'complete') as Turn;
    const bytes = Buffer.from(login.send!);
    // The length of what follows, and the number after the greeting's.
    assert.deepEqual([bytes.readUIntLE(0, 3), bytes[3]], [bytes.length - 4, 1]);
    assert.equal(bytes.toString('latin1', 36), 'beeline\0\0');
    const last = talk.next(Buffer.from([7, 0, 0, 2, answer, 0, 0]), 'complete') as Turn;
    assert.deepEqual([...last.send!], [1, 0, 0, 0, 1]);
    assert.equal(text(talk.next(Buffer.alloc(0), 'complete')), 'passed L7 ok');
  }
  // An error instead of the greeting: the host is blocked, or there are too many connections.
  const blocked = Buffer.from("\x05\0\0\0\xffi\x04Host 'director' is blocked", 'latin1');
  assert.match(judged({ type: 'mysql' }, blocked, 'closed'), /^failed L7 answered/);
});

test('what a dialogue says last is said', () => {
  const talk = talksOf({ type: 'send-expect', steps: [{ expect: 'hello', send: 'bye\n' }] }, TARGET)();
  const last = talk.next(Buffer.from('hello'), 'complete');
  assert.ok(!('passed' in last));
  assert.equal(sent(last), 'bye\n');
  assert.equal(last.until.on, 'connected');
  assert.equal(text(talk.next(Buffer.alloc(0), 'complete')), 'passed L7 ok');
});

test('a DNS reply over TCP may come in pieces, and its length decides', () => {
  const check = { type: 'dns', name: 'a.example' } as const;
  const talk = talksOf(check, TARGET)();
  const id = Buffer.from(talk.first.send!).readUInt16BE(2);
  const reply = streamEncode({
    type: 'response',
    id,
    questions: [{ type: 'A', name: 'a.example' }],
    answers: [{ type: 'A', name: 'a.example', data: '10.0.0.1' }],
  });
  for (const at of [1, 2, 20]) {
    const again = talksOf(check, TARGET)();
    const own = Buffer.from(reply);
    own.writeUInt16BE(Buffer.from(again.first.send!).readUInt16BE(2), 2);
    assert.deepEqual(again.next(own.subarray(0, at), 'complete'), { until: { on: 'data' } });
    // What follows is no part of the reply.
    const rest = Buffer.concat([own.subarray(at), Buffer.from('more')]);
    assert.equal(text(again.next(rest, 'complete')), 'passed L7 NOERROR');
  }
  assert.equal(text(talk.next(reply.subarray(0, 9), 'closed')), 'failed L7 closed early');
});

test('a request of several has what stands beside them, unless it has its own', () => {
  const requests = requestsOf(
    {
      type: 'http',
      host: 'a.example',
      method: 'HEAD',
      requests: [{ path: '/a' }, { method: 'GET', host: 'b.example' }],
    },
    TARGET,
  );
  assert.deepEqual(
    requests.map(({ name, begin }) => [name, ...sent(begin().first).split('\r\n').slice(0, 2)]),
    [
      ['/a', 'HEAD /a HTTP/1.1', 'Host: a.example'],
      ['/', 'GET / HTTP/1.1', 'Host: b.example'],
    ],
  );
  assert.equal(requestsOf({ type: 'http', requests: [] }, TARGET).length, 1);
});
