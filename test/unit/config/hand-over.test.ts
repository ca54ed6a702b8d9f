/** Flow hand-over in the configuration: what it takes, refuses and warns of, and that a host may have its own. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { formatConfig, parseConfig, updateConfig } from '../../../src/config/index.js';
import { diffModels, handOverWarnings, ip, type Model, vrrpWarnings, withHostOf } from '../../../src/model/index.js';

const SERVICES = `services:
  - { address: 192.168.1.100, port: 80, scheduler: rr, realServers: [192.168.1.31, 192.168.1.32] }
`;
const TLS = 'certificate: /c.pem, key: /k.pem, authority: /a.pem';
const WAY = 'listen: 10.9.0.1, peer: 10.9.0.2';

function on(handOver: string, rest = '', host = 'lb1'): Model {
  return parseConfig(`interfaces: [ens3]\nflowHandOver: ${handOver}\n${rest}${SERVICES}`, 'f', host);
}

test('with files for TLS, or with the word that none are needed', () => {
  assert.deepEqual(on(`{ ${WAY}, ${TLS} }`).flowHandOver, {
    listen: ip('10.9.0.1'),
    peer: ip('10.9.0.2'),
    port: 7447,
    tls: { certificate: '/c.pem', key: '/k.pem', authority: '/a.pem' },
  });
  const { flowHandOver } = on('{ listen: fd00::1, peer: "fd00:0::2", port: 99, plain: true }');
  assert.deepEqual(flowHandOver, { listen: ip('fd00::1'), peer: ip('fd00::2'), port: 99 });
});

test('what two directors could not connect by, or what nothing protects, is refused at its place', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    [`{ ${WAY} }`, /f:2:15: flowHandOver needs "certificate", "key" and "authority" for TLS; or "plain: true"/],
    [`{ ${WAY}, plain: false }`, /flowHandOver\.plain must be true, or left out/],
    [`{ ${WAY}, ${TLS}, plain: true }`, /flowHandOver\.plain contradicts "certificate": leave one out/],
    [`{ ${WAY}, key: /k.pem }`, /flowHandOver\.key needs "certificate" beside it/],
    [`{ ${WAY}, certificate: /c.pem, key: /k.pem }`, /flowHandOver\.certificate needs "authority" beside it/],
    [
      `{ ${WAY}, certificate: c.pem, key: /k.pem, authority: /a.pem }`,
      /certificate must be the absolute path of a file/,
    ],
    ['{ listen: 10.9.0.1, plain: true }', /flowHandOver\.peer is missing/],
    ['{ listen: 10.9.0.1, peer: 10.9.0.1, plain: true }', /peer is 10\.9\.0\.1, the same as "listen"/],
    ['{ listen: 10.9.0.1, peer: fd00::1, plain: true }', /peer must be an IPv4 address as "listen" is/],
    ['{ listen: fe80::1, peer: fe80::2, plain: true }', /listen cannot be a director's address: it is link-local/],
    ['{ listen: 0.0.0.0, peer: 10.9.0.2, plain: true }', /listen cannot be a director's address/],
    ['{ listen: 10.9.0.1, peer: 192.168.1.100, plain: true }', /peer must be a director's own address; .* is a VIP/],
    ['{ listen: 10.9.0.1:80, peer: 10.9.0.2, plain: true }', /listen must be an IP address/],
    [`{ ${WAY}, port: 0, plain: true }`, /port must be a whole number from 1 to 65535/],
    [`{ ${WAY}, tls: true }`, /flowHandOver\.tls is not known here; known are listen, peer, port, certificate/],
    ['true', /flowHandOver must be a mapping with "listen", "peer"/],
  ];
  for (const [text, expected] of cases) {
    assert.throws(() => on(text), expected, text);
  }
});

test('each host has its own, in one file', () => {
  const hosts = `hosts:
  lb1: { flowHandOver: { ${WAY}, ${TLS} } }
  lb2: { flowHandOver: { listen: 10.9.0.2, peer: 10.9.0.1, ${TLS} } }
`;
  const text = `interfaces: [ens3]\n${hosts}${SERVICES}`;
  const [one, two, other] = ['lb1', 'lb2', 'lb3'].map((host) => parseConfig(text, 'f', host).flowHandOver);
  assert.deepEqual([one?.listen, one?.peer], [two?.peer, two?.listen]);
  assert.equal(other, undefined);
  assert.throws(
    () => parseConfig(text.replace('listen: 10.9.0.2', 'listen: 10.9.0.1'), 'f', 'lb1'),
    /hosts\.lb2\.flowHandOver\.peer on lb2: is 10\.9\.0\.1, the same as "listen"/,
  );
});

test('it is written as it was read, is a difference, and stays where a configuration comes from the other director', () => {
  for (const settings of [`{ ${WAY}, ${TLS} }`, `{ ${WAY}, port: 99, plain: true }`]) {
    const model = on(settings);
    assert.deepEqual(parseConfig(formatConfig(model), 'f').flowHandOver, model.flowHandOver);
    const none = { ...model, flowHandOver: undefined };
    const fields = diffModels(none, model).map(({ field }) => field);
    assert.ok(fields.includes('flowHandOver.peer'), fields.join());
    const before = `# ours\ninterfaces: [ens3]\n${SERVICES}`;
    assert.deepEqual(parseConfig(updateConfig(before, model, 'f'), 'f').flowHandOver, model.flowHandOver);
    assert.deepEqual(withHostOf(model, none).flowHandOver, model.flowHandOver);
    assert.equal(withHostOf(none, model).flowHandOver, undefined);
  }
});

test('without TLS is warned of, and flows that a failover loses only without hand-over', () => {
  const vrrp = 'vrrp: { instances: [{ id: 1, priority: 250 }] }\n';
  const [safe, plain] = [on(`{ ${WAY}, ${TLS} }`, vrrp), on(`{ ${WAY}, plain: true }`, vrrp)];
  assert.deepEqual(
    [safe, plain].map((each) => handOverWarnings(each).map(({ code }) => code)),
    [[], ['HAND_OVER_PLAIN']],
  );
  assert.deepEqual(vrrpWarnings(safe), []);
  const [lost] = vrrpWarnings({ ...safe, flowHandOver: undefined });
  assert.equal(lost?.code, 'FLOWS_LOST_AT_FAILOVER');
  assert.match(lost.remedy, /"flowHandOver"/);
});
