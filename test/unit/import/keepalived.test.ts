/** keepalived's syntax, defaults and corrections, and files that are none of its. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { formatReport, hasLosses } from '../../../src/import/index.js';
import { BeelineError, type Service } from '../../../src/model/index.js';
import { imported, virtualServer } from '../../support/keepalived.js';

function only(text: string, options: Parameters<typeof imported>[1] = {}): Service {
  const { services } = imported(text, options).model;
  assert.equal(services.length, 1);
  return services[0]!;
}

/** The addresses of a group, by which the reading of lines is seen. */
function entries(lines: string, options: Parameters<typeof imported>[1] = {}): string[] {
  const group = `virtual_server_group G {\n${lines}\n}\nvirtual_server group G {\nlvs_method DR\nprotocol TCP\nreal_server 10.9.9.9 {\n}\n}\n`;
  return imported(group, options).model.services.map(({ address, port }) => `${address} ${port}`);
}

test('lines are read as keepalived reads them', () => {
  const rows: [title: string, lines: string, expected: string[]][] = [
    ['a comment at the end', '10.0.0.1 80 # one\n10.0.0.2 80!two', ['10.0.0.1 80', '10.0.0.2 80']],
    ['quotes around a word', '"10.0.0.1" "80"', ['10.0.0.1 80']],
    ['tabs, carriage returns', '\t10.0.0.1\t80\t\r\n  10.0.0.2 80\r', ['10.0.0.1 80', '10.0.0.2 80']],
    ['a port that is left out, and 0', '10.0.0.1\n10.0.0.2 0', ['10.0.0.1 0', '10.0.0.2 0']],
    ['a port by its name', '10.0.0.1 https', ['10.0.0.1 443']],
    ['last bytes', '10.0.0.254-255 80', ['10.0.0.254 80', '10.0.0.255 80']],
    ['a definition before a blank', '$A=10.0.0\n${A}.1 80\n$B=10.0.0.2\n$B 80', ['10.0.0.1 80', '10.0.0.2 80']],
    ['a definition that is made later', '$A=10.0.0.$B\n$B=7\n$A 80\n$B=8\n$A 80', ['10.0.0.7 80', '10.0.0.8 80']],
    ['a definition that nobody made', '${NONE} 80\n10.0.0.1 80', ['10.0.0.1 80']],
    ['an empty definition', '$E=\n10.0.0.1 8${E}0', ['10.0.0.1 80']],
    [
      'a condition that holds',
      '@lb1 10.0.0.1 80\n@lb2 10.0.0.2 80\n@^lb2 10.0.0.3 80\n@^lb1 10.0.0.4 80',
      ['10.0.0.1 80', '10.0.0.3 80'],
    ],
    ['a condition in a definition', '$C=@lb2\n$C 10.0.0.1 80\n$C=@lb1\n$C 10.0.0.2 80', ['10.0.0.2 80']],
    ['a sequence', '~SEQ(N, 2) 10.0.0.$N 80', ['10.0.0.1 80', '10.0.0.2 80']],
    ['a sequence by steps', '~SEQ(N, 9, -4, 1) 10.0.0.$N 80', ['10.0.0.9 80', '10.0.0.5 80', '10.0.0.1 80']],
    ['a sequence of definitions', '$E=2\n~SEQ(N,1,$E) 10.0.0.$N 80', ['10.0.0.1 80', '10.0.0.2 80']],
    ['hexadecimal digits', '~SEQx(N, 0x0f, 0x10) fd00::${N} 80', ['fd00::f 80', 'fd00::10 80']],
    [
      'sequences in each other',
      '~SEQ(A, 2) ~SEQ(B, 2) 10.0.${A}.$B 80',
      ['10.0.1.1 80', '10.0.1.2 80', '10.0.2.1 80', '10.0.2.2 80'],
    ],
    ['a list', '~LST(A, 1, 5) 10.0.0.$A 80', ['10.0.0.1 80', '10.0.0.5 80']],
    ['a list of pairs', '~LST({A,B}, {1,81}, {2,82}) 10.0.0.$A $B', ['10.0.0.1 81', '10.0.0.2 82']],
    ['the next one after a broken sequence', '~SEQ(A 1\n~LST()\n10.0.0.1 80', ['10.0.0.1 80']],
    ['an entry on the line of the brace', '10.0.0.1 80', ['10.0.0.1 80']],
  ];
  for (const [title, lines, expected] of rows) {
    const family = expected[0]!.includes(':') ? 'fd00::99' : '10.9.9.9';
    const group = `virtual_server_group G {\n${lines}\n}\nvirtual_server group G {\nlvs_method DR\nprotocol TCP\nreal_server ${family} {\n}\n}\n`;
    const found = imported(group).model.services.map(({ address, port }) => `${address} ${port}`);
    assert.deepEqual(found, expected, title);
  }
});

