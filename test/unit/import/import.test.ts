/** Rules of other directors as a configuration: nothing is lost in silence, and what comes out is a configuration. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { configOf, formatConfig, parseConfig } from '../../../src/config/index.js';
import { importIpvsadm } from '../../../src/import/index.js';
import { RECORDED_NAMES } from '../../support/ipvsadm.js';

test('the output of ipvsadm-save becomes a configuration of the same services', async () => {
  const text = `-A -t 192.168.1.100:http -s rr
-a -t 192.168.1.100:http -r 192.168.1.31:http -g -w 1
-a -t 192.168.1.100:http -r 192.168.1.32:http -g -w 0
-A -t 192.168.1.100:443 -s mh -p 300 -M 255.255.255.0 -b mh-fallback,mh-port
-a -t 192.168.1.100:443 -r 192.168.1.31:443 -g -w 1 -x 100 -y 50
-A -u 192.168.1.100:53 -s rr -o
-A -t [fd00::100]:0 -s wlc -p 60
`;
  const { model, remarks } = await importIpvsadm(text, 'ens3', RECORDED_NAMES);
  assert.deepEqual(
    remarks.filter(({ kind }) => kind !== 'kept'),
    [],
  );
  const { mode: _mode, ...read } = parseConfig(formatConfig(model), 'f');
  const { mode: _same, ...expected } = model;
  assert.deepEqual(read, expected);
});

test('parts without an equivalent are reported by line, and the rest is kept', async () => {
  const text = `# web
-A -t 192.168.1.100:80 -s rr
-a -t 192.168.1.100:80 -r 192.168.1.31:8080 -m -w 1
-a -t 192.168.1.100:80 -r 192.168.1.32:80 -i -w 1 --tun-type ipip

-a -t 192.168.1.100:80 -r 192.168.1.33:8080 -g -w 2
-A --sctp-service 192.168.1.100:80 -s rr
-A -u 192.168.1.100:5060 -s rr -p 60 --pe sip
-a -t 192.168.1.100:81 -r 192.168.1.33:81 -g -w 1
--start-daemon master
nonsense
--set 60 0 30
`;
  const { model, remarks } = await importIpvsadm(text, 'ens3', RECORDED_NAMES);
  assert.deepEqual(
    remarks
      .filter(({ kind }) => kind !== 'kept')
      .map(({ line, text: said, kind }) => `${line}${kind === 'dropped' ? '!' : ''} ${said.slice(0, 34)}`),
    [
      '1 a comment, left out',
      '3! Beeline does not masquerade (-m) y',
      '4! Beeline does not tunnel (-i) yet: ',
      '6 tcp 192.168.1.100:80: rr gives eve',
      '6 in direct routing packets reach a ',
      '7! Beeline does not balance SCTP. Its',
      '8! Beeline has no persistence engines',
      '9! the service does not exist, or was',
      '10 --start-daemon does nothing, and n',
      "11! Try `ipvsadm -h' or 'ipvsadm --hel",
    ],
  );
  assert.deepEqual(model.timeouts, { established: 60, udp: 30 });
  assert.deepEqual(
    model.services.map(({ protocol, port, destinations }) => [protocol, port, destinations.length]),
    [
      ['tcp', 80, 1],
      ['udp', 5060, 0],
    ],
  );
});

test('services of marks are listed as incomplete, because their rules are missing', async () => {
  const { model, remarks } = await importIpvsadm(
    '-A -f 1 -6 -s rr\n-a -f 1 -6 -r [fd00::31]:0 -g -w 2\n',
    'ens3',
    RECORDED_NAMES,
  );
  assert.match(remarks[0]!.text, /no packet gets this mark yet/);
  assert.deepEqual(configOf(model)['marks'], [
    { mark: 1, family: 'ipv6', match: [], scheduler: 'rr', realServers: [{ address: 'fd00::31', weight: 2 }] },
  ]);
});
