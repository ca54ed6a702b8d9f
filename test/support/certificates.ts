/** Certificates of an authority of the tests, made by openssl. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const DAY_MS = 86_400_000;

const CONFIG = `
[ca]
default_ca = test
[test]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
email_in_dn = no
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = none
[none]
[authority]
basicConstraints = critical, CA:TRUE
subjectKeyIdentifier = hash
`;

export interface Pair {
  readonly key: string;
  readonly cert: string;
}

export interface CertificateOptions {
  /** Default: "DNS:www.example.org,IP:127.0.0.1". */
  readonly names?: string;
  /** Days from now. Default: -1 and 90. */
  readonly from?: number;
  readonly to?: number;
}

/** An authority in a folder, with one key for all certificates. */
export class Authority {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
    this.#write('openssl.cnf', CONFIG);
    this.#write('index.txt', '');
    this.#openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'key.pem');
    const x509 = ['req', '-x509', '-config', 'openssl.cnf', '-key', 'key.pem', '-days', '365'];
    this.#openssl(...x509, '-subj', '/CN=Authority of the tests', '-extensions', 'authority', '-out', 'ca.pem');
    this.#openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'leaf.pem');
    this.#openssl('req', '-new', '-config', 'openssl.cnf', '-key', 'leaf.pem', '-subj', '/CN=leaf', '-out', 'leaf.csr');
  }

  /** The path of the file with the authority's own certificate. */
  get path(): string {
    return join(this.#folder, 'ca.pem');
  }

  issue({ names = 'DNS:www.example.org,IP:127.0.0.1', from = -1, to = 90 }: CertificateOptions = {}): Pair {
    this.#write('leaf.ext', `basicConstraints = CA:FALSE\nsubjectAltName = ${names}\n`);
    const dates = ['-startdate', dateText(from), '-enddate', dateText(to)];
    const files = [
      '-keyfile',
      'key.pem',
      '-cert',
      'ca.pem',
      '-in',
      'leaf.csr',
      '-extfile',
      'leaf.ext',
      '-out',
      'x.pem',
    ];
    this.#openssl('ca', '-batch', '-notext', '-config', 'openssl.cnf', ...dates, ...files);
    return { key: this.#read('leaf.pem'), cert: this.#read('x.pem') };
  }

  selfSigned(): Pair {
    const x509 = [
      'req',
      '-x509',
      '-config',
      'openssl.cnf',
      '-key',
      'leaf.pem',
      '-days',
      '90',
      '-subj',
      '/CN=127.0.0.1',
    ];
    this.#openssl(...x509, '-out', 'self.pem');
    return { key: this.#read('leaf.pem'), cert: this.#read('self.pem') };
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.#folder, stdio: 'pipe' });
  }

  #read(name: string): string {
    return readFileSync(join(this.#folder, name), 'utf8');
  }

  #write(name: string, text: string): void {
    writeFileSync(join(this.#folder, name), text);
  }
}

/** "20261130020720Z" */
function dateText(days: number): string {
  return `${new Date(Date.now() + days * DAY_MS).toISOString().replace(/[-:T]|\..*/g, '')}Z`;
}
