/** Debian's daemons on hosts of the lab: in the foreground, with their files in the lab's folder, ended by the lab. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { type HostName, hostNamed, type Lab, type ProcessIdentity } from '../../src/lab/index.js';
import type { Authority, CertificateOptions } from './certificates.js';

/** Where they listen: each at any address, by IPv4 and IPv6, unless it says otherwise. */
export const DAEMON_PORTS = {
  dns: 53,
  http: 8001,
  /** It closes the connection if it has no site of the name that it is asked for. */
  namedHttp: 8002,
  /** At the real server's own addresses alone. */
  ripHttp: 8003,
  https: 8443,
  namedHttps: 8444,
  expired: 8445,
  expiring: 8446,
  early: 8447,
  otherName: 8448,
  selfSigned: 8449,
  oldTls: 8450,
  clientCertificate: 8451,
  redis: 6379,
  redisTls: 6380,
  redisPassword: 6381,
  memcached: 11_211,
  ftp: 21,
  ssh: 22,
  smtp: 25,
  smtps: 465,
  submission: 587,
  imap: 143,
  imaps: 993,
  pop3: 110,
  pop3s: 995,
  mysql: 3306,
} as const;

const P = DAEMON_PORTS;

export const REDIS_PASSWORD = 'open-sesame';

/** Returns a folder of a daemon's own. */
function folderOf(lab: Lab, label: string): string {
  const folder = join(lab.directory, label);
  mkdirSync(folder, { recursive: true });
  return folder;
}

function listen(port: number, options = ''): string {
  return `listen ${port} ${options}; listen [::]:${port} ${options};`;
}