test('a definition of several lines is read in its place, and may use others', () => {
  const text =
    '$PAIR= \\\n  10.0.${N}.1 80 \\\n  10.0.${N}.2 80\n$ALL= \\\n $N=1 \\\n $PAIR \\\n $N=2 \\\n $PAIR\n$ALL\n10.0.3.1 80';
  assert.deepEqual(entries(text), ['10.0.1.1 80', '10.0.1.2 80', '10.0.2.1 80', '10.0.2.2 80', '10.0.3.1 80']);
  // An empty line ends it, as does the end of the file.
  assert.deepEqual(entries('$X= \\\n10.0.0.1 80 \\\n\n10.0.0.2 80\n$X'), ['10.0.0.2 80', '10.0.0.1 80']);
});

test('remarks on lines of a definition name the lines where somebody can mend them', () => {
  const { said } = imported(
    `$V= \\\nvirtual_server 192.168.1.$N 80 { \\\nlvs_sched nonsense \\\nlvs_method DR \\\nprotocol TCP \\\nreal_server 10.0.0.1 80 { \\\n} \\\n}\n$N=1\n$V\n$N=2\n$V\n`,
  );
  assert.equal(said.filter((each) => each.startsWith('3 dropped: lvs_sched: "nonsense"')).length, 1);
});

test('definitions that keepalived has itself have its values', () => {
  const { model, said } = imported(
    {
      '/etc/k/k.conf': virtualServer(
        '',
        'MISC_CHECK {\nmisc_path "/bin/x ${_PWD} ${_INSTANCE} ${_HASH}${_BANG} ${_ENV WHO} ${_ENV NOBODY}"\n}',
      ),
    },
    { environment: { WHO: 'me' } },
  );
  assert.deepEqual(model.services[0]!.health!.checks[0], {
    type: 'exec',
    command: ['/bin/x', '/etc/k', 'lb1', '#!', 'me', '${_ENV', 'NOBODY}'],
  });
  assert.deepEqual(
    said.filter((each) => each.includes('dropped')),
    [],
  );
});

test('a program and its arguments are split by both kinds of quotes', () => {
  const rows: [string, string[]][] = [
    ['/bin/x', ['/bin/x']],
    ['"/bin/x a b"', ['/bin/x', 'a', 'b']],
    ['"/bin/x \'a b\' \\"c\\""', ['/bin/x', 'a b', '"c"']],
    ['\'/bin/x "a b"\'', ['/bin/x', 'a b']],
    ['"/bin/x a\\x41 \\101\\cJ \\\\x41"', ['/bin/x', 'aA', 'A\n', '\\x41']],
    ['"/bin/x" nobody nogroup', ['/bin/x']],
  ];
  for (const [path, command] of rows) {
    const { health } = only(virtualServer('', `MISC_CHECK {\nmisc_path ${path}\n}`));
    assert.deepEqual(health!.checks, [{ type: 'exec', command }], path);
  }
});

