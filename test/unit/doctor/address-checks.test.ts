/** The doctor's checks of ARP, neighbour discovery and VIPs, on facts. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { type Diagnosis, diagnose, type Facts, type HeardMessage, type ProbeFacts } from '../../../src/doctor/index.js';
import { type MacAddress, mac } from '../../../src/model/index.js';
import { cleanFacts, CONFIG, DIRECTOR, directorFacts, PROBES, REAL1, VIP } from '../../support/facts.js';

function reply(from: MacAddress): HeardMessage {
  return {
    ...{ kind: 'says', protocol: 'ARP', sourceMac: from, destinationMac: DIRECTOR.mac, address: VIP, mac: from },
    ...{ unasked: false, interface: 'ens3', at: 3 },
  };
}

const answered = (...macs: readonly MacAddress[]): ProbeFacts => ({
  ...PROBES,
  vips: [{ ...PROBES.vips[0]!, answers: macs.map(reply) }],
});

const find = (change: Partial<Facts>): Diagnosis => diagnose(cleanFacts(change));

test('a real server that answers for the VIP is named, with its frame and the command that mends it', () => {
  const { findings, status } = find({ probes: answered(REAL1.mac, REAL1.mac) });
  assert.equal(status, 2);
  assert.equal(findings.length, 1);
  const [{ check, text, evidence, mend }] = findings as [(typeof findings)[number]];
  assert.equal(check, 'vip-answered-by-others');
  assert.equal(text, 'real server 192.168.1.31 (00:50:00:00:01:00) answers for the VIP 192.168.1.100 on ens3');
  assert.deepEqual(evidence, [
    '00:50:00:00:01:00 > 00:50:00:00:04:00, ARP, Reply 192.168.1.100 is-at 00:50:00:00:01:00',
  ]);
  assert.deepEqual(mend[0], {
    on: 'real server',
    host: '192.168.1.31',
    command: 'beeline realserver setup --vip 192.168.1.100 --persist auto',
  });
});

test('a stranger that answers for the VIP is named by its MAC', () => {
  const { findings } = find({ probes: answered(mac('02:00:00:00:00:99')) });
  assert.match(findings[0]!.text, /a host with the MAC 02:00:00:00:00:99 answers/);
});

test('the other director may answer for the VIP', () => {
  const director = directorFacts(`directors: ['02:00:00:00:00:99']\n${CONFIG}`);
  assert.deepEqual(find({ director, probes: answered(mac('02:00:00:00:00:99')) }).findings, []);
});