/** Starts nginx with a site at each of its ports; without a master, since that would leave its workers behind. */
export function startNginx(lab: Lab, host: 'real1' | 'real2', authority: Authority, names: string): ProcessIdentity {
  const folder = folderOf(lab, `nginx-${host}`);
  const { ipv4, ipv6 } = hostNamed(host);
  const pair = (label: string, { key, cert }: { key: string; cert: string }): string => {
    writeFileSync(join(folder, `${label}.pem`), cert + key);
    return `ssl_certificate ${folder}/${label}.pem; ssl_certificate_key ${folder}/${label}.pem;`;
  };
  const issued = (label: string, options: CertificateOptions = {}): string =>
    pair(label, authority.issue({ names, ...options }));
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  writeFileSync(join(folder, 'late'), `${'x'.repeat(70_000)}needle`);
  writeFileSync(join(folder, 'soon'), `${'x'.repeat(60_000)}needle${'x'.repeat(200_000)}`);
  const page = `return 200 "served by ${host}";`;
  const tls = (port: number, certificate: string, more = ''): string =>
    `server { ${listen(port, 'ssl http2')} ${certificate} ${more} location / { ${page} } }`;
  const statuses = [204, 301, 404, 500, 503].map((status) => `location = /${status} { return ${status}; }`);
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; master_process off; user root; pid ${folder}/pid; error_log stderr;
events {}
http {
  access_log off; ssl_protocols TLSv1.2 TLSv1.3; default_type text/plain; root ${folder};
  ${temporary.map((each) => `${each}_temp_path ${folder}/${each};`).join(' ')}
  server {
    ${listen(P.http, 'default_server')}
    ${statuses.join('\n    ')}
    location = /post { if ($request_method != POST) { return 405; } return 201; }
    location = /header { if ($http_x_probe != "beeline") { return 403; } return 200; }
    location = /late {} location = /soon {}
    location / { ${page} }
  }
  server { ${listen(P.http)} server_name a.example; location / { return 200 "site a"; } }
  server { ${listen(P.namedHttp, 'default_server')} return 444; }
  server { ${listen(P.namedHttp)} server_name a.example; location / { return 200 "site a"; } }
  server { listen ${ipv4}:${P.ripHttp}; listen [${ipv6}]:${P.ripHttp}; location / { ${page} } }
  ${tls(P.https, issued('vip'))}
  server { ${listen(P.namedHttps, 'ssl default_server')} ssl_reject_handshake on; }
  server { ${listen(P.namedHttps, 'ssl')} server_name a.example; ${issued('a', { names: 'DNS:a.example' })} location / { return 200 "site a"; } }
  server { ${listen(P.namedHttps, 'ssl')} server_name b.example; ${issued('b', { names: 'DNS:b.example' })} location / { return 200 "site b"; } }
  ${tls(P.expired, issued('expired', { from: -30, to: -3.5 }))}
  ${tls(P.expiring, issued('expiring', { to: 5.5 }))}
  ${tls(P.early, issued('early', { from: 2, to: 90 }))}
  ${tls(P.otherName, issued('other', { names: 'DNS:other.example' }))}
  ${tls(P.selfSigned, pair('self', authority.selfSigned()))}
  ${tls(P.oldTls, issued('old'), 'ssl_protocols TLSv1.1;')}
  ${tls(P.clientCertificate, issued('client'), `ssl_client_certificate ${authority.path}; ssl_verify_client on;`)}
}
`,
  );
  const config = ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'];
  return lab.startProcess(host, `nginx-${host}`, ['nginx', ...config]);
}

/** Starts dnsmasq, which knows the zone example.test alone. */
export function startDnsmasq(lab: Lab, host: HostName): ProcessIdentity {
  const config = join(folderOf(lab, `dnsmasq-${host}`), 'dnsmasq.conf');
  writeFileSync(
    config,
    `port=${P.dns}
no-resolv
no-hosts
user=root
pid-file=
log-facility=-
local=/example.test/
host-record=www.example.test,192.0.2.1,2001:db8::1
host-record=only4.example.test,192.0.2.4
cname=alias.example.test,www.example.test
mx-host=example.test,mail.example.test,10
srv-host=_sip._tcp.example.test,sip.example.test,5060
txt-record=example.test,hello
ptr-record=1.2.0.192.in-addr.arpa,www.example.test
`,
  );
  return lab.startProcess(host, `dnsmasq-${host}`, ['dnsmasq', '--keep-in-foreground', `--conf-file=${config}`]);
}

/** Starts redis: without, with TLS, and with a password. */
export function startRedis(lab: Lab, host: HostName, pem: string): void {
  const common = ['--protected-mode', 'no', '--bind', '*', '-::*', '--save', '', '--daemonize', 'no'];
  const start = (label: string, ...options: string[]): void => {
    lab.startProcess(host, label, ['redis-server', ...common, '--dir', folderOf(lab, label), ...options]);
  };
  const tls = ['--tls-cert-file', pem, '--tls-key-file', pem, '--tls-ca-cert-file', pem, '--tls-auth-clients', 'no'];
  start('redis', '--port', String(P.redis), '--tls-port', String(P.redisTls), ...tls);
  start('redis-password', '--port', String(P.redisPassword), '--requirepass', REDIS_PASSWORD);
}

/** Starts dovecot for SMTP (its submission server), IMAP and POP3. Its users cannot reach the lab's folder, so its sockets are in a /mnt of its own. */
export function startDovecot(lab: Lab, host: HostName, pem: string): void {
  const folder = folderOf(lab, 'dovecot');
  const config = join(folder, 'dovecot.conf');
  const { versions, certificate, passwords, manyConnections } = dovecotDialect(pem);
  writeFileSync(
    config,
    `${versions}protocols = imap pop3 submission
listen = *, ::
log_path = /dev/stderr
base_dir = /mnt/run
state_dir = /mnt/state
submission_relay_host = 127.0.0.1
ssl = yes
${certificate}
${passwords}
${['imap', 'pop3', 'submission'].map((each) => `service ${each}-login {\n  ${manyConnections}\n}\n`).join('')}
# Postfix has its port; 2.3 has none by itself.
service submission-login {
  inet_listener submissions {
    port = 0
  }
}
`,
  );
  const script = 'mount -t tmpfs -o mode=755 tmpfs /mnt && exec dovecot -F -c "$1"';
  lab.startProcess(host, 'dovecot', ['unshare', '--mount', 'sh', '-c', script, 'sh', config]);
}

/** What the installed dovecot's configuration calls these: 2.4 (Debian 13) has other names than 2.3 (Debian 12). */
function dovecotDialect(pem: string): Record<'versions' | 'certificate' | 'passwords' | 'manyConnections', string> {
  // Debian's has a revision of the package behind it, "2.4.1-4 (7d8c0e5759)", which no configuration may name.
  const [version = ''] = /^\d+\.\d+\.\d+/.exec(execFileSync('dovecot', ['--version'], { encoding: 'utf8' })) ?? [];
  return version.startsWith('2.3.')
    ? {
        versions: '',
        certificate: `ssl_cert = <${pem}\nssl_key = <${pem}`,
        passwords: 'passdb {\n  driver = static\n  args = password=x\n}',
        manyConnections: 'service_count = 0',
      }
    : {
        // Before all else.
        versions: `dovecot_config_version = ${version}\ndovecot_storage_version = ${version}\n`,
        certificate: `ssl_server_cert_file = ${pem}\nssl_server_key_file = ${pem}`,
        passwords: 'passdb static {\n  password = x\n}',
        manyConnections: 'restart_request_count = unlimited',
      };
}

/** Starts postfix, which takes mail with TLS from the begin of the connection and without. What is said of dovecot's users holds for its own. */
export function startPostfix(lab: Lab, host: HostName, pem: string): void {
  const folder = folderOf(lab, 'postfix');
  writeFileSync(
    join(folder, 'main.cf'),
    `compatibility_level = 3.6
queue_directory = /mnt/spool
data_directory = /mnt/data
maillog_file = /dev/stdout
inet_interfaces = all
inet_protocols = all
myhostname = real.example
mydestination =
smtpd_tls_chain_files = /mnt/etc/vip.pem
`,
  );
  const service = (name: string, type: string, program: string, isPrivate = 'y', wakeup = '-', most = '-'): string =>
    `${name} ${type} ${isPrivate} - n ${wakeup} ${most} ${program}\n`;
  writeFileSync(
    join(folder, 'master.cf'),
    [
      service(String(P.smtp), 'inet', 'smtpd', 'n'),
      service(String(P.smtps), 'inet', 'smtpd -o smtpd_tls_wrappermode=yes', 'n'),
      service('cleanup', 'unix', 'cleanup', 'n', '-', '0'),
      service('rewrite', 'unix', 'trivial-rewrite'),
      service('tlsmgr', 'unix', 'tlsmgr', '-', '1000?', '1'),
      service('anvil', 'unix', 'anvil', '-', '-', '1'),
      service('proxymap', 'unix', 'proxymap', '-'),
      service('postlog', 'unix-dgram', 'postlogd', 'n', '-', '1'),
    ].join(''),
  );
  writeFileSync(join(folder, 'vip.pem'), keyFirst(readFileSync(pem, 'utf8')));
  // "postfix start-fg" would do the same, after many seconds of looking at its folders.
  const script = `mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir -p /mnt/data /mnt/spool/pid /mnt/spool/private /mnt/spool/public
chown postfix /mnt/data /mnt/spool/private /mnt/spool/public
cp -r "$1" /mnt/etc && chmod 755 /mnt/etc
exec "$(postconf -h daemon_directory)/master" -c /mnt/etc -s`;
  lab.startProcess(host, 'postfix', ['unshare', '--mount', 'sh', '-c', script, 'sh', folder]);
}

function keyFirst(pem: string): string {
  const at = pem.search(/-----BEGIN [A-Z ]*PRIVATE KEY/);
  return at < 0 ? pem : pem.slice(at) + pem.slice(0, at);
}

/**
 * Starts MariaDB, which blocks a host after few connections that end without a login, if the host has a name: so it has one
 * for the director.
 */
export function startMariadb(lab: Lab, host: HostName): void {
  const folder = folderOf(lab, 'mariadb');
  const data = join(folder, 'data');
  const install = ['--auth-root-authentication-method=normal', '--skip-test-db', '--user=root', `--datadir=${data}`];
  execFileSync('mariadb-install-db', ['--no-defaults', ...install], { stdio: 'pipe' });
  const { ipv4, ipv6 } = hostNamed('director');
  writeFileSync(join(folder, 'hosts'), `127.0.0.1 localhost\n${ipv4} director\n${ipv6} director\n`);
  // The server answers hosts alone that somebody may log in from.
  writeFileSync(join(folder, 'init.sql'), "CREATE USER IF NOT EXISTS somebody@'%' IDENTIFIED BY 'x';\n");
  const server = [
    ...['mariadbd', '--no-defaults', '--user=root', `--datadir=${data}`, `--socket=${folder}/socket`],
    ...[`--port=${P.mysql}`, '--bind-address=*', '--max-connect-errors=3', `--init-file=${folder}/init.sql`],
  ];
  const script = 'mount --bind "$1" /etc/hosts && shift && exec "$@"';
  lab.startProcess(host, 'mariadb', ['unshare', '--mount', 'sh', '-c', script, 'sh', join(folder, 'hosts'), ...server]);
}

export function startMemcached(lab: Lab, host: HostName): void {
  lab.startProcess(host, 'memcached', ['memcached', '-u', 'root', '-l', '0.0.0.0,::', '-p', String(P.memcached)]);
}

export function startVsftpd(lab: Lab, host: HostName): void {
  const folder = folderOf(lab, 'vsftpd');
  const empty = folderOf(lab, 'vsftpd/empty');
  const config = join(folder, 'vsftpd.conf');
  writeFileSync(
    config,
    `listen_ipv6=YES\nlisten=NO\nbackground=NO\nsecure_chroot_dir=${empty}\nlisten_port=${P.ftp}\n`,
  );
  lab.startProcess(host, 'vsftpd', ['vsftpd', config]);
}

export function startDropbear(lab: Lab, host: HostName): void {
  const key = join(folderOf(lab, 'dropbear'), 'key');
  execFileSync('dropbearkey', ['-t', 'ed25519', '-f', key], { stdio: 'pipe' });
  lab.startProcess(host, 'dropbear', ['dropbear', '-F', '-E', '-r', key, '-P', `${key}.pid`, '-p', String(P.ssh)]);
}
