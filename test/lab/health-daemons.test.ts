/** Health checks against Debian's daemons in the lab: nginx, dnsmasq, redis, dovecot and others, through the VIP. */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

import { NIC, type ProcessIdentity, VIP4, VIP6 } from '../../src/lab/index.js';
import { Authority } from '../support/certificates.js';
import {
  DAEMON_PORTS as P,
  REDIS_PASSWORD,
  startDnsmasq,
  startDovecot,
  startDropbear,
  startMariadb,
  startMemcached,
  startNginx,
  startPostfix,
  startRedis,
  startVsftpd,
} from '../support/daemons.js';
import { type HealthCase, HealthTable, type Planned } from '../support/health-cases.js';
import { TestLab } from '../support/lab.js';

/** Another VIP of the same real servers. */
const OTHER_VIP4 = '192.168.1.101';

const http = (name: string, more: object, finds: string): HealthCase => ({
  name: `http: ${name}`,
  check: { type: 'http', port: P.http, ...more },
  finds,
});

const HTTP: HealthCase[] = [
  http('a page', {}, 'up L7 status 200'),
  http('the VIP’s own site', { body: '^served by real1$' }, 'up L7 status 200, body matches'),
  http('a body that is another', { body: 'real2' }, 'down L7 status 200, body does not match'),
  http('a needle within 64 KiB', { path: '/soon', body: 'needle' }, 'up L7 status 200, body matches'),
  http('a needle beyond', { path: '/late', body: 'needle' }, 'down L7 status 200, body does not match'),
  http('no content', { path: '/204' }, 'up L7 status 204'),
  http('a redirect', { path: '/301' }, 'up L7 status 301'),
  http('a redirect where a page must be', { path: '/301', status: '200-299' }, 'down L7 status 301'),
  http('not found', { path: '/404' }, 'down L7 status 404'),
  http('not found, as it must be', { path: '/404', status: 404 }, 'up L7 status 404'),
  http('an internal error', { path: '/500' }, 'down L7 status 500'),
  http('a maintenance page', { path: '/503' }, 'down L7 status 503'),
  http('one of several statuses', { path: '/503', status: [200, '500-503'] }, 'up L7 status 503'),
  http('HEAD', { method: 'HEAD' }, 'up L7 status 200'),
  http('HEAD, whose body is not there', { method: 'HEAD', body: 'x' }, 'down L7 status 200, body does not match'),
  http('POST', { method: 'POST', path: '/post', headers: { 'Content-Length': '0' } }, 'up L7 status 201'),
  http('GET where POST must be', { path: '/post' }, 'down L7 status 405'),
  http('a header', { path: '/header', headers: { 'X-Probe': 'beeline' } }, 'up L7 status 200'),
  http('without the header', { path: '/header' }, 'down L7 status 403'),
  http('a site by its name', { host: 'a.example', body: '^site a$' }, 'up L7 status 200, body matches'),
  http('a name that has no site', { port: P.namedHttp }, 'down L7 closed early, no answer'),
  http('a name that has one', { port: P.namedHttp, host: 'a.example' }, 'up L7 status 200'),
  http('several requests', { requests: [{}, { path: '/204' }] }, 'up L7 status 204'),
  http('one bad among several', { requests: [{}, { path: '/503' }, { path: '/204' }] }, 'down L7 /503: status 503'),
  http('to https', { port: P.https }, 'down L7 status 400'),
  http('to SSH', { port: P.ssh }, 'down L7 not HTTP: "SSH-2.0-dropbear…'),
  http('to redis', { port: P.redis }, 'down L7 closed early, no answer'),
  http('nobody listens', { port: 8999 }, 'down L4 refused'),
  http('nginx at the RIP alone', { port: P.ripHttp }, 'down L4 refused'),
  http('nginx at the RIP alone, which is asked', { port: P.ripHttp, via: 'rip' }, 'up L7 status 200'),
];

