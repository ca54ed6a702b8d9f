/** Offloads of real interfaces: read, switched off, refused; also at the other end of a cable into another namespace. */

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import test, { before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { Offloads, type OffloadsOptions } from '../../src/director/index.js';
import { isOffloadOn, type Link, Network, switchOffloadOff } from '../../src/net/index.js';
import { ip, makeVeth, requireOwnNetwork } from '../support/isolation.js';

before(requireOwnNetwork);

function ethtool(...args: string[]): string {
  return execFileSync('ethtool', args, { encoding: 'utf8' });
}

/** A network in which veths count as hardware: nothing else has rxvlan on a machine without cards of its own. */
function asHardware(network: Network): Network {
  const shown = (link: Link | undefined): Link | undefined => link && { ...link, kind: '' };
  return {
    link: (name: string) => shown(network.link(name)),
    leavesUnder: (ifindex: number) => network.leavesUnder(ifindex).map((each) => shown(each)!),
    peerOf: () => Promise.resolve(undefined),
  } as unknown as Network;
}

test('each offload is read as ethtool shows it, and only the one that is meant is switched off', (context) => {
  makeVeth('test40', 'test41');
  context.after(() => ip('link', 'delete', 'test40'));
  ethtool('-K', 'test40', 'gro', 'on');
  // Without checksums the kernel cuts no segments either: tx comes last.
  const all = ['rxvlan', 'txvlan', 'gro', 'tso', 'tx'] as const;
  const on = (): string[] => all.filter((offload) => isOffloadOn('test40', offload));
  for (const [i, offload] of all.entries()) {
    assert.deepEqual(on(), all.slice(i));
    assert.equal(switchOffloadOff('test40', offload), true);
  }
  assert.deepEqual(on(), []);
  const shown = ethtool('-k', 'test40');
  for (const name of ['rx-vlan-offload', 'tx-vlan-offload', 'generic-receive-offload', 'tx-checksumming']) {
    assert.match(shown, new RegExp(`^${name}: off`, 'm'));
  }
  assert.equal(isOffloadOn('test40', 'lro'), false);
  assert.throws(() => isOffloadOn('test49', 'gro'), { code: 'ENODEV' });
});

test('a start is refused with the command if a card hides VLAN tags, in every mode, and switches that off with leave', async (context) => {
  makeVeth('test42', 'test43');
  const network = await Network.open(() => undefined);
  context.after(() => {
    network.close();
    ip('link', 'delete', 'test42');
  });
  const logged: string[] = [];
  const log = { warn: (_: object, message: string) => logged.push(message), debug: () => undefined };
  const offloads = (setOffloads: boolean, of: Network): Offloads =>
    new Offloads({ network: of, setOffloads, log: log as unknown as NonNullable<OffloadsOptions['log']> });
  const hardware = asHardware(network);
  for (const mode of ['native', 'generic', 'auto'] as const) {
    assert.throws(
      () => {
        offloads(false, hardware).requireTags(['test42'], mode);
      },
      {
        code: 'VLAN_TAGS_HIDDEN',
        message: /^test42 hides/,
        hint: /"ethtool -K test42 rxvlan off".*"beeline run --set-offloads"/,
      },
    );
  }
  assert.equal(isOffloadOn('test42', 'rxvlan'), true);
  assert.deepEqual(logged, []);
  const [warning, ...others] = await offloads(false, hardware).warnings([{ name: 'test42', mode: 'native' }]);
  assert.deepEqual([warning!.code, others], ['VLAN_TAGS_HIDDEN', []]);

  await context.test('with leave it is switched off, once and not silently', () => {
    offloads(true, hardware).requireTags(['test42'], 'native');
    offloads(true, hardware).requireTags(['test42'], 'native');
    assert.equal(isOffloadOn('test42', 'rxvlan'), false);
    assert.match(logged.join('\n'), /^switched off rxvlan of test42, .*"ethtool -K test42 rxvlan on"[^\n]*$/);
    offloads(false, hardware).requireTags(['test42'], 'native');
  });

  await context.test('a card that comes back with it on is mended while the director runs', () => {
    ethtool('-K', 'test42', 'rxvlan', 'on');
    offloads(false, hardware).settle([{ name: 'test42', mode: 'native' }]);
    assert.equal(isOffloadOn('test42', 'rxvlan'), true);
    offloads(true, hardware).settle([{ name: 'test42', mode: 'native' }]);
    assert.equal(isOffloadOn('test42', 'rxvlan'), false);
  });

  await context.test('a veth, which only says that it hides tags, is no reason to refuse', () => {
    ethtool('-K', 'test42', 'rxvlan', 'on');
    offloads(false, network).requireTags(['test42'], 'native');
  });
});

test('GRO of a card below a bridge in generic mode is warned of, and switched off with leave alone', async (context) => {
  makeVeth('test44', 'test45');
  ip('link', 'add', 'testbr', 'type', 'bridge');
  ip('link', 'set', 'test44', 'master', 'testbr');
  ethtool('-K', 'test44', 'gro', 'on');
  ethtool('-K', 'test45', 'tso', 'off');
  const network = await Network.open(() => undefined);
  context.after(() => {
    network.close();
    ip('link', 'delete', 'testbr');
    ip('link', 'delete', 'test44');
  });
  const inUse = [{ name: 'testbr', mode: 'generic' }] as const;
  const codes = async (): Promise<string[]> => {
    const warnings = await new Offloads({ network, setOffloads: false }).warnings(inUse);
    return warnings.map(({ code, message }) => `${code} ${message.split(' ')[0]!}`);
  };
  assert.deepEqual(await codes(), ['SEGMENTS_MERGED test44']);
  new Offloads({ network, setOffloads: false }).settle(inUse);
  assert.equal(isOffloadOn('test44', 'gro'), true);
  new Offloads({ network, setOffloads: true }).settle(inUse);
  assert.equal(isOffloadOn('test44', 'gro'), false);
  assert.deepEqual(await codes(), []);
});

test('the other end of a cable is seen in this namespace and in that of a process, and not when it is gone', async (context) => {
  const process = spawn('unshare', ['--net', 'sleep', '60'], { stdio: 'ignore' });
  await once(process, 'spawn');
  makeVeth('test46', 'test47');
  const network = await Network.open(() => undefined);
  context.after(() => {
    network.close();
    // The cable goes with the namespace.
    process.kill('SIGKILL');
  });
  const offloads = new Offloads({ network, setOffloads: false });
  const remedies = async (): Promise<string[]> => {
    const warnings = await offloads.warnings([{ name: 'test46', mode: 'native' }]);
    return warnings.filter(({ code }) => code === 'CHECKSUMS_UNFINISHED').map(({ remedy }) => remedy);
  };
  const until = async (expected: RegExp | undefined): Promise<void> => {
    for (;;) {
      const [remedy, ...others] = await remedies();
      assert.deepEqual(others, []);
      if (expected === undefined ? remedy === undefined : remedy !== undefined && expected.test(remedy)) {
        return;
      }
      await sleep(20);
    }
  };
  await until(/"ethtool -K test47 tx off"/);
  ethtool('-K', 'test47', 'tx', 'off');
  await until(undefined);
  const pid = String(process.pid);
  // It is in another namespace as soon as unshare has become sleep.
  while (readFileSync(`/proc/${pid}/comm`, 'utf8') !== 'sleep\n') {
    await sleep(5);
  }
  ip('link', 'set', 'test47', 'netns', pid);
  execFileSync('nsenter', [`--net=/proc/${pid}/ns/net`, 'ethtool', '-K', 'test47', 'tx', 'on']);
  await until(new RegExp(`"nsenter --net=/proc/\\d+/ns/net ethtool -K test47 tx off"`));
  execFileSync('nsenter', [`--net=/proc/${pid}/ns/net`, 'ethtool', '-K', 'test47', 'tx', 'off']);
  await until(undefined);
});