test("what keepalived does by default is written, since Beeline's defaults are others", () => {
  const rows: [check: string, times: Record<string, number>][] = [
    ['TCP_CHECK {\n}', { interval: 60, timeout: 5, fastInterval: 1, rise: 1, fall: 2 }],
    ['PING_CHECK {\n}', { interval: 60, timeout: 5, fastInterval: 1, rise: 1, fall: 2 }],
    ['HTTP_GET {\nurl {\npath /\n}\n}', { interval: 60, timeout: 5, fastInterval: 3, rise: 1, fall: 2 }],
    ['DNS_CHECK {\n}', { interval: 60, timeout: 5, fastInterval: 60, rise: 1, fall: 4 }],
    ['SMTP_CHECK {\n}', { interval: 60, timeout: 5, fastInterval: 1, rise: 1, fall: 2 }],
    ['MISC_CHECK {\nmisc_path /bin/x\n}', { interval: 60, timeout: 60, fastInterval: 1, rise: 1, fall: 1 }],
    [
      'TCP_CHECK {\nretry 0\ndelay_before_retry 90\nconnect_timeout 0.001\n}',
      { interval: 60, timeout: 0.1, fastInterval: 60, rise: 1, fall: 1 },
    ],
    [
      'TCP_CHECK {\nretry 4000000000\ndelay_loop 1000000\n}',
      { interval: 86_400, timeout: 5, fastInterval: 1, rise: 1, fall: 1000 },
    ],
  ];
  for (const [check, times] of rows) {
    const { health } = only(virtualServer('', check));
    const { checks: _checks, ...rest } = health!;
    assert.deepEqual(rest, times, check);
  }
  const bare = only('virtual_server 192.168.1.100 53 {\nlvs_method DR\nreal_server 192.168.1.31 53 {\n}\n}\n');
  assert.deepEqual([bare.protocol, bare.scheduler, bare.health], ['udp', 'wlc', undefined]);
});

test('times of a checker go before those of its real server, and these before those of the virtual server', () => {
  const { health, destinations } = only(`virtual_server 192.168.1.100 80 {
lvs_method DR
protocol TCP
delay_loop 10
retry 7
real_server 192.168.1.31 80 {
TCP_CHECK {
}
}
real_server 192.168.1.32 80 {
delay_loop 20
TCP_CHECK {
}
}
real_server 192.168.1.33 80 {
delay_loop 20
TCP_CHECK {
delay_loop 30
}
}
}
`);
  assert.deepEqual([health!.interval, health!.fall], [10, 8]);
  assert.deepEqual(
    destinations.map((each) => each.health),
    [undefined, { interval: 20 }, { interval: 30 }],
  );
});

test('checks of the service itself go to the VIP, and those of another port, pings and marks where they went', () => {
  const check = 'TCP_CHECK {\n}';
  const via = (lines: string, given?: 'vip' | 'rip', method = ''): string | undefined =>
    only(virtualServer(method, lines), given && { via: given }).health!.checks[0]!.via;
  assert.equal(via(check), undefined);
  assert.equal(via(check, 'rip'), 'rip');
  assert.equal(via(check, undefined, 'lvs_method NAT'), undefined);
  assert.equal(via('TCP_CHECK {\nconnect_port 8080\n}'), 'rip');
  assert.equal(via('TCP_CHECK {\nconnect_port 8080\n}', 'vip'), undefined);
  assert.equal(via('PING_CHECK {\n}'), 'rip');
  // The VIP has no such address.
  const other = only(virtualServer('', 'TCP_CHECK {\nconnect_ip 10.0.0.1\n}'), { via: 'vip' }).health!.checks[0]!;
  assert.deepEqual([other.via, other.address], ['rip', '10.0.0.1']);
  const marked = imported(
    'virtual_server fwmark 3 {\nlvs_method DR\nreal_server 10.0.0.1 80 {\nTCP_CHECK {\n}\n}\n}\n',
    { via: 'vip' },
  );
  assert.equal(marked.model.markServices![0]!.health!.checks[0]!.via, 'rip');
});