const httpsChecks = (ca: string): HealthCase[] => {
  const https = (name: string, more: object, finds: HealthCase['finds']): HealthCase => ({
    name: `https: ${name}`,
    check: { type: 'https', port: P.https, ca, ...more },
    finds,
  });
  const a = { sni: 'a.example', host: 'a.example', port: P.namedHttps };
  return [
    https('a certificate for the VIP', { body: 'real1' }, 'up L7 status 200, body matches'),
    https(
      'an authority that is not known',
      { ca: undefined },
      'down L6 unknown authority, or a certificate of the chain is missing',
    ),
    https('no verification', { ca: undefined, verify: false }, 'up L7 status 200'),
    https('a bad status', { path: '/503', host: 'x' }, 'up L7 status 200'),
    https('a site by SNI', { ...a, body: '^site a$' }, 'up L7 status 200, body matches'),
    https('another one', { ...a, sni: 'b.example', host: 'b.example', body: 'b' }, 'up L7 status 200, body matches'),
    https(
      'a name that has no site',
      { ...a, sni: 'c.example' },
      'down L6 no certificate for this name (unrecognized name)',
    ),
    https(
      'no name where one must be',
      { port: P.namedHttps },
      'down L6 no certificate for this name (unrecognized name)',
    ),
    https('expired', { port: P.expired }, 'down L6 certificate expired 3 days ago'),
    https('expired, and not verified', { port: P.expired, verify: false }, 'up L7 status 200'),
    https('not yet valid', { port: P.early }, `down L6 certificate not yet valid, but from ${day(2)} on`),
    https(
      'expires soon',
      { port: P.expiring },
      `up L7 status 200; warning: certificate expires in 5 days (${day(5.5)})`,
    ),
    https('expires soon enough', { port: P.expiring, expiryDays: 3 }, 'up L7 status 200'),
    https('for another name', { port: P.otherName }, (vip) => `down L6 certificate is for other.example, not ${vip}`),
    https('for that name', { port: P.otherName, sni: 'other.example' }, 'up L7 status 200'),
    https('self-signed', { port: P.selfSigned }, 'down L6 self-signed certificate'),
    https('ALPN', { alpn: ['http/1.1'] }, 'up L7 status 200'),
    https('ALPN of a protocol that it has not', { alpn: ['h3'] }, 'down L6 ALPN: none of h3'),
    https('an old version of TLS', { port: P.oldTls }, 'down L6 protocol version'),
    https('a client’s certificate is wanted', { port: P.clientCertificate }, 'down L7 status 400'),
    https('to http', { port: P.http }, 'down L6 answers without TLS'),
    https('to SSH', { port: P.ssh }, 'down L6 answers without TLS'),
    https('nobody listens', { port: 8999 }, 'down L4 refused'),
    https('nginx at the RIP alone', { port: P.ripHttp }, 'down L4 refused'),
    { name: 'tls: h2', check: { type: 'tls', port: P.https, ca, alpn: ['h2'] }, finds: 'up L6 TLSv1.3 h2' },
    {
      name: 'tls: expired',
      check: { type: 'tls', port: P.expired, ca },
      finds: 'down L6 certificate expired 3 days ago',
    },
    { name: 'tls: to http', check: { type: 'tls', port: P.http, ca }, finds: 'down L6 answers without TLS' },
    { name: 'tcp: to https', check: { type: 'tcp', port: P.https }, finds: 'up L4 ok' },
  ];
};

/** "2026-12-05" */
function day(days: number): string {
  return new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
}

const DNS: HealthCase[] = (['udp', 'tcp'] as const).flatMap((protocol) => {
  const dns = (name: string, more: object, finds: string): HealthCase => ({
    name: `dns by ${protocol}: ${name}`,
    check: { type: 'dns', port: P.dns, name: 'www.example.test', ...more },
    protocol,
    finds,
  });
  const noerror = 'up L7 NOERROR';
  const other = 'down L7 NOERROR, other answers';
  return [
    dns('an address', {}, noerror),
    dns('the right IPv4 address', { record: 'A', answer: '192.0.2.1' }, noerror),
    dns('the right IPv6 address, in another spelling', { record: 'AAAA', answer: '2001:DB8:0::1' }, noerror),
    dns('another address', { record: 'A', answer: '192.0.2.2' }, other),
    dns('an alias', { name: 'alias.example.test', answer: 'www.example.test' }, noerror),
    dns('a mail server', { name: 'example.test', record: 'MX', answer: 'mail.example.test' }, noerror),
    dns('a service', { name: '_sip._tcp.example.test', record: 'SRV', answer: 'sip.example.test.' }, noerror),
    dns('a text', { name: 'example.test', record: 'TXT', answer: 'hello' }, noerror),
    dns(
      'a name by its address',
      { name: '1.2.0.192.in-addr.arpa', record: 'PTR', answer: 'WWW.example.test' },
      noerror,
    ),
    dns('no address of this family', { name: 'only4.example.test', record: 'AAAA' }, 'down L7 no answers'),
    dns('a name that is not there', { name: 'no.example.test' }, 'down L7 NXDOMAIN'),
    dns('the same, as it must be', { name: 'no.example.test', rcode: 'NXDOMAIN' }, 'up L7 NXDOMAIN'),
    dns('a zone that is not its own', { name: 'www.example.com' }, 'down L7 REFUSED'),
    dns('nobody listens', { port: 5353 }, 'down L4 refused'),
  ];
});

