/** Packets that come back: whose service it is, who sends them, what mends it, and that a flood of them is one warning. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { Circles, otherDirectors } from '../../../src/director/circles.js';
import { compile, type Image } from '../../../src/image/index.js';
import { ip, isProblem, type Model, warningText } from '../../../src/model/index.js';
import { macFor, service, worldOf } from '../../support/models.js';

const NAME = 'tcp 192.168.1.100:80';
const [ONE, TWO] = [ip('192.168.1.31'), ip('192.168.1.32')];

function imageOf(servers: readonly ReturnType<typeof ip>[], rest: Partial<Model> = {}): Image {
  const services = [service(ip('192.168.1.100'), 80, servers)];
  return compile({ services, ...rest }, worldOf(services));
}

function counted(verdicts: Record<string, number>): Parameters<Circles['update']>[0] {
  return [{ name: NAME, destinations: [], verdicts }];
}

test('packets that come back from a real server are a problem of the service until none came for a minute', () => {
  const circles = new Circles();
  const image = imageOf([ONE]);
  const texts = (now: number): string[] => circles.warnings(image, now).map(warningText);
  circles.update(counted({}), 0);
  assert.deepEqual(texts(0), []);
  circles.update(counted({ 'from-real-server': 1 }), 1_000);
  const [text, ...others] = texts(1_000);
  assert.deepEqual(others, []);
  assert.match(text!, /^tcp 192\.168\.1\.100:80: real server 192\.168\.1\.31 sends packets for the VIP back here: /);
  assert.match(text!, /"directors".*"ip addr add 192\.168\.1\.100\/32 dev lo"$/);
  // The text is the same however many come, so that the log has it once.
  circles.update(counted({ 'from-real-server': 100_000 }), 50_000);
  assert.deepEqual(texts(50_000), [text]);
  circles.update(counted({ 'from-real-server': 100_000 }), 100_000);
  assert.deepEqual(texts(100_000), [text]);
  assert.deepEqual(texts(110_000), []);
  circles.update(counted({ 'from-real-server': 100_001 }), 120_000);
  assert.deepEqual(texts(120_000), [text]);
});

test('a warning names a real server only if it can be no other', () => {
  const of = (servers: readonly ReturnType<typeof ip>[]): { realServer: string | undefined; message: string } => {
    const circles = new Circles();
    circles.update(counted({ 'from-real-server': 1 }), 0);
    const [warning] = circles.warnings(imageOf(servers), 0);
    return { realServer: warning!.realServer, message: warning!.message };
  };
  assert.equal(of([ONE]).realServer, ONE);
  const two = of([ONE, TWO]);
  assert.equal(two.realServer, undefined);
  assert.match(two.message, /one of the real servers 192\.168\.1\.31, 192\.168\.1\.32 sends/);
  const many = of(Array.from({ length: 9 }, (_, i) => ip(`192.168.1.${i + 1}`)));
  assert.match(many.message, /one of its real servers sends/);
});

test('packets of a director that is none of the real servers are a warning and no problem: this host may serve the VIP', () => {
  for (const [directors, who, realServer] of [
    [[ip('192.168.1.22')], /: another director sends/, undefined],
    [[macFor(TWO)], /: real server 192\.168\.1\.32, which is a director, sends/, TWO],
  ] as const) {
    const circles = new Circles();
    circles.update(counted({ 'from-director': 3 }), 0);
    const [warning, ...others] = circles.warnings(imageOf([ONE, TWO], { directors }), 0);
    assert.deepEqual([others.length, warning!.code, warning!.realServer], [0, 'FROM_DIRECTOR', realServer]);
    assert.match(warning!.message, who);
    assert.equal(isProblem(warning!), false);
  }
});

test('a real server is known as another director by its address and by the MAC that it answered with', () => {
  for (const directors of [[TWO], [macFor(TWO)], [macFor(TWO), TWO]]) {
    const warnings = otherDirectors(imageOf([ONE, TWO], { directors }), { directors });
    assert.deepEqual(
      warnings.map(({ code, service: name, realServer }) => [code, name, realServer]),
      [['DIRECTOR_AS_REAL_SERVER', NAME, TWO]],
    );
  }
  const none = [ip('192.168.1.22'), macFor(ip('192.168.1.22'))];
  assert.deepEqual(otherDirectors(imageOf([ONE, TWO], { directors: none }), { directors: none }), []);
});

test('this host itself, which is a real server and in a list of directors that both have, is no other director', () => {
  const services = [service(ip('192.168.1.100'), 80, [ONE, TWO])];
  const directors = [ONE];
  const image = compile({ services, directors }, worldOf(services, { [ONE]: { state: 'local' } }));
  assert.deepEqual(otherDirectors(image, { directors }), []);
});
