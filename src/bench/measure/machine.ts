/** Describes the machine that figures were measured on. */

import { readFileSync } from 'node:fs';
import { availableParallelism, release } from 'node:os';

import { libbpfVersion } from '../../native/index.js';
import { processorIn } from './origin.js';

export interface Machine {
  readonly kernel: string;
  readonly processor: string;
  readonly processors: number;
  readonly node: string;
  readonly libbpf: string;
  readonly beeline: string;
}

export function machine(): Machine {
  const { version } = JSON.parse(readFileSync(new URL('../../../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return {
    kernel: release(),
    processor: processorIn(readFileSync('/proc/cpuinfo', 'utf8')),
    processors: availableParallelism(),
    node: process.version,
    libbpf: libbpfVersion(),
    beeline: version,
  };
}
