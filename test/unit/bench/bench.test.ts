/** Benchmarks: which measurements count, what is refused before it starts, and what reports contain. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';

import { nftablesRules } from '../../../src/bench/forward/contenders.js';
import { cpio, DIRECTORY, EXECUTABLE } from '../../../src/bench/forward/cpio.js';
import { forwardGoals } from '../../../src/bench/forward/goals.js';
import type { ForwardRow } from '../../../src/bench/forward/job.js';
import { parseHotspots, shareOfProgram } from '../../../src/bench/forward/profile.js';
import { summarize } from '../../../src/bench/latency/latency.js';
import {
  bytesNeeded,
  requirePowerOfTwo,
  requireResources,
  requireDuration,
} from '../../../src/bench/measure/limits.js';
import { pathsOf, standardPaths } from '../../../src/bench/program/paths.js';
import { processorIn } from '../../../src/bench/measure/origin.js';
import { barChart, figure } from '../../../src/bench/report/bars.js';
import { escapeHtml } from '../../../src/bench/report/escape.js';
import { htmlPage } from '../../../src/bench/report/html.js';
import { rowInWords } from '../../../src/bench/report/program.js';
import { goalNotes, missedNotes } from '../../../src/bench/report/forward.js';
import type { Chart, Report } from '../../../src/bench/report/report.js';
import { formatReport, wrap } from '../../../src/bench/report/text.js';
import { measureInRounds } from '../../../src/bench/measure/rounds.js';
import { judge, midmean, percentile, type Sample, spreadOf } from '../../../src/bench/measure/statistics.js';
import { type BeelineError, type ErrorCode, ip, mac } from '../../../src/model/index.js';

const BEELINE = 'dist/app/cli/main.js';

function coded(code: ErrorCode, message: RegExp): (error: BeelineError) => boolean {
  return (error) => {
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

test('medians, percentiles and the mean of the middle half are right', () => {
  assert.deepEqual(spreadOf([3, 1, 2]), { median: 2, min: 1, max: 3 });
  assert.equal(spreadOf([4, 1, 2, 3]).median, 2.5);
  assert.throws(() => spreadOf([]), RangeError);
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
  assert.deepEqual(
    [0.5, 0.9, 0.99, 0.999, 1].map((share) => percentile(hundred, share)),
    [50, 90, 99, 100, 100],
  );
  assert.equal(percentile([7], 0.001), 7);
  // One outlier of each kind is cut off. The mean of whole numbers is finer than their median.
  assert.equal(midmean([10, 11, 10, 11, 1000, 10, 11, 0]), 10.5);
  assert.equal(midmean([5]), 5);
});

test('a disturbed measurement is recognized by the floors around it, never by its own value', () => {
  const slowButQuiet: Sample = { own: 900, before: 20, after: 21 };
  const disturbed: Sample = { own: 30, before: 20, after: 30 };
  const quiet: Sample = { own: 33, before: 21, after: 20 };
  assert.deepEqual(judge([slowButQuiet, disturbed, quiet], 20, 3), {
    samples: [slowButQuiet, quiet],
    disturbed: 1,
  });
});

test('on a machine that is never quiet, the quietest half counts and all are reported as disturbed', () => {
  const samples = [50, 30, 40, 60].map((floor) => ({ own: floor + 10, before: floor, after: floor }));
  const { samples: kept, disturbed } = judge(samples, 20, 4);
  assert.deepEqual(
    kept.map(({ before }) => before),
    [30, 40],
  );
  assert.equal(disturbed, 4);
});

test('each path is measured once a round between two of its floor, and again if it was disturbed, within bounds', async () => {
  const calls: string[] = [];
  let slow = true;
  const judgements = await measureInRounds({
    paths: ['floor', 'a', 'b'],
    floorOf: () => 'floor',
    measure: (path) => {
      calls.push(path);
      // The floor after the first "a" is measured while something else runs.
      const disturbs = path === 'floor' && slow && calls.at(-2) === 'a';
      slow &&= !disturbs;
      return disturbs ? 40 : path === 'floor' ? 20 : 30;
    },
    rounds: 2,
  });
  assert.deepEqual(calls.slice(0, 5), ['floor', 'a', 'floor', 'b', 'floor']);
  assert.deepEqual(
    [...judgements].map(([path, { samples, disturbed }]) => [path, samples.length, disturbed]),
    [
      ['floor', 2, 0],
      ['a', 2, 1],
      ['b', 2, 1],
    ],
  );
  assert.ok(calls.length <= 2 * 2 * 5);
});

test('progress ends at its total, also when rounds are added', async () => {
  const seen: [number, number][] = [];
  let call = 0;
  await measureInRounds({
    paths: ['floor', 'a'],
    floorOf: () => 'floor',
    measure: () => (call += 1),
    rounds: 2,
    onProgress: (done, total) => seen.push([done, total]),
  });
  assert.ok(seen.every(([done, total]) => done <= total));
  assert.deepEqual(seen.at(-1), [4, 4]);
});

test('a size that the machine has no memory for is refused with the memory it would need', () => {
  const room = { bytes: 8e9, cpus: 4 };
  requireResources({ services: 1000, destinations: 10, flows: 1 << 20 }, room);
  assert.throws(
    () => {
      requireResources({ services: 1, destinations: 10, flows: 4e9 }, room);
    },
    coded('BENCH_TOO_LARGE', /4,000,000,000 flows need about 64 GB of memory; 8 GB are available/),
  );
  assert.throws(
    () => {
      requireResources({ services: 1e6, destinations: 1000, flows: 1 }, room);
    },
    coded('BENCH_TOO_LARGE', /1,000,000 services of 1,000 destinations .* GB of memory/),
  );
  assert.throws(
    () => {
      requireResources({ services: 70_000, destinations: 1, flows: 1 }, room);
    },
    coded('BENCH_TOO_LARGE', /70,000 services .* 65,500 is the most/),
  );
  assert.ok(bytesNeeded({ services: 1, destinations: 1, flows: 1 }, 64) < 10_000);
});

test('flows that no mask can draw, and hours of measuring, are refused', () => {
  requirePowerOfTwo(1);
  requirePowerOfTwo(1 << 20);
  assert.throws(
    () => {
      requirePowerOfTwo(1000);
    },
    coded('USAGE', /1,000 flows is not a power of two/),
  );
  requireDuration(60, '');
  assert.throws(
    () => {
      requireDuration(7200, '');
    },
    coded('BENCH_TOO_LARGE', /about 120 minutes/),
  );
});

test('every path has a floor, a unique name, and a frame that is long enough for a wire', () => {
  for (const paths of [standardPaths(), pathsOf({ services: 5, destinations: 6, flows: 64 })]) {
    assert.equal(new Set(paths.map(({ path }) => path)).size, paths.length);
    for (const { floor, frame, flows } of paths) {
      assert.ok(paths.some(({ program }) => program === floor));
      assert.ok(frame.length >= 60);
      requirePowerOfTwo(flows);
    }
  }
  const names = standardPaths().map(({ path }) => path);
  assert.deepEqual(
    names.filter((name) => /^flows-\d/.test(name)),
    ['flows-1', 'flows-1048576', 'flows-4096', 'flows-65536'],
  );
});

test('requests are compared with the ones before them', () => {
  const { rows, addedUs, addedMin, addedMax } = summarize(
    [
      { server: 'real1', direct: [10, 100, 10], director: [13, 103, 13] },
      { server: 'real2', direct: [20, 20, 20], director: [25, 25, 25] },
    ],
    64,
  );
  assert.deepEqual([addedUs, addedMin, addedMax], [4, 3, 5]);
  assert.deepEqual(rows[0], {
    path: 'direct',
    requests: 6,
    p50: 20,
    p90: 100,
    p99: 100,
    p999: 100,
    max: 100,
    p50Min: 10,
    p50Max: 20,
  });
});

function row(director: ForwardRow['director'], mpps: number, rest: Partial<ForwardRow> = {}): ForwardRow {
  return {
    director,
    mpps,
    min: mpps,
    max: mpps,
    ratioToMacRewrite: mpps / 5,
    ratioMin: mpps / 5,
    ratioMax: mpps / 5,
    aboveMacRewriteNs: 1000 / mpps - 200,
    aboveMin: 1000 / mpps - 200,
    aboveMax: 1000 / mpps - 200,
    ownNs: 1000 / mpps - 150,
    cpuPercent: 100,
    lostPercent: 0,
    realServers: [1, 1],
    disturbed: 0,
    ...rest,
  };
}

test('a missed goal is reported with its bottleneck, with perf and without', () => {
  const limit = row('mac-rewrite', 5);
  const missing = missedNotes([limit, row('beeline', 4)], { director: 'beeline' });
  assert.match(missing.join(), /^Beeline, native XDP: it spends 50 ns a packet more\. perf, where installed/);
  const seen = (symbol: string, percent: number): Partial<ForwardRow> => ({ hotspots: [{ symbol, percent }] });
  const profiled = missedNotes(
    [
      row('mac-rewrite', 5, seen('bpf_prog_0123_rewrite_macs', 2)),
      row('beeline', 4, seen('bpf_prog_4567_director', 20)),
    ],
    { director: 'beeline' },
  );
  assert.match(profiled[0]!, /perf sees 50 ns a packet in its XDP program .* bare rewrite has 4; the other 200 ns/);
  assert.deepEqual(
    goalNotes([limit, row('kernel', 1)], row('beeline', 4.9)).map((text) => text.includes('Missed')),
    [false],
  );
});

test('a goal in nanoseconds is met up to its figure, whatever share of the rate that is', () => {
  const goals = forwardGoals([
    row('mac-rewrite', 5),
    row('beeline', 4, { aboveMacRewriteNs: 10 }),
    row('beeline-moved', 4.9, { aboveMacRewriteNs: 10.1 }),
    row('kernel', 1),
  ]);
  assert.deepEqual(goals, [
    { director: 'beeline', ns: 10, most: 10, met: true },
    { director: 'beeline-moved', ns: 10.1, most: 10, met: false },
  ]);
});

test("perf's report is read, and programs are found by their names", () => {
  const hotspots = parseHotspots(
    '    16.22%  [k] veth_xdp_rcv_one\n    10.06%  [k] bpf_prog_7670618995c620d2_director\n\n     0.50%  [.] main\n',
  );
  assert.deepEqual(hotspots[0], { symbol: 'veth_xdp_rcv_one', percent: 16.22 });
  assert.equal(shareOfProgram(hotspots, 'director'), 10.06);
  assert.equal(shareOfProgram(hotspots, 'rewrite_macs'), 0);
});

const REPORT: Report = {
  title: 'A <title>',
  machine: { kernel: '6.1', processor: 'CPU', processors: 2, node: 'v20', libbpf: 'v1.1', beeline: '0.1.0' },
  facts: { driver: 'veth' },
  tables: [{ columns: ['path', 'ns'], rows: [['</script>', '1.0']] }],
  charts: [{ title: 'Chart', unit: 'ns', kind: 'bars', labels: ['</script>'], series: [{ name: 'ns', values: [1] }] }],
  notes: ['A note & more.'],
};

test('the page needs no other files, and no name in it becomes markup', () => {
  const page = htmlPage(REPORT, new Date(0), {
    command: 'beeline bench <x>',
    commit: '0123456789ab',
    processor: 'CPU (family 1)',
    governor: 'performance',
    mitigations: 'meltdown: PTI',
  });
  for (const told of [
    'beeline bench &lt;x&gt;',
    '0123456789ab',
    'CPU (family 1), 2 of them',
    'performance',
    'meltdown: PTI',
  ]) {
    assert.ok(page.includes(told), told);
  }
  assert.ok(!/(src|href)=/.test(page));
  assert.ok(!page.includes('@import'));
  assert.ok(page.includes('A &lt;title&gt;'));
  assert.ok(page.includes('<td>&lt;/script&gt;</td>'));
  // The names add no scripts to the page's three.
  assert.equal(page.match(/<script/g)!.length, 3);
  assert.equal(page.match(/<\/script>/g)!.length, 3);
  assert.ok(page.includes('uPlot') && page.includes('prefers-color-scheme: dark'));
  assert.equal(escapeHtml('<a href="x">&'), '&lt;a href=&quot;x&quot;&gt;&amp;');
});

/** A chart of bars with these values. */
function bars(values: readonly number[], rest: Partial<Chart> = {}): string {
  const labels = values.map((_, i) => `row ${i}`);
  return barChart({ title: 'Bars', unit: 'ns', kind: 'bars', labels, series: [{ name: 'ns', values }], ...rest });
}