test('another port than the VIP has is an error of direct routing, and is told', () => {
  const direct = imported(virtualServer('', '', '80').replace('192.168.1.31 80', '192.168.1.31 8080'));
  assert.equal(direct.model.services[0]!.destinations.length, 1);
  assert.ok(
    direct.said.some((each) =>
      each.includes('dropped: real_server: port 8080: under direct routing clients reach port 80'),
    ),
  );
  const nat = imported(virtualServer('lvs_method NAT').replace('192.168.1.31 80', '192.168.1.31 8080'));
  assert.equal(nat.model.services[0]!.destinations.length, 0);
  assert.ok(nat.said.some((each) => each.includes('dropped: real_server: port 8080 needs NAT')));
  assert.ok(hasLosses(nat));
});

test('settings that exclude each other become a valid configuration, as keepalived corrects them', () => {
  const rows: [lines: string, expected: Partial<Service>][] = [
    ['ops', { onePacket: undefined }],
    ['protocol UDP\nops\npersistence_timeout 60', { persistence: { timeout: 60 }, onePacket: undefined }],
    ['protocol UDP\nops', { onePacket: true }],
    ['persistence_granularity 255.255.0.0', { persistence: { timeout: 360, mask: '255.255.0.0' as never } }],
    ['persistence_timeout 60\npersistence_granularity 64', { persistence: { timeout: 60 } }],
    ['persistence_timeout 60\npersistence_granularity 0.0.0.0', { persistence: { timeout: 60 } }],
    ['persistence_timeout 60\npersistence_granularity 255.255.255.255', { persistence: { timeout: 60 } }],
    ['persistence_timeout 0', { persistence: undefined }],
    ['lvs_sched sh\nsh-port\nflag-1\nmh-port', { scheduler: 'sh', flags: ['sh-port', 'sh-fallback'] }],
    ['flag-1\nflag-3', { flags: undefined }],
    ['sorry_server fd00::1 80', { health: undefined }],
    ['sorry_server 192.168.1.40 80', { health: { checks: [], fallback: ['192.168.1.40' as never] } }],
    ['quorum 5\nhysteresis 5', { health: undefined }],
  ];
  for (const [lines, expected] of rows) {
    const service = only(virtualServer(lines));
    const found = Object.fromEntries(Object.keys(expected).map((key) => [key, service[key as keyof Service]]));
    assert.deepEqual(found, expected, lines);
  }
});

test('thresholds that the configuration refuses are left out with a remark', () => {
  for (const [lines, upper, lower] of [
    ['uthreshold 0', undefined, undefined],
    ['uthreshold 9', 9, undefined],
    ['uthreshold 9\nlthreshold 5', 9, 5],
    ['uthreshold 9\nlthreshold 10', 9, undefined],
    ['lthreshold 5', undefined, undefined],
  ] as const) {
    const [destination] = only(virtualServer('', lines)).destinations;
    assert.deepEqual([destination!.upperThreshold, destination!.lowerThreshold], [upper, lower], lines);
  }
});

function instance(name: string, lines: string, id = 51): string {
  return `vrrp_instance ${name} {\ninterface ens3\nvirtual_router_id ${id}\n${lines}\n}\n`;
}

test('instances of VRRP that the configuration refuses lose what is wrong, and no more', () => {
  const vips = 'virtual_ipaddress {\n192.168.1.100\n}\n';
  const rows: [title: string, text: string, expected: readonly unknown[]][] = [
    ['the same id twice', instance('A', vips) + instance('B', 'virtual_ipaddress {\n192.168.1.101\n}'), ['A']],
    ['the same name twice', instance('A', vips) + instance('A', '', 52), ['A']],
    ['two without addresses', instance('A', '') + instance('B', '', 52), ['A']],
    [
      'an address of two',
      instance('A', vips) + instance('B', `${vips}virtual_ipaddress {\n192.168.1.7\n}`, 52),
      ['A', 'B'],
    ],
    [
      'a peer that is the director',
      instance('A', `${vips}unicast_src_ip 10.0.0.1\nunicast_peer {\n10.0.0.1\n10.0.0.2\n}`),
      ['A'],
    ],
    ['a source of the other family', instance('A', `${vips}mcast_src_ip fd00::1`), ['A']],
    ['a delay of nobody', instance('A', `${vips}nopreempt\npreempt_delay 5`), ['A']],
    ['an address that nobody can have', instance('A', 'virtual_ipaddress {\n224.0.0.1\n}'), []],
    ['a name of strange letters', instance('"two words"', vips), ['two_words']],
  ];
  for (const [title, text, expected] of rows) {
    const { vrrp } = imported(text).model;
    assert.deepEqual(
      (vrrp?.instances ?? []).map(({ name }) => name),
      expected,
      title,
    );
  }
  const peers = imported(rows[4]![1]).model.vrrp!.instances[0]!.peers;
  assert.deepEqual(peers, ['10.0.0.2']);
});

