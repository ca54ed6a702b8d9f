/** Real ipvsadm's recorded answers, byte by byte: usage, changes, refusals, listings, what -R reads. */

import assert from 'node:assert/strict';
import test from 'node:test';

import type { FlowReport } from '../../../src/control/index.js';
import type { Figures } from '../../../src/ipvsadm/offline.js';
import { ip, type IpAddress, ipBytes } from '../../../src/model/index.js';
import { FakeDirector, ipvsadm, type Recorded, recordedCommands } from '../../support/ipvsadm.js';

/** Runs a recording's commands in order, each held to what was recorded. */
async function replay(
  director: FakeDirector,
  commands: readonly Recorded[],
  { salt, before }: { salt?: number; before?: (recorded: Recorded) => void } = {},
): Promise<void> {
  assert.ok(commands.length > 0);
  for (const recorded of commands) {
    before?.(recorded);
    const { command, words, stdin, output, status } = recorded;
    const answer = await ipvsadm(director, words, { stdin, ...(salt === undefined ? {} : { salt }) });
    assert.deepEqual({ output: answer.output, status: answer.status }, { output, status }, command);
  }
}

/** The rows of a listing of connections, as the daemon would tell of them. */
function flowsOf(listing: string): FlowReport[] {
  const endpoint = (text: string): [IpAddress, number] => {
    const [, v6, v4, port] = /^(?:\[(.*)\]|(.*)):(\d+)$/.exec(text)!;
    return [ip(v6 ?? v4!), Number(port)];
  };
  return listing
    .split('\n')
    .slice(2)
    .filter((row) => row !== '')
    .map((row) => {
      const [protocol, expires, state, source, virtual, destination] = row.split(/ +/);
      const [client, clientPort] = endpoint(source!);
      const [vip, port] = endpoint(virtual!);
      const [minutes, seconds] = expires!.split(':').map(Number);
      return {
        client,
        clientPort,
        service: '',
        realServer: endpoint(destination!)[0],
        ...(protocol === 'IP'
          ? { mark: new DataView(ipBytes(vip).buffer).getUint32(0) }
          : { protocol: protocol === 'UDP' ? 'udp' : 'tcp', vip, port }),
        state: state!,
        idleSeconds: 0,
        expiresSeconds: minutes! * 60 + seconds!,
      };
    });
}

test('answers for an empty table are those of ipvsadm', async () => {
  await replay(new FakeDirector(), recordedCommands('00-empty.txt'));
  await replay(new FakeDirector(), recordedCommands('00-timeouts.txt'));
});

test('all listings of a configuration without packets are those of ipvsadm', async () => {
  const director = new FakeDirector();
  await replay(director, recordedCommands('01-config-commands.txt'));
  await replay(director, recordedCommands('02-config-before-traffic.txt'));
});

test('refusals and usage errors are those of ipvsadm', async () => {
  const director = new FakeDirector();
  await replay(director, recordedCommands('01-config-commands.txt'));
  await replay(director, recordedCommands('errors.txt'));
});

test('listings with open connections are those of ipvsadm', async () => {
  const director = new FakeDirector();
  await replay(director, recordedCommands('01-config-commands.txt'));
  director.figures = {
    'tcp 10.99.0.10:25 10.99.0.11': { inactive: 9 },
    'tcp 10.99.0.10:25 10.99.0.12': { inactive: 3 },
    'tcp 10.99.0.10:80 10.99.0.11': { active: 1, inactive: 4 },
    'tcp 10.99.0.10:80 10.99.0.12': { active: 2, inactive: 4 },
    'tcp 10.99.0.10:443 10.99.0.12': { inactive: 4 },
    'tcp 10.99.0.10:8080 10.99.0.11': { inactive: 2 },
    'tcp 10.99.0.10:8080 10.99.0.12': { inactive: 4 },
    'udp 10.99.0.10:53 10.99.0.11': { inactive: 4 },
    'tcp [fd99::100]:80 10.99.0.11': { inactive: 2 },
    'tcp [fd99::100]:80 fd99::11': { inactive: 2 },
    'tcp [fd99::100]:80 fd99::12': { inactive: 2 },
    'fwm 1 10.99.0.11': { inactive: 3 },
    'fwm 1 10.99.0.12': { inactive: 3 },
  };
  await replay(director, recordedCommands('05-active.txt'), {
    before: ({ words, output }) => {
      director.listedFlows = words.includes('-Lnc') ? flowsOf(output) : [];
    },
  });
});