const dialogues = (ca: string): HealthCase[] => {
  const plain = (type: string, port: number, finds: string, more: object = {}): HealthCase => ({
    name: `${type} at port ${port} ${Object.keys(more).join(' ')}`,
    check: { type, port, ...more },
    finds,
  });
  const ok = 'up L7 ok';
  const overTls = { tls: true, ca };
  const authenticate = [
    { send: `AUTH ${REDIS_PASSWORD}\r\n` },
    { expect: '^\\+OK', send: 'PING\r\n' },
    { expect: '^\\+PONG' },
  ];
  return [
    plain('smtp', P.smtp, ok),
    plain('smtp', P.smtps, ok, overTls),
    plain('smtp', P.submission, ok),
    plain('imap', P.imap, ok),
    plain('imap', P.imaps, ok, overTls),
    plain('pop3', P.pop3, ok),
    plain('pop3', P.pop3s, ok, overTls),
    plain('ftp', P.ftp, ok),
    plain('ssh', P.ssh, ok),
    plain('memcached', P.memcached, ok),
    plain('redis', P.redis, ok),
    plain('redis', P.redisTls, ok, overTls),
    // It is not blocked for greeting and leaving.
    { ...plain('mysql', P.mysql, ok), vips: [VIP4, VIP6] },
    plain('redis', P.redisPassword, 'down L7 answered "-NOAUTH Authentication required."'),
    plain('send-expect', P.redisPassword, ok, { steps: authenticate }),
    // Each of them at another's port.
    plain('pop3', P.imap, 'down L7 answered "* OK …'),
    plain('imap', P.imaps, 'down L7 timeout, no answer'),
    plain('imap', P.imap, 'down L6 answers without TLS', overTls),
    plain('smtp', P.smtps, 'down L7 timeout, no answer'),
    plain('smtp', P.smtp, 'down L6 answers without TLS', overTls),
    plain('mysql', P.ftp, 'down L7 answered "220 …'),
    plain('redis', P.redisTls, 'down L4 reset'),
    plain('ssh', P.ftp, 'down L7 answered "220 …'),
    plain('smtp', P.redis, 'down L7 timeout, no answer'),
    plain('smtp', 8999, 'down L4 refused'),
  ];
};

const rejected = (type: string, protocol: 'tcp' | 'udp', port: number, finds: HealthCase['finds']): HealthCase => ({
  name: `a firewall, ${type}, port ${port}`,
  // The kernel may take no notice of an ICMP error before the SYN is repeated, after a second.
  check: { type, port, timeout: 3 },
  protocol,
  vips: [VIP4, VIP6],
  finds,
});

/** What the kernel makes of ICMP's "administratively prohibited": IPv4's is another case of an unreachable host. */
const PROHIBITED: HealthCase['finds'] = (vip) =>
  vip === VIP6 ? 'down L3 prohibited by a router or by itself' : 'down L3 host unreachable';

const FIREWALL: HealthCase[] = [
  ...['tcp', 'http', 'redis'].flatMap((type) => [
    rejected(type, 'tcp', 9001, 'down L4 refused'),
    rejected(type, 'tcp', 9002, 'down L3 host unreachable'),
    rejected(type, 'tcp', 9003, PROHIBITED),
    rejected(type, 'tcp', 9004, 'down L4 timeout'),
  ]),
  rejected('udp', 'udp', 9002, 'down L3 host unreachable'),
  rejected('udp', 'udp', 9003, PROHIBITED),
  rejected('udp', 'udp', 9004, 'up L4 no ICMP error'),
  rejected('udp', 'udp', 9005, 'down L4 refused'),
];

const RULES = `table inet filter {
 chain input {
  type filter hook input priority 0;
  tcp dport 9001 reject with tcp reset
  meta l4proto { tcp, udp } th dport 9002 reject with icmpx type host-unreachable
  meta l4proto { tcp, udp } th dport 9003 reject with icmpx type admin-prohibited
  meta l4proto { tcp, udp } th dport 9004 drop
 }
}`;