test('more instances than a configuration may have are told', () => {
  const text = Array.from({ length: 70 }, (_, i) =>
    instance(`A${i}`, `virtual_ipaddress {\n10.0.0.${i + 1}\n}`, i + 1),
  ).join('');
  const { model, said } = imported(text);
  assert.equal(model.vrrp!.instances.length, 64);
  assert.equal(said.filter((each) => each.includes('only the first 64')).length, 6);
});

test('names of methods that every object has are no keywords', () => {
  const { said, model } = imported(virtualServer('constructor 1\ntoString\n__proto__ {\nx\n}\nhasOwnProperty'));
  assert.equal(said.filter((each) => each.includes('is no keyword of virtual_server')).length, 4);
  assert.equal(model.services.length, 1);
});

test('an include takes the files of a pattern in order, from the folder of the file that has it', () => {
  const { model } = imported({
    '/etc/k/k.conf': 'include conf.d/*.conf\n',
    '/etc/k/conf.d/b.conf': virtualServer('', '', '81'),
    '/etc/k/conf.d/a.conf': 'include ../more/{x,y}.inc\n',
    '/etc/k/conf.d/.hidden.conf': virtualServer('', '', '99'),
    '/etc/k/more/x.inc': virtualServer('', '', '82'),
    '/etc/k/more/y.inc': virtualServer('', '', '83'),
  });
  assert.deepEqual(
    model.services.map(({ port }) => port),
    [82, 83, 81],
  );
});

test('several files are one configuration', () => {
  const contents = { 'a.conf': '$P=81\n', 'b.conf': virtualServer('', '', '$P') };
  const { model } = imported(contents, { paths: ['a.conf', 'b.conf'] });
  assert.deepEqual(
    model.services.map(({ port }) => port),
    [81],
  );
});

function refused(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof BeelineError, String(error));
    return `${error.code} ${error.message}`;
  }
  return 'nothing';
}