test('states of connections, templates of marks, timeouts and statistics are listed as by ipvsadm', async () => {
  const director = new FakeDirector();
  const counted = (connections: number, packets: number, bytes: number): Partial<Figures> => ({
    counters: { connections, packets, bytes },
  });
  director.figures = {
    'tcp 10.99.0.10:80': counted(16, 39, 1560),
    'tcp 10.99.0.10:80 10.99.0.77': { ...counted(16, 39, 1560), active: 8, inactive: 5 },
    'udp 10.99.0.10:53': counted(2, 2, 72),
    'udp 10.99.0.10:53 10.99.0.77': { ...counted(2, 2, 72), inactive: 1 },
    'udp 10.99.0.10:54': counted(1, 1, 36),
    'udp 10.99.0.10:54 10.99.0.77': counted(1, 1, 36),
  };
  await replay(director, recordedCommands('states.txt'), {
    before: ({ words, output }) => {
      director.listedFlows = words.includes('-Lnc') ? flowsOf(output) : [];
    },
  });
});

test('all spellings of a command line have the answers of ipvsadm', async () => {
  // Beeline takes 0.0.0.0 for the director itself.
  const isSelf = ({ words }: Recorded): boolean => words.includes('-a') && words.includes('0.0.0.0');
  const commands = recordedCommands('more-usage.txt').filter((each) => !isSelf(each));
  await replay(new FakeDirector(), commands);
});

test('the order of checks, unusual words and numbers, and the order of lists are those of ipvsadm', async () => {
  await replay(new FakeDirector(), recordedCommands('more-arguments.txt'), { salt: SALTS.arguments });
});

test('random command lines have the answers of ipvsadm', async () => {
  await replay(new FakeDirector(), recordedCommands('more-random.txt'), { salt: SALTS.random });
  await replay(new FakeDirector(), recordedCommands('more-changes.txt'), { salt: SALTS.changes });
});

test('IPv4 in IPv6, the director itself and ports of marks are taken as by ipvsadm', async () => {
  await replay(new FakeDirector(), recordedCommands('more-servers.txt'));
});

test('-R reads the same lines as ipvsadm, and stops at the same line', async () => {
  await replay(new FakeDirector(), recordedCommands('more-restore.txt'));
});

test('names and column widths are those of ipvsadm', async () => {
  const director = new FakeDirector();
  const commands = recordedCommands('more-listings.txt');
  const numeric = commands.find(({ words }) => words.join(' ') === '-Lnc')!;
  const withFlows = commands.findLastIndex(({ words }) => words.join(' ') === '-Ln');
  director.listedFlows = flowsOf(numeric.output);
  await replay(director, commands.slice(0, withFlows), { salt: SALTS.listings });
  director.figures = {
    'tcp 10.0.0.100:80 10.0.0.31': { active: 1, inactive: 2 },
    'tcp 10.0.0.100:8080 10.0.0.31': { active: 1, persistent: 1 },
    'tcp 10.0.0.100:12345 10.0.0.31': { active: 1 },
    'tcp [fd00::100]:80 fd00::31': { active: 1 },
    'tcp [fd00::100]:8080 fd00::31': { active: 1, persistent: 1 },
  };
  await replay(director, commands.slice(withFlows), { salt: SALTS.listings });
});

test('services of marks, their connections and templates are listed as by ipvsadm', async () => {
  const director = new FakeDirector();
  const commands = recordedCommands('more-marks.txt');
  const figures = { active: 1, persistent: 1 };
  director.figures = {
    'tcp 10.0.0.100:0 10.0.0.31': figures,
    'fwm 7 10.0.0.31': figures,
    'fwm 65538 ipv6 fd00::31': figures,
  };
  director.listedFlows = flowsOf(commands.find(({ words }) => words.join(' ') === '-Lnc')!.output);
  await replay(director, commands);
});

/** What the recording kernels' hashes had in them: it differs from boot to boot (src/ipvsadm/sort.ts). */
const SALTS = { arguments: 0xf0, listings: 0xc0, random: 0xc0, changes: 0x60 } as const;
