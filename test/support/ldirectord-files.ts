/** The files of ldirectord in test/golden/import/ldirectord, and what the importer makes of them. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { formatConfig } from '../../src/config/index.js';
import { type Imported, importLdirectord, type Lookups } from '../../src/import/index.js';
import { ip, type IpAddress } from '../../src/model/index.js';

/** Relative to the root of the repository, where tests run. */
const DIRECTORY = 'test/golden/import/ldirectord';

const HOSTS: Readonly<Record<string, IpAddress>> = {
  'mail.example.com 4': ip('192.168.1.110'),
  'mx1.example.com 4': ip('192.168.1.31'),
  'mx2.example.com 4': ip('192.168.1.32'),
  'mx1.example.com 6': ip('fd00::31'),
};

const PORTS: Readonly<Record<string, number>> = {
  http: 80,
  https: 443,
  domain: 53,
  smtp: 25,
  submission: 587,
  pop3: 110,
};

/** The names that these files have, whatever the host knows. */
export const LOOKUPS: Lookups = {
  addressOf: (host, family) => Promise.resolve(HOSTS[`${host} ${family}`]),
  portOf: (service) => (Object.hasOwn(PORTS, service) ? PORTS[service] : undefined),
};

export interface GoldenFile {
  readonly name: string;
  readonly path: string;
  readonly text: string;
}

export function ldirectordFiles(): GoldenFile[] {
  return readdirSync(DIRECTORY)
    .filter((file) => file.endsWith('.cf'))
    .sort()
    .map((file) => {
      const path = join(DIRECTORY, file);
      return { name: file.replace(/\.cf$/, ''), path, text: readFileSync(path, 'utf8') };
    });
}

export function importText(text: string): Promise<Imported> {
  return importLdirectord(text, 'ens3', LOOKUPS);
}

/** The report as the golden files have it. */
export function reportOf({ remarks }: Imported): string {
  return remarks.map(({ line, kind, text }) => `${line}: ${kind}: ${text}\n`).join('');
}

/** Returns what is expected beside a file. With UPDATE_GOLDEN in the environment it is what there is, and is written. */
export function expectedBeside({ path }: GoldenFile, extension: 'yaml' | 'report', actual: string): string {
  const file = path.replace(/cf$/, extension);
  if (process.env['UPDATE_GOLDEN'] !== undefined) {
    writeFileSync(file, actual);
  }
  return readFileSync(file, 'utf8');
}

export function yamlOf({ model }: Imported): string {
  return formatConfig(model);
}