test('a short bar beside long ones is seen: the axis is logarithmic, and says so', () => {
  assert.doesNotMatch(bars([20, 100]), /logarithmic/);
  const widths = [...bars([20, 40, 2000]).matchAll(/class="bar" style="width:([\d.]+)%/g)].map(([, width]) =>
    Number(width),
  );
  assert.match(bars([20, 40, 2000]), /ns, on a logarithmic axis\./);
  assert.ok(widths[0]! > 5 && widths[1]! > widths[0]! && widths[2] === 100, String(widths));
});

test('bars of zero, below zero and of noise stay within the chart', () => {
  for (const values of [[], [0], [0, 0], [-3, 5], [0.001, 5, 9000], [-1, -2], [1e-9]]) {
    const places = [...bars(values).matchAll(/(?:width|left):([^;%"]*)%/g)].map(([, place]) => Number(place));
    assert.ok(
      places.every((place) => place >= 0 && place <= 100),
      `${String(values)}: ${String(places)}`,
    );
  }
});

test('the thin lines are explained where there are some, and Beeline is highlighted where it is one of several', () => {
  const spread = { series: [{ name: 'ns', values: [1, 2], low: [0.5, 1], high: [2, 3] }], labels: ['a', 'Beeline'] };
  const chart = bars([1, 2], { ...spread, highlighted: [false, true] });
  assert.match(chart, /from the lowest round to the highest.*Beeline is highlighted\./);
  assert.equal(chart.match(/class="row own"/g)!.length, 1);
  assert.doesNotMatch(bars([1, 2]), /lowest round|highlighted/);
});

test('figures have three digits that mean something, and rows have words instead of slugs', () => {
  assert.deepEqual([63.849999999999994, 0.1 + 0.2, 1041.7, 0, -2.004, 100].map(figure), [
    '63.8',
    '0.3',
    '1,042',
    '0',
    '-2',
    '100',
  ]);
  const cases: Readonly<Record<string, string>> = {
    empty: 'a program that does nothing',
    'mac-swap': 'swap the MACs, no more',
    'ipv4-tcp': 'IPv4 TCP',
    'no-service': 'not for a VIP',
    'no-service-ipv6': 'not for a VIP IPv6',
    'vip-no-service': 'to the VIP, no service',
    'tracked-flows-1048576': 'tracked: 1,048,576 flows',
    'flows-1': '1 flow',
    'services-1000-random': '1,000 services at random',
    'new-flow-wlc-64-cached': 'new flow wlc with 64 destinations (cached)',
    'dependent-read-8mb': 'one read in a table of 8 MB',
    'everything-flows-1048576': 'all features: 1,048,576 flows',
    'icmp-error-ipv6': 'ICMP error IPv6',
  };
  assert.deepEqual(Object.fromEntries(Object.keys(cases).map((path) => [path, rowInWords(path)])), cases);
});

test('the processor is named by more than its name, which virtual machines share', () => {
  assert.equal(
    processorIn('processor\t: 0\ncpu family\t: 23\nmodel\t\t: 49\nmodel name\t: AMD EPYC\nstepping\t: 0\n'),
    'AMD EPYC (family 23, model 49, stepping 0)',
  );
  assert.equal(processorIn('CPU implementer\t: 0x41\nCPU part\t: 0xd0c\n'), '0x41 (part 0xd0c)');
});

test('the text names the machine', () => {
  assert.equal(
    formatReport(REPORT),
    'CPU, 2 processors, Linux 6.1\ndriver: veth\n\npath        ns\n</script>  1.0\n\nA note & more.\n',
  );
  assert.equal(wrap('one two three', 7), 'one two\nthree\n');
});

test("an archive has the form of the kernel's documentation", () => {
  const archive = Buffer.from(
    cpio([
      { path: 'bin', mode: DIRECTORY },
      { path: 'bin/x', mode: EXECUTABLE, content: Buffer.from('hello') },
    ]),
  );
  assert.equal(archive.length % 4, 0);
  assert.equal(archive.toString('latin1').match(/070701/g)!.length, 3);
  const at = archive.indexOf('hello');
  assert.equal(at % 4, 0);
  assert.ok(archive.includes('TRAILER!!!'));
});

test('nftables picks the real server by the client, as the other directors do', () => {
  const end = { name: 'nft-near', ifindex: 1, mac: mac('02:62:65:65:00:00'), up: true, mtu: 1500, group: 1 };
  assert.match(
    nftablesRules({ near: end, far: end }, ip('10.9.0.102')),
    /jhash ip saddr \. udp sport mod 2 map \{ 0 : 02:62:65:65:00:01, 1 : 02:62:65:65:00:02 \} fwd to "nft-near"/,
  );
});

function beeline(...args: string[]): { status: number | null; stderr: string } {
  return spawnSync(process.execPath, [BEELINE, 'bench', ...args], { encoding: 'utf8' });
}

test('a wrong command line ends with 2 and a message, before anything is done', () => {
  const cases: [string[], RegExp][] = [
    [['program', '--rounds', 'many'], /must be a whole number above 0/],
    [['program', '--flows', '0'], /must be a whole number above 0/],
    [['program', '--flows', '4e12'], /4,000,000,000,000 flows need about 64,000 GB of memory; .* GB are available/],
    [
      ['program', '--services', '1e6', '--destinations', '1000'],
      /1,000,000 services of 1,000 destinations .* need about/,
    ],
    [['program', '--repeat', '4e9'], /--repeat must be at most 2147483647/],
    [['program', '--html', '/no/such/folder/x.html'], /cannot write/],
    [['forward', '--flows', '3'], /3 flows is not a power of two/],
    [['forward', '--flows', '4194304'], /4194304 flows are more than the 1048576/],
    [['forward', '--cpu', '100000'], /there is no CPU 100000/],
    [['forward', '--ipvs', 'mine'], /choose one of auto, uml, none/],
    [['forward', '--device', 'eth9'], /--device needs --director-mac and --vip/],
    [['forward', '--device', 'eth9', '--director-mac', 'x'], /must be a MAC address/],
    [['latency', '--requests', '1e9'], /about .* minutes; an hour is the most/],
  ];
  for (const [args, message] of cases) {
    const { status, stderr } = beeline(...args);
    assert.match(stderr, message, args.join(' '));
    assert.equal(status, 2, args.join(' '));
  }
});

test('no frame leaves an interface outside the lab unless it is named twice', () => {
  const director = ['--director-mac', '02:00:00:00:00:01', '--vip', '192.0.2.1'];
  for (const confirmation of [[], ['--yes-flood', 'eth8']]) {
    const { status, stderr } = beeline('forward', '--device', 'eth9', ...director, ...confirmation);
    assert.match(stderr, /eth9 is no device of the bench's lab\n.*--yes-flood eth9/);
    assert.equal(status, 2);
  }
});
