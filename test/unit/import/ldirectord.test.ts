/** Files of ldirectord as configurations: what is lost is said, and what comes out is a configuration that means the same. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { formatConfig, parseConfig } from '../../../src/config/index.js';
import { importLdirectord } from '../../../src/import/index.js';
import { BeelineError, type HealthPolicy, type Model } from '../../../src/model/index.js';
import {
  expectedBeside,
  importText,
  ldirectordFiles,
  LOOKUPS,
  reportOf,
  yamlOf,
} from '../../support/ldirectord-files.js';

/** Returns the model of one section, with global lines before it. */
async function modelOf(section: readonly string[], ...globals: string[]): Promise<Model> {
  const { model } = await importText([...globals, ...section].join('\n'));
  return model;
}

async function healthOf(section: readonly string[], ...globals: string[]): Promise<HealthPolicy | undefined> {
  return (await modelOf(section, ...globals)).services[0]?.health;
}

const REAL = '\treal=192.168.1.31:80 gate';
const web = (...lines: string[]): string[] => ['virtual=192.168.1.100:80', REAL, ...lines.map((line) => `\t${line}`)];

for (const file of ldirectordFiles()) {
  test(`${file.name}.cf: configuration and report are as they were`, async () => {
    const imported = await importText(file.text);
    assert.equal(yamlOf(imported), expectedBeside(file, 'yaml', yamlOf(imported)));
    assert.equal(reportOf(imported), expectedBeside(file, 'report', reportOf(imported)));
  });

  test(`${file.name}.cf: the configuration parses into the same model`, async () => {
    const { model } = await importText(file.text);
    assert.deepEqual(parseConfig(formatConfig(model), 'f'), model);
  });

  test(`${file.name}.cf: the report has each line, and says one thing of what became of it`, async () => {
    const { remarks } = await importText(file.text);
    const told = new Set(remarks.filter(({ kind }) => kind !== 'note').map(({ line }) => line));
    const lines = file.text.split('\n');
    const silent = lines.flatMap((text, i) => {
      const isPartOfAnother = lines[i - 1]?.endsWith('\\') === true;
      return /^\s*(#|$)/.test(text) || isPartOfAnother || told.has(i + 1) ? [] : [`${i + 1}: ${text}`];
    });
    assert.deepEqual(silent, []);
  });
}

test('ldirectord’s own defaults are written where Beeline’s are others', async () => {
  assert.deepEqual(await healthOf(web()), {
    checks: [{ type: 'http' }],
    interval: 10,
    timeout: 30,
    rise: 1,
    fall: 1,
    initially: 'down',
  });
});

test('the timeouts of connects and of negotiations stand in for each other, the section’s before the global ones', async () => {
  const timeout = async (lines: string[], ...globals: string[]): Promise<number | undefined> =>
    (await healthOf(web(...lines), ...globals))?.timeout;
  const connect = 'checktype=connect';
  assert.equal(await timeout([connect]), 5);
  assert.equal(await timeout([connect], 'negotiatetimeout=7'), 7);
  assert.equal(await timeout([connect], 'negotiatetimeout=7', 'checktimeout=3'), 3);
  assert.equal(await timeout([connect, 'negotiatetimeout=9'], 'checktimeout=3'), 9);
  assert.equal(await timeout([], 'checktimeout=3'), 3);
  assert.equal(await timeout([], 'checktimeout=3', 'negotiatetimeout=7'), 7);
  assert.equal(await timeout(['checktimeout=4'], 'negotiatetimeout=7'), 4);
});

test('global settings count wherever they are, the section’s before them', async () => {
  const [section, globals] = [web('quiescent=no'), ['quiescent=yes', 'failurecount=2']];
  const { model } = await importText([...section, '', ...globals].join('\n'));
  assert.equal(model.services[0]?.health?.onFailure, undefined);
  assert.equal(model.services[0]?.health?.fall, 2);
  assert.equal((await healthOf(web(), 'quiescent=yes'))?.onFailure, 'quiesce');
});

test('failures in a row are ldirectord’s intervals apart, pings of one check their timeout', async () => {
  const times = async (...lines: string[]): Promise<unknown> => {
    const { interval, timeout, fastInterval, fall } = (await healthOf(web(...lines)))!;
    return [interval, timeout, fastInterval, fall];
  };
  assert.deepEqual(await times('failurecount=3'), [10, 30, 10, 3]);
  assert.deepEqual(await times('checktype=connect', 'checkcount=3'), [10, 5, undefined, 1]);
  assert.deepEqual(await times('checktype=ping', 'checkcount=3', 'checktimeout=1'), [10, 1, 1, 3]);
  assert.deepEqual(await times('checktype=ping', 'checkcount=2', 'checktimeout=1', 'failurecount=2'), [10, 1, 5, 4]);
});

test('Perl’s $ passes over a line break at the end, which RE2’s does not', async () => {
  const body = async (receive: string): Promise<unknown> => {
    const [check] = (await healthOf(web(`receive="${receive}"`)))!.checks;
    return check !== undefined && 'body' in check ? check.body : undefined;
  };
  assert.equal(await body('^OK$'), '^OK(?:\\n?\\z)');
  assert.equal(await body('a\\$ or [$]'), 'a\\$ or [$]');
  assert.equal(await body('OK\\Z'), 'OK(?:\\n?\\z)');
  assert.equal(await body('(?!x)y'), undefined);
});

test('a port that is not the service’s is checked at the real server’s own address', async () => {
  assert.deepEqual((await healthOf(web('checkport=8080')))?.checks, [{ type: 'http', via: 'rip', port: 8080 }]);
  assert.deepEqual((await healthOf(web('checkport=80')))?.checks, [{ type: 'http' }]);
  const model = await modelOf(['virtual=192.168.1.100:80', '\treal=192.168.1.31:81 gate']);
  assert.deepEqual(model.services[0]?.destinations, [{ address: '192.168.1.31', weight: 1 }]);
  assert.deepEqual(model.services[0].health?.checks, [{ type: 'http', via: 'rip', port: 81 }]);
});

test('an address without a port is not taken for a mark, as ldirectord would', async () => {
  const { model, remarks } = await importText('virtual=192.168.1.100\n\treal=192.168.1.31:80 gate\nvirtual=1\n');
  assert.deepEqual(model.services, []);
  assert.deepEqual(
    model.markServices?.map(({ mark }) => mark),
    [1],
  );
  assert.match(remarks[0]!.text, /neither ADDRESS:PORT/);
});

const unusable: readonly [string, string, RegExp][] = [
  ['nothing', '', /empty/],
  ['comments alone', '# a\n\n  # b\n', /empty/],
  ['a file of keepalived', 'virtual_server 192.168.1.100 80 {\n    lb_algo rr\n}\n', /line 1 is none/],
  ['YAML', 'interfaces: [ens3]\nservices: []\n', /line 1 is none/],
  ['a program', '\u007fELF\u0002\u0001\u0001\u0000', /no text/],
  ['zeros', '\u0000'.repeat(1000), /no text: line 1 has "\\u0000"/],
  ['ten megabytes', 'checktimeout=3\n'.repeat(700_000), /more than 1048576/],
];

for (const [what, text, message] of unusable) {
  test(`${what}: an error with a code, and no configuration`, async () => {
    await assert.rejects(importLdirectord(text, 'ens3', LOOKUPS), (error) => {
      assert.ok(error instanceof BeelineError && error.code === 'IMPORT_INVALID');
      assert.match(error.message, message);
      return true;
    });
  });
}

test('a range as large as a network, or a file of many of them, is refused rather than read for ever', async () => {
  const { remarks } = await importText('virtual=192.168.1.100:80\n\treal=10.0.0.0->10.255.255.255:80 gate\n');
  assert.match(remarks.find(({ line }) => line === 2)!.text, /16777216 addresses/);
  const section = (i: number): string => `virtual=192.168.1.100:${i}\n\treal=10.0.0.0->10.0.15.255:80 gate\n`;
  await assert.rejects(importText(Array.from({ length: 20 }, (_, i) => section(i + 1)).join('')), /50000 real servers/);
});

for (const [what, text] of [
  ['quotes', `virtual=192.168.1.100:80\n\treal=192.168.1.31:80 gate 1 ${'" '.repeat(4000)}x\n`],
  ['brackets', `virtual=192.168.1.100:80\n${REAL}\n\treceive="${'['.repeat(9000)}"\n`],
  ['lines that go on', `checktimeout=3\n${'a\\\n'.repeat(300_000)}virtual=192.168.1.100:80\n${REAL}\n`],
  ['blanks', `checktimeout=3\n${' '.repeat(500_000)}\n${'\\ '.repeat(200_000)}\n`],
  ['a line without end', `checktimeout=3\nvirtual=${'1'.repeat(1_000_000)}`],
] as const) {
  test(`${what}, a megabyte of them: read in no more time than a megabyte takes`, { timeout: 30_000 }, async () => {
    await importText(text);
  });
}