/** At the ports that the services have themselves: a check that comes back to the director would be sent on to real2. */
const vipCases = (ca: string): HealthCase[] => {
  const vips = [VIP4, VIP6, OTHER_VIP4];
  const dns = { type: 'dns', name: 'www.example.test' };
  return [
    { name: 'the VIP: http', check: { type: 'http' }, port: P.http, vips, finds: 'up L7 status 200' },
    { name: 'the VIP: https', check: { type: 'https', ca }, port: P.https, vips, finds: 'up L7 status 200' },
    { name: 'the VIP: dns', check: dns, protocol: 'udp', port: P.dns, vips, finds: 'up L7 NOERROR' },
    { name: 'the VIP: dns by tcp', check: dns, port: P.dns, vips, finds: 'up L7 NOERROR' },
    { name: 'the VIP: ping', check: { type: 'ping' }, port: 1, vips, finds: 'up L3 ok' },
    { name: 'the VIP: tcp', check: { type: 'tcp' }, port: P.imap, vips, finds: 'up L4 ok' },
    { name: 'the RIP', check: { type: 'tcp', via: 'rip' }, port: P.ssh, vips, finds: 'up L4 ok' },
  ];
};

test('checks find what Debian’s daemons do behind the VIP', async (context) => {
  const lab = await TestLab.build(context, 'daemons');
  const authority = new Authority(join(lab.directory, 'authority'));
  const names = `IP:${VIP4},IP:${VIP6},IP:${OTHER_VIP4}`;
  const { key, cert } = authority.issue({ names });
  const pem = join(lab.directory, 'vip.pem');
  writeFileSync(pem, cert + key);
  const started: Record<string, ProcessIdentity> = {};
  for (const host of ['real1', 'real2'] as const) {
    await lab.exec(host, ['ip', 'addr', 'add', `${OTHER_VIP4}/32`, 'dev', 'lo']);
    started[`nginx-${host}`] = startNginx(lab, host, authority, names);
    started[`dnsmasq-${host}`] = startDnsmasq(lab, host);
  }
  await lab.exec('director', ['ip', 'addr', 'add', `${OTHER_VIP4}/32`, 'dev', NIC]);
  startRedis(lab, 'real1', pem);
  startDovecot(lab, 'real1', pem);
  startPostfix(lab, 'real1', pem);
  startMariadb(lab, 'real1');
  startMemcached(lab, 'real1');
  startVsftpd(lab, 'real1');
  startDropbear(lab, 'real1');
  writeFileSync(join(lab.directory, 'rules.nft'), RULES);
  await lab.exec('real1', ['nft', '-f', join(lab.directory, 'rules.nft')]);
  // Each answer of ICMP is looked for: the kernel sends few a second by default.
  const unlimited = { 'net/ipv4/icmp_ratelimit': '0', 'net/ipv6/icmp/ratelimit': '0' };
  await lab.sysctls('real1', unlimited);

  const table = new HealthTable([
    ...HTTP,
    ...httpsChecks(authority.path),
    ...DNS,
    ...dialogues(authority.path),
    ...FIREWALL,
    ...vipCases(authority.path),
  ]);
  await lab.startDirector();
  lab.configure(JSON.stringify({ interfaces: [NIC], services: table.services }));
  await lab.beeline(['reload']);

  await context.test('each state is told in its layer’s words', () => table.expect(lab));

  await context.test('check-server finds the same', async () => {
    const isMysql = ({ check }: Planned): boolean => check.type === 'mysql';
    // More often than MariaDB would take it without a login.
    const often = Array.from({ length: 4 }, () => table.planned.filter(isMysql)).flat();
    for (const each of [...table.planned.filter((_planned, i) => i % 12 === 0), ...often]) {
      const { found, finds } = await table.madeNow(lab, each);
      assert.equal(found, finds, each.title);
    }
  });

  await context.test('daemons that hang are told from those that are gone', async () => {
    const { 'dnsmasq-real1': dnsmasq, 'nginx-real1': nginx } = started;
    process.kill(dnsmasq!.pid, 'SIGSTOP');
    process.kill(nginx!.pid, 'SIGSTOP');
    // The kernel holds 33 connections for a dnsmasq that takes none, and lets no more in: then it is "L4 timeout".
    await table.expect(lab, hanging, 'once');
    process.kill(nginx!.pid, 'SIGCONT');
    await lab.kill(dnsmasq!);
    await table.expect(lab, ({ check, finds }) => (check.type === 'dns' ? 'down L4 refused' : finds));
    startDnsmasq(lab, 'real1');
    await table.expect(lab);
  });

  await context.test(
    'a real server that lost its VIPs is down for all checks but those of its own address',
    async () => {
      await setVips(lab, 'del', VIP4, VIP6, OTHER_VIP4);
      await table.expect(lab, silent);
      assert.deepEqual(new Set(await lab.pages(4, `http://${VIP4}:${P.http}/`)), new Set(['served by real2']));
    },
  );

  await context.test('the same if it forwards, though the director would send the checks to another', async () => {
    await lab.sysctls('real1', { 'net/ipv4/ip_forward': '1', 'net/ipv6/conf/all/forwarding': '1' });
    await table.expect(lab, forwarding);
    assert.deepEqual(new Set(await lab.pages(4, `http://[${VIP6}]:${P.http}/`)), new Set(['served by real2']));
    await lab.sysctls('real1', { 'net/ipv4/ip_forward': '0', 'net/ipv6/conf/all/forwarding': '0' });
  });

  await context.test('one that takes what is for the VIP by REDIRECT passes without having it', async () => {
    writeFileSync(join(lab.directory, 'redirect.nft'), REDIRECT);
    await lab.exec('real1', ['nft', '-f', join(lab.directory, 'redirect.nft')]);
    await table.expect(lab, redirected);
    await lab.exec('real1', ['nft', 'delete', 'table', 'inet', 'takes']);
  });

  await context.test('one of its VIPs may be gone without the others', async () => {
    await setVips(lab, 'add', VIP4, VIP6);
    await table.expect(lab, (each) => (each.vip === OTHER_VIP4 ? silent(each) : each.finds));
    await setVips(lab, 'add', OTHER_VIP4);
    await table.expect(lab);
  });
});