test('what cannot be read, or is no configuration of keepalived, is refused with a reason', () => {
  const deep = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`f${i}`, `include f${i + 1}\n`]));
  const twice = Object.fromEntries(
    Array.from({ length: 40 }, (_, i) => [`f${i}`, `include f${i + 1}\ninclude f${i + 1}\n`]),
  );
  const rows: [title: string, contents: Record<string, string | Uint8Array | undefined>, expected: RegExp][] = [
    ['an empty file', { a: '' }, /^CONFIG_INVALID a: is no configuration of keepalived: it has no statement/],
    ['haproxy', { a: 'global\n  daemon\ndefaults\n  mode http\n' }, /^CONFIG_INVALID a: .* begins with "global"/],
    ['nginx', { a: 'http {\n server { listen 80; }\n}\n' }, /^CONFIG_INVALID a: .* begins with "http"/],
    ['JSON', { a: '{"virtual_server": 1}' }, /^CONFIG_INVALID a: is no configuration/],
    ['bytes', { a: Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 10, 0, 1) }, /^CONFIG_INVALID a:2: is no text/],
    ['10 MB', { a: '# 0123456789\n'.repeat(850_000) }, /^CONFIG_INVALID a: that is more than 8 MiB/],
    ['an include of itself', { a: 'include a\n' }, /^CONFIG_INVALID a:1: a includes itself/],
    ['a loop of includes', { a: '\ninclude b\n', b: 'include a\n' }, /^CONFIG_INVALID b:1: a includes itself/],
    ['a loop by a pattern', { 'a.conf': 'include *.conf\n' }, /^CONFIG_INVALID a.conf:1: a.conf includes itself/],
    ['a chain of includes', { ...deep, f60: '' }, /^CONFIG_INVALID f50:1: f51 includes itself/],
    ['includes that double', { ...twice, f40: '' }, /^CONFIG_INVALID .*more than 10000 files/],
    ['a missing include', { a: '\ninclude b.conf\n' }, /^CONFIG_UNREADABLE a:2: there is no file b.conf to include/],
    ['a missing pattern that must match', { a: 'includew *.none\n' }, /^CONFIG_UNREADABLE a:1: there is no file/],
    ['a folder', { a: undefined }, /^CONFIG_UNREADABLE a is no regular file/],
    [
      'a sequence without end',
      { a: '~SEQ(A, 1, 100000000000) x\n' },
      /^CONFIG_INVALID the configuration has more than 400000 lines/,
    ],
    ['an empty sequence without end', { a: '~SEQ(A, 1, 100000000000)\n' }, /^CONFIG_INVALID .* more than 400000 lines/],
    [
      'definitions that double',
      { a: `${Array.from({ length: 40 }, (_, i) => `$A${i}= \\\n$A${i + 1} \\\n$A${i + 1}\n`).join('')}$A0\n` },
      /^CONFIG_INVALID .* more than 400000 lines/,
    ],
  ];
  for (const [title, contents, expected] of rows) {
    assert.match(
      refused(() => imported(contents)),
      expected,
      title,
    );
  }
  const pattern = `include ${'{a,b}'.repeat(20)}\n`;
  assert.match(
    refused(() => imported({ a: pattern })),
    /^CONFIG_INVALID a:1: the pattern of include stands for too many/,
  );
});

test('an include that cannot be read is refused at its line, not passed over', () => {
  const denied = new BeelineError('CONFIG_UNREADABLE', 'cannot read b: EACCES');
  const files = {
    list: () => ['b'],
    read: (path: string) => {
      if (path === 'b') {
        throw denied;
      }
      return Buffer.from('\n\ninclude b\n');
    },
  };
  assert.match(
    refused(() => imported('', { paths: ['a'], files })),
    /^CONFIG_UNREADABLE a:3: cannot read b: EACCES/,
  );
});

test('a definition that uses itself is left out, and the rest goes on', () => {
  const { model, said } = imported(`$A=x\${A}\n$B=$C\n$C=$B\n$A\n$B\n${virtualServer('', '')}`);
  assert.equal(model.services.length, 1);
  assert.equal(said.filter((each) => each.includes('uses definitions without end')).length, 2);
});

test('braces nested a hundred thousand deep are read without an end of the stack', () => {
  const open = 'virtual_server 192.168.1.1 80 {\n'.repeat(100_000);
  for (const text of [
    `${open}${'}\n'.repeat(100_000)}`,
    '{\n'.repeat(100_000),
    '}\n'.repeat(100_000),
    'a{'.repeat(30_000),
  ]) {
    const { model } = imported(`${virtualServer('')}${text}`);
    assert.equal(model.services.length, 1);
  }
});

test('time grows with the length of a file, not with its square', () => {
  const server = (i: number): string =>
    virtualServer(`${'x'.repeat(30)}${i}`).replace('192.168.1.100', `10.${i >> 8}.${i & 255}.1`);
  const text = Array.from({ length: 1000 }, (_, i) => server(i)).join('');
  assert.equal(imported(text).model.services.length, 1000);
  for (const line of [
    '"'.repeat(60_000),
    '$'.repeat(60_000),
    ' '.repeat(60_000),
    `path ${'\\'.repeat(60_000)}`,
    '${a '.repeat(15_000),
  ]) {
    assert.equal(imported(`${virtualServer('')}${`${line}\n`.repeat(5)}`).model.services.length, 1);
  }
});

