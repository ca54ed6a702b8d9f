/** Checks what a director needs before it starts: the kernel's version and the process's capabilities. */

import { readFileSync } from 'node:fs';
import { release } from 'node:os';

import { BeelineError } from '../model/index.js';

const OLDEST_KERNEL = { major: 6, minor: 1 };

/** Bits of /proc/PID/status' CapEff (linux/capability.h). */
const CAPABILITIES = { CAP_NET_ADMIN: 12, CAP_SYS_ADMIN: 21, CAP_PERFMON: 38, CAP_BPF: 39 } as const;

/** @throws BeelineError `KERNEL_TOO_OLD`, `CAPABILITY_MISSING` */
export function preflight(): void {
  checkKernel(release());
  checkCapabilities(readFileSync('/proc/self/status', 'utf8'));
}

/** @param kernelRelease as uname -r prints it: "6.1.0-13-amd64" */
export function checkKernel(kernelRelease: string): void {
  const [major = 0, minor = 0] = kernelRelease.split('.').map((part) => parseInt(part, 10));
  if (major < OLDEST_KERNEL.major || (major === OLDEST_KERNEL.major && minor < OLDEST_KERNEL.minor)) {
    throw new BeelineError('KERNEL_TOO_OLD', `this kernel is ${kernelRelease}; Beeline needs 6.1 or later`, {
      hint: 'Debian 12 and Ubuntu 24.04 have one.',
    });
  }
}

/** @param status the content of /proc/self/status */
export function checkCapabilities(status: string): void {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  const has = (bit: number): boolean => ((effective >> BigInt(bit)) & 1n) === 1n;
  // CAP_SYS_ADMIN contains what CAP_BPF and CAP_PERFMON were cut out of it for (kernel 5.8).
  const needed = (['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_PERFMON'] as const).filter(
    (name) => name === 'CAP_NET_ADMIN' || !has(CAPABILITIES.CAP_SYS_ADMIN),
  );
  const missing = needed.filter((name) => !has(CAPABILITIES[name]));
  if (missing.length > 0) {
    throw new BeelineError(
      'CAPABILITY_MISSING',
      `this process may not load XDP programs: it lacks ${missing.join(', ')}`,
      {
        hint: 'Run as root (sudo), or give these capabilities.',
      },
    );
  }
}