async function setVips(lab: TestLab, action: 'add' | 'del', ...vips: readonly string[]): Promise<void> {
  for (const vip of vips) {
    const prefix = vip.includes(':') ? [`${vip}/128`, 'dev', 'lo', 'nodad'] : [`${vip}/32`, 'dev', 'lo'];
    await lab.exec('real1', ['ip', 'addr', action, ...prefix.slice(0, action === 'add' ? 4 : 3)]);
  }
}

const NGINX_PORTS: readonly unknown[] = [
  ...[P.http, P.namedHttp, P.ripHttp, P.https, P.namedHttps, P.expired, P.expiring, P.early, P.otherName, P.selfSigned],
  ...[P.oldTls, P.clientCertificate],
];

/** What is found of nginx and dnsmasq while they do not run, but are there: the kernel takes the connections. */
function hanging({ title, check, finds }: Planned): string {
  const port = check.port ?? (title.startsWith('the VIP: https') ? P.https : P.http);
  switch (check.type) {
    case 'dns':
      return finds === 'down L4 refused' ? finds : 'down L7 timeout, no answer';
    case 'http':
      if (!NGINX_PORTS.includes(port) || finds === 'down L4 refused') {
        return finds;
      }
      return `down L7 ${check.requests === undefined ? '' : '/: '}timeout, no answer`;
    case 'https':
    case 'tls':
      return NGINX_PORTS.includes(port) && finds !== 'down L4 refused' ? 'down L6 timeout' : finds;
    default:
      return finds;
  }
}

/** What is found while a router says that it has no VIP. */
function forwarding({ check, finds }: Planned): string {
  const which = check.requests === undefined ? '' : '/: ';
  return check.via === 'rip' ? finds : `down L3 ${which}has no VIP: it forwards what is for it`;
}

/** What is found while nobody takes what is for the VIP. */
function silent({ service, check, finds }: Planned): string {
  if (check.via === 'rip') {
    return finds;
  }
  if (check.type === 'ping') {
    return 'down L3 timeout';
  }
  if (service.startsWith('udp')) {
    return check.type === 'udp' ? 'up L4 no ICMP error' : 'down L7 timeout, no answer';
  }
  return check.requests === undefined ? 'down L4 timeout' : 'down L4 /: timeout';
}

const REDIRECT = `table inet takes {
 chain prerouting {
  type nat hook prerouting priority dstnat;
  ip daddr { ${VIP4}, ${OTHER_VIP4} } redirect
  ip6 daddr ${VIP6} redirect
 }
}`;

/** What listens at the RIP alone is reached too. */
function redirected({ check, finds }: Planned): string {
  if (check.port !== P.ripHttp) {
    return finds;
  }
  return check.type === 'http' ? 'up L7 status 200' : 'down L6 answers without TLS';
}