test('the report merges equal remarks, counts lines and cuts what is long', () => {
  const remarks = [
    { file: 'k', line: 1, kind: 'kept' as const, text: '' },
    ...Array.from({ length: 12 }, (_, i) => ({ file: 'k', line: i + 2, kind: 'translated' as const, text: 'a: b' })),
    { file: 'k', line: 2, lastLine: 4, kind: 'dropped' as const, text: 'x'.repeat(500) },
  ];
  assert.equal(
    formatReport(remarks, { file: 'k' }),
    `k:2: translated: a: b (also lines 3, 4, 5, 6, 7, 8, 9, 10 and 3 more)\nk:2: dropped: ${'x'.repeat(400)}… (to line 4)\n` +
      'k: 1 line kept, 9 translated, 3 dropped\n',
  );
  assert.match(formatReport(remarks, { file: 'k', verbose: true }), /^k:1: kept\n/);
});

test('what keepalived reads in another way than its author meant is told', () => {
  const check = (lines: string): string => virtualServer('', lines);
  const rows: [title: string, text: string, expected: RegExp][] = [
    [
      'a second keyword on a line',
      virtualServer('delay_loop 3 retry 2'),
      /dropped: delay_loop: "retry" stands behind it/,
    ],
    ['a keyword behind one without words', virtualServer('omega ha_suspend'), /dropped: omega: "ha_suspend" stands/],
    [
      'a block without its end',
      virtualServer('virtual_server 10.0.0.1 80 {\n}'),
      /virtual_server; is a "}" missing before it\?/,
    ],
    ['an unknown block', check('TCP_CHEK {\n}'), /did you mean TCP_CHECK\? keepalived takes the "}" of its block/],
    [
      'a definition that nobody made',
      `global_defs {\nrouter_id \${NOBODY}\n}\n${check('')}`,
      /2 note: "\${NOBODY}" is defined/,
    ],
    [
      'arguments behind a path',
      check('MISC_CHECK {\nmisc_path /bin/x -H 10.0.0.1\n}'),
      /dropped: misc_path: "-H 10.0.0.1" behind/,
    ],
    ['a way in small letters', virtualServer('lb_kind dr'), /dropped: lb_kind: "dr" .* in capitals alone/],
    [
      'a family of a mark that is none',
      `virtual_server_group G {\nfwmark 7 ip6\n}\n${virtualServer('').replace(/^virtual_server \S+ \d+/, 'virtual_server group G')}`,
      /2 dropped: fwmark: "ip6" is no family: it is inet or inet6/,
    ],
    [
      'a condition without an id',
      virtualServer('@ delay_loop 3'),
      /passed over: it is for no host, since there is no id/,
    ],
    ['a lower threshold alone', check('lthreshold 5'), /dropped: lthreshold: .* IPVS refuses such a real server/],
  ];
  for (const [title, text, expected] of rows) {
    const { said } = imported(text);
    assert.ok(
      said.some((each) => expected.test(each)),
      `${title}: ${said.join('\n')}`,
    );
  }
  // A variable of a script is none of keepalived's.
  const quiet = imported(check('MISC_CHECK {\nmisc_path "/bin/sh -c \'exit $CODE\'"\n}')).said;
  assert.ok(!quiet.some((each) => each.includes('note:') || each.includes('dropped:')), quiet.join('\n'));
});

test('times of zero seconds are the defaults, but for those between retries, as in keepalived', () => {
  const { health } = only(virtualServer('delay_loop 0\nconnect_timeout 0\ndelay_before_retry 0', 'TCP_CHECK {\n}'));
  assert.deepEqual([health!.interval, health!.timeout, health!.fastInterval], [60, 5, 0.1]);
});

test('hexadecimal digits in quotes are those without', () => {
  for (const payload of ['"53 49"', '53 49', '5349']) {
    const { health } = only(virtualServer('protocol UDP', `UDP_CHECK {\npayload ${payload}\n}`));
    assert.deepEqual(health!.checks, [{ type: 'udp', send: 'SI' }], payload);
  }
});

test('a quorum that nobody asked for is not told of, where real servers have no weight', () => {
  const { said } = imported(virtualServer('', 'weight 0'));
  assert.ok(!said.some((each) => each.includes('quorum')), said.join('\n'));
});
