/** ipvsadm on a director that is only a model, and the recorded answers of real ipvsadm (test/golden/ipvs). */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';

import type { FlowReport, FlowsReport } from '../../src/control/index.js';
import { type Director, type Environment, execute, type Names, parseServices } from '../../src/ipvsadm/index.js';
import { type Figures, OfflineDirector, toPromise } from '../../src/ipvsadm/offline.js';
import {
  type AnyServiceKey,
  BeelineError,
  type Destination,
  ip,
  type IpAddress,
  type MarkService,
  type Service,
  serviceName,
} from '../../src/model/index.js';

/** A director without packets: changes go to a model, and statistics are as given. */
export class FakeDirector extends OfflineDirector {
  /** Statistics by service ("tcp 10.0.0.1:80"), or by service and real server ("tcp 10.0.0.1:80 10.0.0.2"). */
  figures: Readonly<Record<string, Partial<Figures>>> = {};
  listedFlows: readonly FlowReport[] = [];
  /** The services whose statistics were reset. */
  readonly zeroed: string[] = [];

  constructor() {
    super({ interfaces: ['eth0'], mode: 'native', services: [] });
  }

  protected override figuresOf(service: Service | MarkService, destination: Destination | undefined): Figures {
    const name = [serviceName(service), ...(destination === undefined ? [] : [destination.address])].join(' ');
    return { ...super.figuresOf(service, destination), ...this.figures[name] };
  }

  /** Returns two pages if there are several flows. */
  override flows(from: string | undefined): Promise<FlowsReport> {
    const middle = this.listedFlows.length >> 1;
    return Promise.resolve(
      from === undefined && middle > 0
        ? { flows: this.listedFlows.slice(0, middle), next: 'middle' }
        : { flows: this.listedFlows.slice(middle) },
    );
  }

  override zero(service: AnyServiceKey | undefined): Promise<void> {
    return toPromise(() => {
      const { services, markServices = [] } = this.model;
      const all = [...services, ...markServices].map(serviceName);
      if (service !== undefined && !all.includes(serviceName(service))) {
        throw new BeelineError('SERVICE_UNKNOWN', 'there is no such service');
      }
      this.zeroed.push(service === undefined ? 'all' : serviceName(service));
    });
  }
}

/** The names on the machine of the recordings. */
const HOSTS: Readonly<Record<string, IpAddress>> = {
  localhost: ip('127.0.0.1'),
  'director.example': ip('10.0.0.100'),
  real: ip('10.0.0.31'),
  'real.example': ip('10.0.0.31'),
  'a-real-server-of-a-rather-long-name.example': ip('10.0.0.32'),
  'both.example': ip('10.0.0.33'),
  'client.example': ip('10.9.0.1'),
  'a-director-of-a-rather-long-name.example': ip('10.0.0.101'),
};
const HOSTS_BY_ADDRESS = new Map<IpAddress, string>([
  ...Object.entries(HOSTS).map(([host, address]): [IpAddress, string] => [address, host]),
  [ip('fd00::31'), 'six.example'],
  [ip('fd00::33'), 'both.example'],
]);
const SERVICES = parseServices(`tcpmux 1/tcp
smtp 25/tcp mail
domain 53/tcp
domain 53/udp
http 80/tcp www # WorldWideWeb HTTP
https 443/tcp
https 443/udp
shell 514/tcp cmd syslog
syslog 514/udp
http-alt 8080/tcp webcache
`);

export const RECORDED_NAMES: Names = {
  addressOf: (host) => Promise.resolve(HOSTS[host]),
  portOf: (service, protocol) => SERVICES.ports.get(`${service}/${protocol}`),
  hostsOf: () => Promise.resolve(HOSTS_BY_ADDRESS),
  serviceOf: (port, protocol) => SERVICES.names.get(`${port}/${protocol}`),
};

export interface Answer {
  /** Standard output and standard error without Beeline's warnings. */
  readonly output: string;
  readonly warnings: readonly string[];
  readonly status: number;
}

/** Yields a text as a stream that splits it anywhere. */
export function piecesOf(text: string, size = 7): AsyncIterable<string> {
  const count = Math.ceil(text.length / size);
  return Readable.from(Array.from({ length: count }, (_, i) => text.slice(i * size, (i + 1) * size)));
}

/** Runs one command line. */
export async function ipvsadm(
  director: Director,
  words: readonly string[],
  rest: Partial<Environment> & { readonly stdin?: string } = {},
): Promise<Answer> {
  let output = '';
  const warnings: string[] = [];
  const status = await execute(words, {
    director,
    names: RECORDED_NAMES,
    out: (text) => (output += text),
    err: (text) => {
      if (text.startsWith('beeline: warning: ')) {
        warnings.push(text);
      } else {
        output += text;
      }
    },
    input: () => piecesOf(rest.stdin ?? ''),
    loopback: () => Promise.resolve([]),
    ...rest,
  });
  return { output, warnings, status };
}

/** A command of a recording, and its result. */
export interface Recorded {
  readonly command: string;
  readonly words: readonly string[];
  readonly stdin: string;
  readonly output: string;
  readonly status: number;
}

/** Reads the "$ ipvsadm …" blocks of a file in test/golden/ipvs. */
export function recordedCommands(file: string): Recorded[] {
  const text = readFileSync(join('test/golden/ipvs', file), 'utf8');
  const recorded = [...text.matchAll(/^\$ (.*)\n((?:(?!\[exit )(?!\$ ).*\n)*?)\[exit (\d+)\]$/gm)].map(
    ([, command = '', output = '', status]) => {
      const [first, second] = command.split(' | ') as [string, string | undefined];
      const words = shellWords(second ?? first);
      const stdin = second === undefined ? '' : printf(shellWords(first));
      // Remarks between commands are not part of the output.
      return {
        command,
        words: words.slice(1),
        stdin,
        output: output.replace(/^[#!] .*\n/gm, ''),
        status: Number(status),
      };
    },
  );
  assert.equal(recorded.length, text.match(/^\$ /gm)?.length, `${file} is understood as a whole`);
  return recorded;
}

/** Splits a line into words as a shell does, and removes quotes. */
function shellWords(line: string): string[] {
  return [...line.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)].map(([word]) =>
    word.replace(/'([^']*)'|"([^"]*)"/g, (_, single?: string, double?: string) => single ?? double ?? ''),
  );
}

/** Returns the output of printf(1) for one argument without conversions. */
function printf(words: readonly string[]): string {
  const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', v: '\v', f: '\f', '\\': '\\' };
  return words.at(-1)!.replace(/\\(.)/g, (_, letter: string) => escapes[letter] ?? `\\${letter}`);
}
